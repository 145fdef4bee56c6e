// How quickly the page was there: times in ms, sizes in bytes; null where the engine does not report it.
async () => {
    const deadline = performance.now() + 3000; // of the interaction before, which is reported after the next picture of the page
    while (PerformanceObserver.supportedEntryTypes.includes("event") && window.__vitals?.INP === undefined && performance.now() < deadline) {
        await new Promise((done) => requestAnimationFrame(done));
    }
    const [navigation] = performance.getEntriesByType("navigation");
    const entries = [navigation, ...performance.getEntriesByType("resource")];
    const vitals = window.__vitals ?? {};
    const measured = (type) => Boolean(window.__vitals) && PerformanceObserver.supportedEntryTypes.includes(type);
    return {
        load: navigation.loadEventEnd ? navigation.loadEventEnd - navigation.startTime : null,
        lcp: vitals.LCP ?? null,
        cls: vitals.CLS ?? (measured("layout-shift") ? 0 : null),
        inp: vitals.INP ?? null,
        tasks: measured("longtask") ? vitals.tasks : null,
        transferred: entries.reduce((sum, entry) => sum + (entry.transferSize || 0), 0),
        requests: entries.length,
    };
}
