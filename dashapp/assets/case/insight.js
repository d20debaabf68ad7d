/* The reader's choices in the case view are written into the address, which everything follows. Clicks are
   handled here and not by Dash, which loses one on a button that a server response is just replacing.
   Sliders: while one moves the page is updated at once; when it is released the new address replaces the
   previous one, so that "back" leaves the page and does not undo step by step. */
(function () {
  "use strict";
  const PATIENCE = 400; // milliseconds to wait for a response of the server while a slider moves
  const REDRAWN_WITHIN = 5000; // milliseconds in which the page is redrawn for another metric or rule
  const { address } = window.explainablePixels;
  const waiting = { timer: null, point: null, asked: null };

  const noUpdate = () => window.dash_clientside.no_update;
  const isPoint = (k, threshold) => Number.isInteger(k) && Number.isInteger(threshold);

  /* One request at a time: the next one is sent when the response has arrived or is taking too long. */
  function ask() {
    waiting.timer = null;
    if (!document.getElementById("what-if")) return;
    waiting.asked = { point: waiting.point, at: window.performance.now() };
    window.dash_clientside.set_props("what-if-live", { data: waiting.point });
  }

  function askLater() {
    window.clearTimeout(waiting.timer);
    const now = window.performance.now();
    const wait = waiting.asked ? waiting.asked.at + PATIENCE - now : 0;
    waiting.timer = window.setTimeout(ask, Math.max(0, wait));
  }

  /* dcc.Slider has no option to label its thumb and its number; it is drawn later than its page. */
  function nameSliders() {
    for (const one of document.querySelectorAll(
      ".what-if-slider [role=slider]:not([aria-label]), .what-if-slider input:not([aria-label])",
    )) {
      one.setAttribute("aria-label", one.closest(".what-if-slider").querySelector("strong").textContent);
    }
  }
  new MutationObserver(nameSliders).observe(document, { childList: true, subtree: true });

  let chosen = null; // the switch above part C that the reader has just pressed
  let opening = null; // the neighbor whose pair the reader has just opened
  let twinAsked = false; // the reader has just opened the twin view

  /* Fields to remove with another value: k and threshold belong to a layer, the difference to open maps. */
  function forgotten(field, value) {
    if (field === "layer") return ["k", "threshold"];
    return field === "activations" && value === "" ? ["difference"] : [];
  }

  /* Write a choice into the address: a field and its value; '' is the default, which is left out. */
  function choose(field, value) {
    opening = field === "pair" && value !== "" ? value : null;
    address.choose(field, value, forgotten(field, value));
  }

  /* A whole card chooses its layer, but its text can be selected: then the click ends the selection. */
  function selectsText(clicked) {
    return !clicked.closest("button") && !window.getSelection().isCollapsed;
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest && event.target.closest(".case-page [data-field]");
    if (!button || selectsText(event.target)) return;
    const { field } = button.dataset;
    const redraws = field === "metric" || field === "rule";
    twinAsked = field === "twin" && button.dataset.value !== "";
    chosen = redraws ? { field, until: window.performance.now() + REDRAWN_WITHIN } : null;
    const closes = button.getAttribute("aria-expanded") === "true"; // a second click closes what it opened
    choose(field, closes ? "" : button.dataset.value);
    if (button.classList.contains("pair-close")) backToList();
  });

  /* A class that was found by its name joins those in the address; of too many the first are left out. */
  function addFound(field) {
    const options = [...field.list.options].filter((one) => one.value === field.value.trim());
    if (!options.length) return;
    const name = field.dataset.adds;
    const there = (address.fields().get(name) || "").split(",").filter(Boolean);
    const added = [...there.filter((one) => one !== options[0].dataset.class), options[0].dataset.class];
    field.value = "";
    choose(name, added.slice(-Number(field.dataset.most)).join(","));
  }

  for (const kind of ["change", "input"]) {
    document.addEventListener(kind, (event) => {
      const picked = kind === "change" || event.inputType === undefined || event.inputType === "insertReplacementText";
      if (picked && event.target.matches("[data-adds]")) addFound(event.target);
    });
  }

  function backToList() {
    document.querySelector(".neighbor-list")?.focus({ preventScroll: true });
  }

  document.addEventListener("keydown", (event) => {
    const pair = document.getElementById("pair");
    const typing = event.target.closest && event.target.closest("input, textarea, select, dialog");
    if (event.key !== "Escape" || event.defaultPrevented || typing || !pair || pair.hidden) return;
    if (pair.contains(document.activeElement)) backToList();
    choose("pair", "");
  });

  /* Mark the list row of the pair that is shown; scroll to the pair and focus it if the reader has just
     opened it. */
  function showPair(shown) {
    const pair = document.getElementById("pair");
    const sample = shown.pair ? shown.pair.split("/")[0] : "";
    document.querySelectorAll(".neighbor-row").forEach((row) => {
      row.toggleAttribute("data-paired", row.dataset.node === `n${sample}`);
    });
    if (!opening || !pair || sample !== opening) return;
    opening = null;
    pair.focus({ preventScroll: true });
    pair.scrollIntoView({ block: "nearest" });
  }

  /* Scroll to the twin view, which is below the graph, if the reader has just opened it. */
  function showTwin(shown) {
    if (twinAsked && shown.twin) document.getElementById("twin")?.scrollIntoView({ block: "nearest" });
    twinAsked = false;
  }

  /* Another metric or rule redraws the page: move focus back to the switch. */
  function keepSwitch() {
    if (!chosen || document.activeElement !== document.body) return;
    if (window.performance.now() > chosen.until) return;
    const switches = `.insight-toolbar [data-field="${chosen.field}"][aria-pressed="true"]`;
    document.querySelector(switches)?.focus({ preventScroll: true });
  }

  /* The response for the point that was requested while a slider moves has arrived. */
  function settle({ what_if: point }) {
    const { asked, timer } = waiting;
    if (!asked || asked.point.k !== point.k || asked.point.threshold !== point.threshold) return;
    waiting.asked = null;
    if (timer !== null && waiting.point !== asked.point) askLater();
  }

  document.addEventListener("caseshown", (event) => {
    settle(event.detail);
    window.requestAnimationFrame(() => {
      keepSwitch();
      showPair(event.detail);
      showTwin(event.detail);
    });
  });

  window.dash_clientside = window.dash_clientside || {};
  window.dash_clientside.caseChoice = { choose };
  window.dash_clientside.whatIf = {
    moved: function (k, threshold, shown) {
      const point = shown && shown.what_if;
      if (!point || !point.tuned || !isPoint(k, threshold)) return noUpdate();
      const least = Math.min(threshold, k);
      window.clearTimeout(waiting.timer);
      waiting.timer = null;
      if (!waiting.asked && k === point.k && least === point.threshold) return noUpdate();
      waiting.point = { k, threshold: least };
      askLater();
      return noUpdate();
    },
    released: function (k, threshold, resets, shown, search) {
      const { triggered } = window.dash_clientside.callback_context;
      const now = shown && shown.what_if;
      if (!now || !now.tuned || !triggered.length) return noUpdate();
      const reset = triggered.some((one) => one.prop_id.startsWith("what-if-reset.") && one.value);
      const point = reset ? now.tuned : [k, Math.min(threshold, k)];
      if (!isPoint(...point)) return noUpdate();
      if (now.settled && point[0] === now.k && point[1] === now.threshold) return noUpdate();
      window.clearTimeout(waiting.timer);
      const next = address.changed(search, (fields) => {
        ["k", "threshold"].forEach((name, i) => address.set(fields, name, point[i] === now.tuned[i] ? "" : point[i]));
      });
      return next === noUpdate() ? next : address.replace(next);
    },
  };
})();
