// Findings of axe-core, loaded before: rules of WCAG 2.1 A and AA that a machine can check.
async () => {
    const result = await axe.run(document, {runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"], resultTypes: ["violations"]});
    return result.violations.map(({id, impact, help, nodes}) => ({
        id, impact, help, places: nodes.map((node) => node.target.join(" ")),
    }));
}
