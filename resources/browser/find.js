// Body of a script for WebDriver: the visible elements that match, found by role and accessible name as axe-core computes them.
// arguments[0]: the criteria, the outermost first: {role, name} | {label} | {css}, and has_text.
const spaced = (text) => (text || "").replace(/\s+/g, " ").trim();
const shown = (element) => element.type === "file" || (element.checkVisibility ? element.checkVisibility({visibilityProperty: true}) : element.getClientRects().length > 0);
const {getRole} = axe.commons.aria;
const named = (element) => spaced(axe.commons.text.accessibleText(element));
const matches = (element, {role, name, label}) => label !== undefined
    ? element.matches("input, select, textarea, [contenteditable]") && named(element) === spaced(label)
    : getRole(element) === role && (name === undefined || named(element) === spaced(name));
axe.setup(document);
try {
    let roots = [document];
    for (const criterion of arguments[0]) {
        const within = (root) => [...root.querySelectorAll(criterion.css ?? "*")];
        const has = (one) => spaced(one.textContent).toLowerCase().includes(spaced(criterion.has_text).toLowerCase());
        roots = roots.flatMap(within).filter((one) => shown(one) && has(one) && (criterion.css !== undefined || matches(one, criterion)));
    }
    return roots;
} finally {
    axe.teardown();
}
