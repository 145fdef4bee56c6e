// Collects in the page what an engine without a protocol for it does not report: console errors, exceptions, failed requests.
// Body of a script; it is run again after each load, and acts once for each.
if (!window.__acceptance) {
    const problems = [];
    window.__acceptance = problems;
    const add = (kind, text) => problems.push({kind, text: String(text).slice(0, 500)});
    const error = console.error;
    console.error = (...words) => { add("console", words.join(" ")); error.apply(console, words); };
    addEventListener("error", (event) => add("error", event.message || `${event.target?.src || event.target?.href} could not be loaded`), true);
    addEventListener("unhandledrejection", (event) => add("error", event.reason));
    const fetched = window.fetch;
    window.fetch = async (...given) => {
        const what = `${given[1]?.method ?? given[0]?.method ?? "GET"} ${given[0]?.url ?? given[0]}`;
        try {
            const response = await fetched(...given);
            if (response.status >= 400) add("request", `${what}: ${response.status}`);
            return response;
        } catch (problem) {
            if (problem?.name !== "AbortError") add("request", `${what}: ${problem}`);
            throw problem;
        }
    };
    const open = XMLHttpRequest.prototype.open;
    XMLHttpRequest.prototype.open = function (method, address, ...rest) {
        this.addEventListener("loadend", () => {
            if (this.status >= 400) add("request", `${method} ${address}: ${this.status}`);
        });
        this.addEventListener("error", () => add("request", `${method} ${address}: failed`));
        return open.call(this, method, address, ...rest);
    };
}
return window.__acceptance.splice(0);
