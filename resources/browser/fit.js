// What keeps a person from using the page on this screen: what is wider than it, too small to touch, or covered by something else.
// Of a modal dialog, what is in it counts; a link within a line of text may be as small as the text (WCAG 2.5.8).
() => {
    const LEAST = 24; // CSS pixels
    const TARGETS = "a[href], button, input:not([type=hidden]), select, textarea, summary, [role=button], [role=link]";
    const problems = [];
    const root = document.scrollingElement;
    const named = (element) => {
        const text = element.getAttribute("aria-label") || element.labels?.[0]?.textContent || element.textContent || element.name;
        return `${element.tagName.toLowerCase()} '${(text || "").replace(/\s+/g, " ").trim().slice(0, 40)}'`;
    };
    const isInLine = (element) => {
        if (!element.matches("a") || getComputedStyle(element).display !== "inline") return false;
        return element.parentElement.textContent.trim().length > element.textContent.trim().length;
    };
    if (root.scrollWidth > root.clientWidth + 1) {
        const wide = [...document.body.querySelectorAll("*")].filter((one) => one.getBoundingClientRect().right > root.clientWidth + 1);
        const which = wide.length ? `: ${named(wide.at(-1))} ends at ${Math.round(wide.at(-1).getBoundingClientRect().right)} px` : "";
        problems.push(`the page is ${root.scrollWidth} px wide in a window of ${root.clientWidth} px${which}`);
    }
    const modal = [...document.querySelectorAll("dialog[open], [aria-modal=true]")].at(-1);
    let looked = 0;
    const before = scrollY;
    for (const element of (modal ?? document).querySelectorAll(TARGETS)) {
        if (!element.checkVisibility({visibilityProperty: true, opacityProperty: true})) continue;
        let box = element.getBoundingClientRect();
        if (box.width <= 1 || box.height <= 1 || box.right <= 0 || box.bottom + scrollY <= 0) continue; // for screen readers alone
        looked += 1;
        if (Math.min(box.width, box.height) < LEAST - 0.5 && !isInLine(element)) {
            problems.push(`${named(element)} is ${box.width.toFixed(0)} × ${box.height.toFixed(0)} px`);
        }
        element.scrollIntoView({block: "center", inline: "nearest", behavior: "instant"});
        box = element.getClientRects()[0];
        const hit = document.elementFromPoint(box.left + box.width / 2, box.top + box.height / 2);
        const isHit = hit && (element.contains(hit) || hit.closest("label")?.control === element);
        if (!isHit) problems.push(`${named(element)} is covered by ${hit ? named(hit) : "nothing: it is off the screen"}`);
    }
    scrollTo({top: before, left: 0, behavior: "instant"});
    return {looked, problems, width: innerWidth};
}
