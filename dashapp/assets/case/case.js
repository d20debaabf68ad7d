/* The case view: a layer that is pointed at is marked in the network and among the decisions alike, and other
   files are told when an answer of the server is shown. */
(function () {
  "use strict";
  const marked = (name) => document.querySelectorAll(`.case-page [data-layer="${CSS.escape(name)}"]`);

  function hint(event) {
    const place = event.target.closest && event.target.closest(".case-page [data-layer]");
    document.querySelectorAll(".case-page [data-hinted]").forEach((other) => other.removeAttribute("data-hinted"));
    if (!place || event.type === "mouseout" || event.type === "focusout") return;
    marked(place.dataset.layer).forEach((other) => other.setAttribute("data-hinted", ""));
  }
  for (const kind of ["mouseover", "mouseout", "focusin", "focusout"]) document.addEventListener(kind, hint);

  window.dash_clientside = window.dash_clientside || {};
  window.dash_clientside.caseView = {
    /* The page has come, or an answer to what was chosen: `shown` says what it shows now, by part. Files that
       wait for something listen to the event "caseshown". */
    answered: function (shown) {
      const { no_update, set_props } = window.dash_clientside;
      if (!shown) return no_update;
      document.dispatchEvent(new CustomEvent("caseshown", { detail: shown }));
      // Light or dark was switched while the page was on its way.
      const { theme } = document.documentElement.dataset;
      if (theme && shown.theme !== theme) set_props("theme", { data: theme });
      return no_update;
    },
  };
})();
