/* Part C of the case view: what the reader chooses goes into the address, which everything follows.
   Sliders: while one moves the page follows at once; the address is written when it is let go, in place of
   the one before, so that "back" leaves the page and does not undo step by step. */
(function () {
  "use strict";
  const PATIENCE = 400; // milliseconds that an answer of the server is waited for while a slider moves
  const REDRAWN_WITHIN = 5000; // milliseconds in which the page is drawn anew for another metric or rule
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

  /* dcc.Slider has no way to name its thumb and its number. */
  function nameSliders() {
    document.querySelectorAll(".what-if-slider").forEach((slider) => {
      const name = slider.querySelector("strong").textContent;
      slider.querySelectorAll("[role=slider], input").forEach((one) => one.setAttribute("aria-label", name));
    });
  }

  function withPoint(search, shown, k, threshold) {
    const fields = new URLSearchParams(search || "");
    const [tunedK, tunedThreshold] = shown.tuned;
    if (k === tunedK) fields.delete("k");
    else fields.set("k", k);
    if (threshold === tunedThreshold) fields.delete("threshold");
    else fields.set("threshold", threshold);
    const text = fields.toString();
    return text ? `?${text}` : "";
  }

  /* Replace the address: dcc.Location then finds it there already and adds nothing to the history. */
  function replaced(search) {
    window.history.replaceState(window.history.state, "", window.location.pathname + search);
    return search;
  }

  let chosen = null; // the switch above part C that the reader has just pressed
  let opening = null; // the neighbor whose pair the reader has just asked for
  let twinAsked = false; // the reader has just asked for the twin view

  /* Choices of the page: a field of the address and its value; '' is the default, which is left out. */
  function choose(field, value) {
    opening = field === "pair" && value !== "" ? value : null;
    const fields = new URLSearchParams(window.location.search);
    if (value === "") fields.delete(field);
    else fields.set(field, value);
    const text = fields.toString();
    window.dash_clientside.set_props("location", { search: text ? `?${text}` : "" });
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest && event.target.closest(".case-page [data-field]");
    if (!button) return;
    const { field } = button.dataset;
    const redraws = field === "metric" || field === "rule";
    twinAsked = field === "twin" && button.dataset.value !== "";
    chosen = redraws ? { field, until: window.performance.now() + REDRAWN_WITHIN } : null;
    choose(button.dataset.field, button.dataset.value);
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

  window.dash_clientside = window.dash_clientside || {};
  window.dash_clientside.caseChoice = {
    choose,
    /* Another metric or rule draws the page anew: the keyboard keeps its place on the switch. */
    redrawn: function () {
      if (!chosen) return noUpdate();
      const { field, until } = chosen;
      // The switch is drawn more than once until everything has come.
      window.requestAnimationFrame(() => {
        if (document.activeElement !== document.body || window.performance.now() > until) return;
        const switches = `.insight-toolbar [data-field="${field}"][aria-pressed="true"]`;
        document.querySelector(switches)?.focus({ preventScroll: true });
      });
      return noUpdate();
    },
  };
  window.dash_clientside.pairView = {
    /* A pair that the reader has asked for comes into view, and the keyboard goes there. */
    opened: function (shown) {
      const pair = document.getElementById("pair");
      const sample = shown && shown.split("/")[1];
      document.querySelectorAll(".neighbor-row").forEach((row) => {
        row.toggleAttribute("data-paired", row.dataset.node === `n${sample}`);
      });
      if (opening && pair && sample === opening) {
        opening = null;
        window.requestAnimationFrame(() => {
          pair.focus({ preventScroll: true });
          pair.scrollIntoView({ block: "nearest" });
        });
      }
      return noUpdate();
    },
    /* So do the twins that the reader has asked for: they stand below the graph. */
    twinOpened: function () {
      if (twinAsked) {
        window.requestAnimationFrame(() => {
          document.getElementById("twin")?.scrollIntoView({ block: "nearest" });
        });
      }
      twinAsked = false;
      return noUpdate();
    },
  };
  window.dash_clientside.whatIf = {
    moved: function (k, threshold, shown) {
      if (!shown || !shown.tuned || !isPoint(k, threshold)) return noUpdate();
      const least = Math.min(threshold, k);
      window.clearTimeout(waiting.timer);
      waiting.timer = null;
      if (!waiting.asked && k === shown.k && least === shown.threshold) return noUpdate();
      waiting.point = { k, threshold: least };
      askLater();
      return noUpdate();
    },
    /* What is shown now has come from the server. */
    answered: function (shown) {
      nameSliders();
      const { asked, point, timer } = waiting;
      const mine = shown && asked && asked.point.k === shown.k && asked.point.threshold === shown.threshold;
      if (!mine) return noUpdate();
      waiting.asked = null;
      if (timer !== null && point !== asked.point) askLater();
      return noUpdate();
    },
    released: function (k, threshold, resets, shown, search) {
      const { triggered } = window.dash_clientside.callback_context;
      if (!shown || !shown.tuned || !triggered.length) return noUpdate();
      const reset = triggered.some((one) => one.prop_id.startsWith("what-if-reset.") && one.value);
      const point = reset ? shown.tuned : [k, Math.min(threshold, k)];
      if (!isPoint(...point)) return noUpdate();
      if (shown.settled && point[0] === shown.k && point[1] === shown.threshold) return noUpdate();
      const next = withPoint(search, shown, ...point);
      window.clearTimeout(waiting.timer);
      const same = new URLSearchParams(next).toString() === new URLSearchParams(search || "").toString();
      return same ? noUpdate() : replaced(next);
    },
  };
})();
