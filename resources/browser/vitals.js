// Behind the package web-vitals, before the page's own scripts: keeps what it reports, and how long tasks took.
window.__vitals = {tasks: 0};
for (const name of ["LCP", "CLS", "INP"]) {
    webVitals[`on${name}`]((metric) => { window.__vitals[name] = metric.value; }, {reportAllChanges: true});
}
if (PerformanceObserver.supportedEntryTypes.includes("longtask")) {
    new PerformanceObserver((list) => {
        for (const task of list.getEntries()) window.__vitals.tasks += task.duration;
    }).observe({type: "longtask", buffered: true});
}
