// Sorts and filters the ranked table of a static site, where no server answers, shows more of its columns, and
// leads to the page of two methods. The choice is kept in the address (#q=...&tier=...&sort=-mean), so a view
// has a permalink here too.
"use strict";
(() => {
  const form = document.getElementById("filters");
  const compare = document.getElementById("compare");
  const table = document.getElementById("table");
  const heads = [...table.tHead.rows[0].cells];
  const rows = [...table.tBodies[0].rows];
  const state = new URLSearchParams(location.hash.slice(1));
  const lowFirst = ["rank", "method", "family", "links", "tier", "adapt", "macs", "parameters", "training", "attempts"];
  const shownFirst = heads.filter((head) => !head.hidden).map((head) => head.dataset.group);

  const value = (row, at) => row.cells[at].dataset.value ?? row.cells[at].textContent.trim();
  const order = (a, b) => {
    const [x, y] = [Number(a), Number(b)];
    return Number.isNaN(x) || Number.isNaN(y) ? a.localeCompare(b) : x - y;
  };
  const is = (row, name, wanted) =>
    name === "family" ? row.cells[family].textContent.trim() === wanted : row.dataset[name] === wanted;
  const family = heads.findIndex((head) => head.dataset.column === "family");

  function columns() {
    const chosen = state.has("columns") ? state.get("columns").split(" ") : shownFirst;
    heads.forEach((head, at) => {
      if (!head.dataset.group) return;
      const hidden = !chosen.includes(head.dataset.group);
      for (const row of [table.tHead.rows[0], ...rows]) row.cells[at].hidden = hidden;
    });
    for (const box of form.querySelectorAll("[name=columns]")) box.checked = chosen.includes(box.value);
  }

  function apply() {
    let found = 0;
    const wanted = (state.get("q") ?? "").toLowerCase();
    for (const row of rows) {
      const shown =
        `${row.dataset.method} ${row.dataset.authors}`.includes(wanted) &&
        ["tier", "transductive", "family"].every((name) => !state.get(name) || is(row, name, state.get(name)));
      row.hidden = !shown;
      found += shown;
    }
    document.getElementById("found").textContent = found;
    document.getElementById("none").hidden = found > 0;
    table.hidden = found === 0;
    const sort = state.get("sort") ?? "rank";
    const column = sort.replace(/^-/, "");
    const at = heads.findIndex((head) => head.dataset.column === column);
    const sign = sort.startsWith("-") ? -1 : 1;
    table.tBodies[0].append(...(at < 0 ? rows : [...rows].sort((a, b) => sign * order(value(a, at), value(b, at)))));
    heads.forEach((head, i) => {
      if (i === at) head.setAttribute("aria-sort", sign < 0 ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    });
    columns();
    const words = state.toString();
    history.replaceState(null, "", words ? `#${words}` : location.pathname + location.search);
  }

  function set(name, text) {
    if (text) state.set(name, text);
    else state.delete(name);
    apply();
  }

  function fill() {
    for (const field of form.querySelectorAll("[name]")) {
      if (field.name !== "columns") field.value = state.get(field.name) ?? "";
    }
  }

  for (const head of heads.filter((one) => one.dataset.column)) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent.trim();
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const column = head.dataset.column;
      const first = lowFirst.includes(column) ? "" : "-";
      const now = state.get("sort") ?? "rank";
      set("sort", (now.replace(/^-/, "") !== column ? first : now.startsWith("-") ? "" : "-") + column);
    });
  }
  for (const field of form.querySelectorAll("[name]")) {
    const changed = () => {
      if (field.name !== "columns") return set(field.name, field.value);
      set("columns", [...form.querySelectorAll("[name=columns]:checked")].map((box) => box.value).join(" ") || "none");
    };
    field.addEventListener("input", changed);
    field.addEventListener("change", changed);
  }
  form.addEventListener("submit", (event) => event.preventDefault());
  document.getElementById("reset").addEventListener("click", (event) => {
    event.preventDefault();
    for (const name of [...state.keys()]) if (name !== "columns" && name !== "sort") state.delete(name);
    fill();
    apply();
  });
  compare.addEventListener("submit", (event) => {
    event.preventDefault();
    const chosen = [...compare.querySelectorAll("[name=m]:checked")].map((box) => box.value);
    const best = [...rows].sort((a, b) => order(value(a, 1), value(b, 1))).map((row) => row.querySelector("[name=m]")?.value);
    chosen.sort((a, b) => best.indexOf(a) - best.indexOf(b));
    if (chosen.length === 2) location.href = compare.action.replace(/\.html$/, `/${chosen[0]}/${chosen[1]}.html`);
    else document.getElementById("note").textContent = `Choose two of the best ${compare.dataset.static}: a site without a server has their pairs.`;
  });
  for (const part of [form, ...document.querySelectorAll(".pick, .compare")]) part.hidden = false;
  fill();
  apply();
})();
