// Extension of the Browser library: what its keywords do not have. Runs in the library's own Node process.
"use strict";

const crypto = require("crypto");
const fs = require("fs");
const { firefox } = require.main.require("playwright");

// A Firefox that is given by its path is one of the system: stock, and driven over WebDriver BiDi.
const launch = firefox.launch.bind(firefox);
firefox.launch = (options = {}) => launch(options.executablePath ? { ...options, channel: "moz-firefox" } : options);

const CANCELLED = /ERR_ABORTED|NS_BINDING_ABORTED|Load request cancelled/; // by the page itself, or by leaving it
// Playwright puts this style into a page before it takes a picture; a security policy that refuses it names it by its hash.
const OUR_STYLE = crypto.createHash("sha256").update("body {}").digest("base64");
const watched = new WeakMap(); // context -> what went wrong in it

function problemsOf(context) {
    if (!watched.has(context)) watched.set(context, []);
    return watched.get(context);
}

async function watchPage(context) {
    const problems = problemsOf(context);
    const add = (kind, text) => String(text).includes(OUR_STYLE) || problems.push({ kind, text: String(text).slice(0, 500) });
    context.on("console", (message) => message.type() === "error" && add("console", message.text()));
    context.on("weberror", (one) => add("error", one.error().message));
    context.on("requestfailed", (request) => {
        const reason = request.failure()?.errorText ?? "";
        if (!CANCELLED.test(reason)) add("request", `${request.method()} ${request.url()}: ${reason || "failed"}`);
    });
    context.on("response", (response) => {
        if (response.status() >= 400) add("request", `${response.request().method()} ${response.url()}: ${response.status()}`);
    });
    context.on("page", (page) => page.on("crash", () => add("crash", "the page crashed")));
}
watchPage.rfdoc = "Collects console errors, exceptions, failed requests and crashes of the context from now on.";

async function takeProblems(context) {
    return problemsOf(context).splice(0);
}
takeProblems.rfdoc = "Returns what was collected since the last time: a list of kind and text.";

async function engineVersion(browser) {
    return browser.version();
}
engineVersion.rfdoc = "Returns the version of the active browser.";

async function engineIsAlive(browser) {
    return browser ? browser.isConnected() : false;
}
engineIsAlive.rfdoc = "Returns whether the active browser is still there.";

async function startTrace(context) {
    await context.tracing.start({ snapshots: true, screenshots: false, sources: false });
}
startTrace.rfdoc = "Records what happens in the context from now on; begun after sign-in only.";

async function stopTrace(context, path) {
    await context.tracing.stop(path ? { path } : {});
}
stopTrace.rfdoc = "Ends the recording, and keeps it where a path is given.";

async function startHar(context, path) {
    await context.tracing.startHar(path, { content: "omit" });
}
startHar.rfdoc = "Records the requests of the context from now on as HAR; begun after sign-in only.";

async function stopHar(context) {
    await context.tracing.stopHar();
}
stopHar.rfdoc = "Ends the recording of requests, and writes its file.";

async function addScriptFile(context, path) {
    await context.addInitScript({ path });
}
addScriptFile.rfdoc = "Has a script run in each page of the context, before its own.";

async function runScriptFile(page, path) {
    return page.evaluate(`(${fs.readFileSync(path, "utf8")})()`);
}
runScriptFile.rfdoc = "Runs a function that a file holds in the page, and returns its result.";

async function loadScriptFile(page, path) {
    await page.evaluate(fs.readFileSync(path, "utf8"));
}
loadScriptFile.rfdoc = "Runs the statements of a file in the page.";

async function responseBegins(page, milliseconds) {
    await page.waitForResponse((response) => response.request().method() === "POST", { timeout: Number(milliseconds) });
}
responseBegins.rfdoc = "Waits until the head of the response to the next POST of the page is there.";

async function slowDown(page, latency, download, upload, slowness) {
    const session = await page.context().newCDPSession(page);
    await session.send("Network.enable");
    await session.send("Network.emulateNetworkConditions", {
        offline: false, latency: Number(latency), downloadThroughput: Number(download), uploadThroughput: Number(upload),
    });
    await session.send("Emulation.setCPUThrottlingRate", { rate: Number(slowness) });
}
slowDown.rfdoc = "Makes network and processor of the page as slow as those of a phone: ms, bytes/s, bytes/s, times. Chromium only.";

exports.__esModule = true; // imported as keywords of their own names
Object.assign(exports, {
    watchPage, takeProblems, engineVersion, engineIsAlive, startTrace, stopTrace, startHar, stopHar, addScriptFile,
    runScriptFile, loadScriptFile, responseBegins, slowDown,
});
