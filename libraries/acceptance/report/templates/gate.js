(() => {
  const form = document.getElementById("filter");
  const rows = [...document.querySelectorAll("tbody[data-state]")];
  const texts = rows.map((row) => row.textContent.toLowerCase());
  const blocks = [...document.querySelectorAll("[data-block]")];
  const filter = () => {
    const state = form.elements.state.value;
    const words = form.elements.words.value.trim().toLowerCase();
    let count = 0;
    rows.forEach((row, index) => {
      row.hidden = !((!state || row.dataset.state === state) && texts[index].includes(words));
      count += row.hidden ? 0 : 1;
    });
    blocks.forEach((block) => {
      const empty = !block.querySelector("tbody[data-state]:not([hidden])");
      block.hidden = empty;
      if (block.tagName === "DETAILS") block.open = !empty && Boolean(state || words);
    });
    form.elements.count.value = `${count} of ${rows.length} criteria`;
  };
  const reveal = () => {
    let at = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    const target = at;
    for (; at; at = at.parentElement) if (at.tagName === "DETAILS") at.open = true;
    if (target) target.scrollIntoView();
  };
  form.hidden = false;
  form.addEventListener("input", filter);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.elements.all.addEventListener("click", () => {
    const all = [...document.querySelectorAll(".more details")];
    const open = all.some((one) => !one.open);
    all.forEach((one) => { one.open = open; });
    form.elements.all.textContent = open ? "Close all details" : "Open all details";
  });
  addEventListener("hashchange", reveal);
  document.addEventListener("click", (event) => {
    const link = event.target.closest('a[href^="#"]');
    if (link && link.hash === location.hash) reveal(); // the same place again: no hashchange
  });
  if (location.hash) reveal();
})();
