/* The case view: a layer under the pointer or with focus is marked in the network and among the decisions,
   and other files get an event when a response of the server is shown. */
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
    /* The page has arrived, or a response to a choice: `shown` holds what each part shows now. Files that
       wait for something listen to the event "caseshown". */
    answered: function (shown) {
      const { no_update, set_props } = window.dash_clientside;
      if (!shown) return no_update;
      document.dispatchEvent(new CustomEvent("caseshown", { detail: shown }));
      // The theme was switched while the page was loading.
      const { theme } = document.documentElement.dataset;
      if (theme && shown.theme !== theme) set_props("theme", { data: theme });
      return no_update;
    },
  };
})();
