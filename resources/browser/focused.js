// Where the keyboard is: the focused element in words, and whether a person can see that it is there: by an outline, or by what
// it looks like without the focus.
() => {
    const element = document.activeElement;
    if (!element || element === document.body) return {where: "the page", seen: true};
    const style = getComputedStyle(element);
    const box = element.getBoundingClientRect();
    const outlined = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0;
    const look = () => [style.boxShadow, style.borderColor, style.backgroundColor, style.textDecorationLine].join();
    const differs = () => {
        const {transition} = element.style;
        element.style.transition = "none"; // or the old look would still be there
        const focused = look();
        element.blur();
        const without = look();
        element.focus({preventScroll: true});
        element.style.transition = transition;
        return focused !== without;
    };
    const text = element.getAttribute("aria-label") || element.labels?.[0]?.textContent || element.textContent || element.id;
    return {
        where: `${element.tagName.toLowerCase()} '${(text || "").replace(/\s+/g, " ").trim().slice(0, 40)}'`,
        seen: (outlined || differs()) && box.width > 1 && box.height > 1,
    };
}
