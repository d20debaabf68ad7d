/* The case view: choosing a layer writes the address, which everything else follows; a layer that is
   pointed at is marked in the network and among the decisions alike. */
(function () {
  "use strict";
  const { address } = window.explainablePixels;
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
    /* A click on a layer or on "first k / all": the address it leads to. */
    address: function (layerClicks, rangeClicks, search) {
      const { callback_context: context, no_update } = window.dash_clientside;
      const clicked = context.triggered_id;
      if (!clicked || !context.triggered.some((one) => one.value)) return no_update;
      return address.changed(search, (fields) => {
        if (clicked.type === "case-range") {
          address.set(fields, "neighbors", clicked.range === "all" ? "all" : "");
          return;
        }
        // A k and a threshold are a layer's: the next one begins at its own tuned point.
        if (fields.get("layer") !== clicked.layer) ["k", "threshold"].forEach((name) => fields.delete(name));
        fields.set("layer", clicked.layer);
      });
    },
  };
})();
