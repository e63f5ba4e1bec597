// Search and filters of the gallery. Their state is the fragment of the address, #q=causal&kind=attention, so that a view
// can be sent, survives a reload and answers to the back button, also where the page is a file.
"use strict";

(() => {
  const FACETS = ["kind", "plugin", "tag", "year", "fidelity"];
  const form = document.getElementById("filters");
  const count = document.getElementById("count");
  const none = document.getElementById("none");
  const clearing = document.querySelectorAll("[data-clear]");
  const search = form.elements.q;

  const plain = (text) => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
  const textOf = (tile, selector) => tile.querySelector(selector).textContent;
  const tiles = [...document.querySelectorAll(".tile")].map((tile) => ({
    tile,
    text: plain(
      [tile.id, tile.dataset.words, textOf(tile, ".summary"), textOf(tile, ".title"), ...FACETS.map((f) => tile.dataset[f])].join(" "),
    ),
    values: Object.fromEntries(FACETS.map((facet) => [facet, tile.dataset[facet].split(" ")])),
  }));

  function read() {
    const asked = new URLSearchParams(location.hash.slice(1));
    search.value = asked.get("q") ?? "";
    for (const facet of FACETS) {
      form.elements[facet].value = asked.get(facet) ?? "";
      // A value that no entry has leaves nothing selected.
      if (form.elements[facet].selectedIndex < 0) form.elements[facet].value = "";
    }
  }

  function address() {
    const asked = new URLSearchParams();
    if (search.value.trim()) asked.set("q", search.value.trim());
    for (const facet of FACETS) if (form.elements[facet].value) asked.set(facet, form.elements[facet].value);
    return asked.size ? `#${asked}` : location.pathname + location.search;
  }

  function show() {
    const words = plain(search.value).split(/\s+/).filter(Boolean);
    const left = Object.fromEntries(FACETS.map((facet) => [facet, new Map()]));
    let shown = 0;
    for (const { tile, text, values } of tiles) {
      const found = words.every((word) => text.includes(word));
      const misses = FACETS.filter((f) => form.elements[f].value && !values[f].includes(form.elements[f].value));
      tile.hidden = !found || misses.length > 0;
      shown += !tile.hidden;
      // What an option would leave: tiles that nothing but its own filter hides.
      for (const facet of FACETS)
        if (found && misses.every((missed) => missed === facet))
          for (const value of values[facet]) left[facet].set(value, (left[facet].get(value) ?? 0) + 1);
    }
    for (const facet of FACETS) {
      const select = form.elements[facet];
      for (const option of select.options) {
        if (!option.value) continue;
        const number = left[facet].get(option.value) ?? 0;
        option.textContent = `${option.value} (${number})`;
        option.disabled = number === 0 && !option.selected;
      }
      select.parentElement.classList.toggle("set", select.value !== "");
    }
    search.parentElement.classList.toggle("set", words.length > 0);
    const all = shown === tiles.length && address()[0] !== "#";
    count.textContent = all ? `${shown} entries` : `${shown} of ${tiles.length} entries`;
    for (const button of clearing) button.hidden = all;
    none.hidden = shown > 0;
  }

  // One step of the history for each filter, and one for each time that somebody types.
  let typing = false;
  function changed(typed) {
    const to = address();
    if (to !== (location.hash || location.pathname + location.search))
      history[typed && typing ? "replaceState" : "pushState"](null, "", to);
    typing = typed;
    show();
  }

  function clear() {
    form.reset();
    changed(false);
    search.focus();
  }

  form.addEventListener("input", (event) => changed(event.target === search));
  form.addEventListener("submit", (event) => event.preventDefault());
  search.addEventListener("blur", () => (typing = false));
  for (const button of clearing) button.addEventListener("click", clear);
  for (const event of ["popstate", "pageshow"])
    window.addEventListener(event, () => {
      typing = false;
      read();
      show();
    });

  form.hidden = false;
  read();
  show();
})();
