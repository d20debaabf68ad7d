/* What the reader chooses in the case view goes into the address, which everything follows. Clicks are heard
   here and not by Dash, which forgets one on a button that an answer of the server is just replacing.
   Sliders: while one moves the page follows at once; the address is written when it is let go, in place of
   the one before, so that "back" leaves the page and does not undo step by step. */
(function () {
  "use strict";
  const PATIENCE = 400; // milliseconds that an answer of the server is waited for while a slider moves
  const REDRAWN_WITHIN = 5000; // milliseconds in which the page is drawn anew for another metric or rule
  const { address } = window.explainablePixels;
  const waiting = { timer: null, point: null, asked: null };

  const noUpdate = () => window.dash_clientside.no_update;
  const isPoint = (k, threshold) => Number.isInteger(k) && Number.isInteger(threshold);

  /* One question at a time: the next one when the answer has come, or is taking too long. */
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

  /* dcc.Slider has no way to name its thumb and its number; it comes later than the page that it is in. */
  function nameSliders() {
    for (const one of document.querySelectorAll(
      ".what-if-slider [role=slider]:not([aria-label]), .what-if-slider input:not([aria-label])",
    )) {
      one.setAttribute("aria-label", one.closest(".what-if-slider").querySelector("strong").textContent);
    }
  }
  new MutationObserver(nameSliders).observe(document, { childList: true, subtree: true });

  let chosen = null; // the switch above part C that the reader has just pressed
  let opening = null; // the neighbor whose pair the reader has just asked for
  let twinAsked = false; // the reader has just asked for the twin view

  /* What goes when another value is chosen: a k and a threshold are a layer's, a difference is one of open maps. */
  function forgotten(field, value) {
    if (field === "layer") return ["k", "threshold"];
    return field === "activations" && value === "" ? ["difference"] : [];
  }

  /* Choices of the page: a field of the address and its value; '' is the default, which is left out. */
  function choose(field, value) {
    opening = field === "pair" && value !== "" ? value : null;
    address.choose(field, value, forgotten(field, value));
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest && event.target.closest(".case-page [data-field]");
    if (!button) return;
    const { field } = button.dataset;
    const redraws = field === "metric" || field === "rule";
    twinAsked = field === "twin" && button.dataset.value !== "";
    chosen = redraws ? { field, until: window.performance.now() + REDRAWN_WITHIN } : null;
    const closes = button.getAttribute("aria-expanded") === "true"; // what it has opened
    choose(field, closes ? "" : button.dataset.value);
    if (button.classList.contains("pair-close")) backToList();
  });

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

  /* The pair that is shown: its row in the list is marked; one that the reader has asked for comes into view, and
     the keyboard goes there. */
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

  /* So do the twins that the reader has asked for: they stand below the graph. */
  function showTwin(shown) {
    if (twinAsked && shown.twin) document.getElementById("twin")?.scrollIntoView({ block: "nearest" });
    twinAsked = false;
  }

  /* Another metric or rule draws the page anew: the keyboard keeps its place on the switch. */
  function keepSwitch() {
    if (!chosen || document.activeElement !== document.body) return;
    if (window.performance.now() > chosen.until) return;
    const switches = `.insight-toolbar [data-field="${chosen.field}"][aria-pressed="true"]`;
    document.querySelector(switches)?.focus({ preventScroll: true });
  }

  /* The point that was asked for while a slider moves has come from the server. */
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
