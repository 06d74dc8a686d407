// Draws the pictures of a page from the specifications that stand in it. Expressions are interpreted, not
// evaluated, so the page's content policy needs no 'unsafe-eval'; without this script the SVGs stay.
"use strict";
(() => {
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const json = (id) => JSON.parse(document.getElementById(id).textContent);

  async function draw(place) {
    const spec = json(`spec-${place.dataset.name}`);
    if (dark.matches) spec.config = json(`dark-${place.dataset.name}`);
    try {
      await window.vegaEmbed(place, spec, {
        actions: false,
        ast: true,
        defaultStyle: false,
        expr: window.vega.expressionInterpreter,
        renderer: "svg",
        tooltip: { disableDefaultStyle: true },
      });
      place.dataset.drawn = "yes";
    } catch (error) {
      place.textContent = `The picture could not be drawn (${error.message}); its numbers are in the table.`;
    }
  }

  const all = () => document.querySelectorAll(".vega").forEach(draw);
  dark.addEventListener("change", all);
  all();
})();
