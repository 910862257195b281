"use strict";
// Dark and light, and the charts. Without it a page shows everything, with pictures in place of the charts.
(() => {
  const root = document.documentElement;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const remembered = (value) => {
    try {
      if (value !== undefined) localStorage.setItem("evolve-theme", value);
      return localStorage.getItem("evolve-theme");
    } catch {
      return value;
    }
  };
  const isDark = () => (root.dataset.theme || (dark.matches ? "dark" : "light")) === "dark";

  const draw = async (figure) => {
    const source = document.getElementById(figure.dataset.chart);
    if (!source || !window.vegaEmbed) return;
    const ink = getComputedStyle(figure).color;
    const spec = JSON.parse(source.textContent.replaceAll("#010203", ink));
    const place = document.createElement("div");
    const room = Math.max(figure.clientWidth - 90, 200);
    for (const part of [spec, spec.spec]) if (part && part.width) part.width = Math.min(room, 1000);
    // Interpreted, not compiled: a page lets no script make another one.
    await vegaEmbed(place, spec, {
      ast: true, actions: false, defaultStyle: false, renderer: "svg", tooltip: { disableDefaultStyle: true },
    });
    figure.replaceChildren(place);
  };
  // The library is large: it is started once the page is there.
  const start = () => {
    const library = document.getElementById("chart-library");
    if (!library || window.vegaEmbed) return;
    const script = document.createElement("script");
    script.textContent = library.textContent;
    document.head.append(script);
  };
  const drawAll = () => document.querySelectorAll("[data-chart]").forEach((figure) => {
    draw(figure).catch((error) => console.error(error));
  });

  const button = document.getElementById("theme");
  const show = (theme) => {
    root.dataset.theme = theme;
    if (button) button.setAttribute("aria-pressed", String(theme === "dark"));
  };
  const kept = remembered();
  if (kept === "dark" || kept === "light") show(kept);
  else if (button) button.setAttribute("aria-pressed", String(isDark()));
  if (button) {
    button.hidden = false;
    button.addEventListener("click", () => {
      show(remembered(isDark() ? "light" : "dark"));
      drawAll();
    });
  }
  dark.addEventListener("change", drawAll);
  addEventListener("load", () => setTimeout(() => {
    start();
    drawAll();
  }, 50));
  window.evolveCharts = drawAll;
})();
