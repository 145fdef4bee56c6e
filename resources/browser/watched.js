// What moves after the load is watched for two seconds, as somebody who begins to read; engines that do not report it are not waited for.
async () => {
    if (!PerformanceObserver.supportedEntryTypes.includes("layout-shift")) return;
    const [navigation] = performance.getEntriesByType("navigation");
    const left = navigation.loadEventEnd + 2000 - performance.now();
    if (left > 0) await new Promise((done) => setTimeout(done, left));
}
