// Before the page is drawn: the theme that was chosen here, if any.
"use strict";
try {
  const theme = localStorage.getItem("evolve-theme");
  if (theme === "dark" || theme === "light") document.documentElement.dataset.theme = theme;
} catch {
  // Without storage the system's theme holds.
}
