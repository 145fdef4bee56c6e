// Where the keyboard is: the focused element in words, and whether a person can see that it is there.
() => {
    const element = document.activeElement;
    if (!element || element === document.body) return {where: "the page", seen: true};
    const style = getComputedStyle(element);
    const box = element.getBoundingClientRect();
    const outlined = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0;
    const shaded = style.boxShadow !== "none";
    const text = element.getAttribute("aria-label") || element.labels?.[0]?.textContent || element.textContent || element.id;
    return {
        where: `${element.tagName.toLowerCase()} '${(text || "").replace(/\s+/g, " ").trim().slice(0, 40)}'`,
        seen: (outlined || shaded) && box.width > 1 && box.height > 1,
    };
}
