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
      const { view } = await window.vegaEmbed(place, spec, {
        actions: false,
        ast: true,
        defaultStyle: false,
        expr: window.vega.expressionInterpreter,
        renderer: "svg",
        tooltip: { disableDefaultStyle: true },
      });
      zoomable(place, view);
      place.dataset.drawn = "yes";
    } catch (error) {
      place.textContent = `The picture could not be drawn (${error.message}); its numbers are in the table.`;
    }
  }

  // Buttons for a picture whose scales can be moved: what the wheel and the mouse do, for keyboard and touch.
  function zoomable(place, view) {
    const bar = place.closest("figure").querySelector(".zoom");
    if (!bar || !("zoom_tuple" in view.getState().signals)) return;
    const axes = { zoom_cost: "x", zoom_accuracy: "y" };
    const by = (share) => {
      for (const [signal, axis] of Object.entries(axes)) {
        const scale = view.scale(axis);
        const [from, to] = scale.range();
        const out = (share * (to - from)) / 2;
        view.signal(signal, share ? [scale.invert(from - out), scale.invert(to + out)] : null);
      }
      view.runAsync();
    };
    const does = { in: () => by(-0.5), out: () => by(1), all: () => by(0) };
    for (const button of bar.querySelectorAll("button")) button.onclick = does[button.value];
    bar.hidden = false;
  }

  const all = () => document.querySelectorAll(".vega").forEach(draw);
  dark.addEventListener("change", all);
  all();
})();
