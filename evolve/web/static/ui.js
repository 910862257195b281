// The page without a framework: live parts, keys, filters, theme and charts.
"use strict";

const LEAST_MS = 1000;
const CHARTS_MS = 10000;
const main = document.getElementById("main");
const live = document.getElementById("live");

// Live parts: when the server says that something changed, the same address is read again, and parts that differ are
// put in place of the old ones.

let changed = false;
let reading = false;

function setLive(state, text) {
  live.dataset.state = state;
  live.querySelector(".live-text").textContent = text;
}

function replacePart(old, fresh) {
  if (old.innerHTML === fresh.innerHTML) return;
  if (old.contains(document.activeElement) && document.activeElement.matches("input, select, textarea")) return;
  const open = new Set([...old.querySelectorAll("details[id][open]")].map((one) => one.id));
  const chosen = old.querySelector("tr.chosen a.open")?.getAttribute("href");
  const focused = old.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
  old.replaceChildren(...document.importNode(fresh, true).childNodes);
  for (const one of old.querySelectorAll("details[id]")) if (open.has(one.id)) one.open = true;
  if (chosen) linkTo(old, chosen)?.closest("tr")?.classList.add("chosen");
  if (focused) linkTo(old, focused)?.focus({ preventScroll: true });
}

function linkTo(part, address) {
  return [...part.querySelectorAll("a[href]")].find((link) => link.getAttribute("href") === address);
}

async function readAgain() {
  if (reading) return;
  reading = true;
  while (changed && !document.hidden) {
    changed = false;
    const began = performance.now();
    try {
      const answer = await fetch(location.href, { headers: { accept: "text/html" } });
      if (answer.ok) {
        const page = new DOMParser().parseFromString(await answer.text(), "text/html");
        for (const old of document.querySelectorAll("[data-live][id]")) {
          const fresh = page.getElementById(old.id);
          if (fresh) replacePart(old, fresh);
        }
        drawChartsLater();
      }
    } catch {
      // The events say when the server is back.
    }
    // A slow page is not asked for more often than it can be answered.
    const took = performance.now() - began;
    await new Promise((done) => setTimeout(done, Math.max(LEAST_MS, 3 * took)));
  }
  reading = false;
}

function listen() {
  live.hidden = !document.querySelector("[data-live]");
  if (live.hidden) return;
  const events = new EventSource("/events");
  // Something may have changed since the page was made, or while there was no connection.
  events.addEventListener("hello", () => {
    setLive("on", "live");
    changed = true;
    readAgain();
  });
  events.addEventListener("change", () => {
    changed = true;
    readAgain();
  });
  events.onerror = () => {
    setLive("off", "connection lost");
  };
  document.addEventListener("visibilitychange", readAgain);
  addEventListener("pagehide", () => events.close());
}

// Filters apply as soon as something is chosen.

function empty(form) {
  for (const field of form.elements) if (field.name && field.value === "") field.disabled = true;
}

for (const form of document.querySelectorAll("form[data-filter]")) {
  form.addEventListener("change", (event) => {
    if (event.target.matches("select")) form.requestSubmit();
  });
  form.addEventListener("submit", () => empty(form));
}
addEventListener("pageshow", () => {
  for (const field of document.querySelectorAll("form[data-filter] :disabled")) field.disabled = false;
});

// What can't be undone is asked for twice.

document.addEventListener("submit", (event) => {
  const question = event.target.dataset.confirm;
  if (question && !confirm(question)) event.preventDefault();
});

// Themes.

function isDark() {
  const theme = document.documentElement.dataset.theme;
  return theme ? theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

function changeTheme() {
  const theme = isDark() ? "light" : "dark";
  document.documentElement.dataset.theme = theme;
  try {
    localStorage.setItem("evolve-theme", theme);
  } catch {
    // It holds for this page only.
  }
  drawCharts(true);
}

// Keys.

const help = document.getElementById("keys");

function rows() {
  return [...main.querySelectorAll("table.rows tbody tr")].filter((row) => row.querySelector("a.open"));
}

function move(step) {
  const all = rows();
  if (!all.length) return;
  const now = all.findIndex((row) => row.classList.contains("chosen"));
  const next = Math.min(Math.max(now < 0 ? (step > 0 ? 0 : all.length - 1) : now + step, 0), all.length - 1);
  all[now]?.classList.remove("chosen");
  all[next].classList.add("chosen");
  all[next].querySelector("a.open").focus({ preventScroll: true });
  all[next].scrollIntoView({ block: "nearest" });
}

const ACTIONS = {
  j: () => move(1),
  k: () => move(-1),
  t: changeTheme,
  "?": () => help.showModal(),
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || help.open) return;
  if (event.target.matches("input, select, textarea")) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  const target = document.querySelector(`[data-key="${CSS.escape(event.key)}"]`);
  if (ACTIONS[event.key]) ACTIONS[event.key]();
  else if (target?.matches("input")) target.focus();
  else if (target) target.click();
  else return;
  event.preventDefault();
});
document.getElementById("theme").addEventListener("click", changeTheme);
document.getElementById("help").addEventListener("click", () => help.showModal());

// A click anywhere in a row opens it.

main.addEventListener("click", (event) => {
  if (event.target.closest("a, button, summary, input, select") || String(getSelection())) return;
  event.target.closest("table.rows tbody tr")?.querySelector("a.open")?.click();
});

// Charts: Vega's own bundle is read only where a page has one.

let drawing = null;

function library() {
  drawing ??= new Promise((done, failed) => {
    const script = document.createElement("script");
    script.src = "/static/vega.js";
    script.onload = done;
    script.onerror = failed;
    document.head.append(script);
  });
  return drawing;
}

// Specifications name a width and a colour of text that stand for those of the page.

const WIDTH = 640;
const INK = /#010203/g;

function fitted(text, place) {
  const ink = getComputedStyle(place).color;
  const width = Math.min(WIDTH * 1.6, Math.max(220, place.clientWidth - 150));
  return JSON.parse(text.replace(INK, ink), (key, value) => (key === "width" && value === WIDTH ? width : value));
}

async function drawCharts(again = false) {
  const places = [...document.querySelectorAll("[data-chart]")].filter((one) => again || !one.dataset.drawn);
  if (!places.length) return;
  for (const place of places) place.dataset.drawn = "yes";
  await library();
  for (const place of places) {
    const answer = await fetch(place.dataset.chart);
    if (!answer.ok) continue;
    const text = await answer.text();
    if (text === place.dataset.spec && !again) continue;
    place.dataset.spec = text;
    if (text === "{}") {
      place.textContent = "Nothing to draw yet.";
      continue;
    }
    const options = { actions: false, ast: true, defaultStyle: false, renderer: "svg", tooltip: false, logLevel: 1 };
    await window.vegaEmbed(place, fitted(text, place), options);
  }
}

// They take longer to make than the rest of a page, so they follow it at a distance.

let later = null;

function drawChartsLater() {
  later ??= setTimeout(() => {
    later = null;
    for (const place of document.querySelectorAll("[data-chart]")) delete place.dataset.drawn;
    drawCharts().catch(() => {});
  }, CHARTS_MS);
}

listen();
drawCharts().catch(() => {});
