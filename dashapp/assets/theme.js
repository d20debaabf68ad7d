/* Light or dark. Loaded in <head> so that the theme is set before the first paint. The choice is stored in
   localStorage; without one the theme follows the system's, also when that changes. */
(function () {
  "use strict";
  const KEY = "explainable-pixels:theme";
  const system = window.matchMedia("(prefers-color-scheme: dark)");

  function stored() {
    try {
      const value = window.localStorage.getItem(KEY);
      return value === "light" || value === "dark" ? value : null;
    } catch {
      return null; // storage may be forbidden; the system's theme then applies
    }
  }

  function apply(theme) {
    document.documentElement.dataset.theme = theme;
    if (window.dash_clientside && window.dash_clientside.set_props && document.getElementById("page")) {
      window.dash_clientside.set_props("theme", { data: theme });
    }
    return theme;
  }

  function current() {
    return stored() || (system.matches ? "dark" : "light");
  }

  apply(current());
  system.addEventListener("change", () => apply(current()));
  window.addEventListener("storage", (event) => {
    if (event.key === KEY) apply(current());
  });

  window.dash_clientside = window.dash_clientside || {};
  window.dash_clientside.theme = {
    /* On a click on the toggle, and once at the start: return the current theme. */
    toggle: function (clicks) {
      if (clicks) {
        const next = current() === "dark" ? "light" : "dark";
        try {
          window.localStorage.setItem(KEY, next);
        } catch {
          document.documentElement.dataset.theme = next;
          return next;
        }
      }
      const theme = current();
      document.documentElement.dataset.theme = theme;
      return theme;
    },
  };
})();
