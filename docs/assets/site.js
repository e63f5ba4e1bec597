// Buttons that copy the code beside them. Without this script there are none, and the code can be selected.
"use strict";

(() => {
  const said = document.createElement("p");
  said.className = "unseen";
  said.setAttribute("role", "status");
  document.body.append(said);

  const codeOf = (button) => button.parentElement.querySelector("code, pre").textContent;

  async function copy(text) {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      // Refused, or there is no clipboard at this address: take the old way.
      const area = document.createElement("textarea");
      area.value = text;
      area.className = "unseen";
      document.body.append(area);
      area.select();
      document.execCommand("copy");
      area.remove();
    }
  }

  window.zooCopy = copy; // for scripts of single pages

  for (const button of document.querySelectorAll("button.copy")) {
    const label = button.textContent;
    button.hidden = false;
    button.setAttribute("aria-label", button.dataset.what ?? `${label} ${codeOf(button)}`);
    button.addEventListener("click", async () => {
      await copy(codeOf(button));
      button.focus();
      button.textContent = "Copied";
      said.textContent = "Copied";
      clearTimeout(button.timer);
      button.timer = setTimeout(() => {
        button.textContent = label;
        said.textContent = "";
      }, 2000);
    });
  }
})();

// What scrolls by itself can be scrolled by keyboard, too.
(() => {
  const boxes = document.querySelectorAll(".highlight pre, .table-wrapper");

  function reach() {
    for (const box of boxes) {
      if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
      else box.removeAttribute("tabindex");
    }
  }

  window.addEventListener("resize", reach);
  reach();
})();
