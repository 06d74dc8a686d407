// Sorts and filters the ranked table of a static site, where no server answers. The choice is kept in the
// address (#q=...&tier=...&sort=-mean), so a view has a permalink here too.
"use strict";
(() => {
  const form = document.getElementById("filters");
  const body = document.querySelector("#table tbody");
  const heads = [...document.querySelectorAll("#table thead th")];
  const rows = [...body.rows];
  const state = new URLSearchParams(location.hash.slice(1));

  const value = (row, at) => row.cells[at].dataset.value ?? row.cells[at].textContent.trim();
  const compare = (a, b) => {
    const [x, y] = [Number(a), Number(b)];
    return Number.isNaN(x) || Number.isNaN(y) ? a.localeCompare(b) : x - y;
  };

  function apply() {
    let found = 0;
    for (const row of rows) {
      const shown =
        row.dataset.method.includes((state.get("q") ?? "").toLowerCase()) &&
        ["tier", "transductive"].every((name) => !state.get(name) || row.dataset[name] === state.get(name));
      row.hidden = !shown;
      found += shown;
    }
    document.getElementById("found").textContent = found;
    const sort = state.get("sort") ?? "rank";
    const column = sort.replace(/^-/, "");
    const at = heads.findIndex((head) => head.dataset.column === column);
    const sign = sort.startsWith("-") ? -1 : 1;
    const sorted = at < 0 ? rows : [...rows].sort((a, b) => sign * compare(value(a, at), value(b, at)));
    body.append(...sorted);
    heads.forEach((head, i) => {
      if (i === at) head.setAttribute("aria-sort", sign < 0 ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    });
    const words = state.toString();
    history.replaceState(null, "", words ? `#${words}` : location.pathname + location.search);
  }

  function set(name, text) {
    if (text) state.set(name, text);
    else state.delete(name);
    apply();
  }

  for (const head of heads) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent.trim();
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const column = head.dataset.column;
      const first = ["rank", "method", "parameters", "training", "attempts"].includes(column) ? "" : "-";
      const now = state.get("sort") ?? "rank";
      set("sort", (now.replace(/^-/, "") !== column ? first : now.startsWith("-") ? "" : "-") + column);
    });
  }
  for (const field of form.querySelectorAll("[name]")) {
    field.value = state.get(field.name) ?? "";
    field.addEventListener("input", () => set(field.name, field.value));
  }
  form.addEventListener("submit", (event) => event.preventDefault());
  form.hidden = false;
  apply();
})();
