/* Keyboard shortcuts. A key clicks the link or button that does the same, so that keys and mouse never
   differ; the table below is also the help that "?" opens. They are off while the reader types and with
   Ctrl, Alt or Meta. A control can define its own key: <button data-key="x">. */
(function () {
  "use strict";
  const CASE = ".case-page";
  const WAIT = 4000; // milliseconds in which a digit after V is a verdict

  const root = document.documentElement;
  const find = (selector) => document.querySelector(selector);
  const all = (selector) => [...document.querySelectorAll(selector)];
  const link = (to) => `.case-head a[id*='"to":"${to}"']`;
  let waiting = 0; // timer of the digit after V

  function click(selector) {
    const control = find(selector);
    if (!control || control.disabled) return false;
    control.click();
    return true;
  }

  function step(controls, by, isAt = (one) => one.getAttribute("aria-pressed") === "true") {
    const at = controls.findIndex(isAt);
    const next = controls[(at + by + controls.length) % controls.length];
    if (next) next.click();
  }

  function page(name) {
    click(`.pager a[id*='"value":"${name}"']`);
  }

  function focus(selector) {
    const field = find(selector);
    if (!field) return;
    field.focus();
    if (field.select) field.select();
  }

  function hold(what, on) {
    const held = new Set((root.dataset.hold || "").split(" ").filter(Boolean));
    if (on) held.add(what);
    else held.delete(what);
    if (held.size) root.dataset.hold = [...held].join(" ");
    else delete root.dataset.hold;
  }

  function awaitVerdict(on) {
    clearTimeout(waiting);
    waiting = on ? setTimeout(() => awaitVerdict(false), WAIT) : 0;
    if (on) root.dataset.keys = "verdict";
    else delete root.dataset.keys;
  }

  function toNeighbors() {
    if (click('[data-key="g"]')) return;
    const part = find(".neighbors");
    if (part) part.scrollIntoView({ block: "start", behavior: "auto" });
  }

  const layers = () => all(".layer-compared");

  /* From the layer in the address, which is ahead of the page when a key is pressed again at once. */
  function stepLayer(by) {
    const asked = window.explainablePixels.address.fields().get("layer");
    const named = (one) => JSON.parse(one.id).layer === asked;
    if (layers().some(named)) step(layers(), by, named);
    else step(layers(), by);
  }

  /* keys, what they do, the selector of the page that has them (none: every page), and their action. */
  const KEYS = [
    ["n →", "next case of the list, under its filter", CASE, () => click(link("next"))],
    ["p ←", "previous case", CASE, () => click(link("previous"))],
    ["l", "back to the list", CASE, () => click(link("list"))],
    ["j", "next layer", CASE, () => stepLayer(1)],
    ["k", "previous layer", CASE, () => stepLayer(-1)],
    ["1 … 9", "that layer; after v: that verdict", CASE, digit],
    ["h", "hold: the original in the place of the attacked image", CASE, () => hold("original", true)],
    ["r", "hold: no rings around the pixels", CASE, () => hold("rings", true)],
    ["m", "next map over the images", CASE, () => step(all(".map-switch button"), 1)],
    ["g", "the neighbors: graph, list", CASE, toNeighbors],
    ["v", "then a digit: your verdict", CASE, () => find(".verdicts") && awaitVerdict(true)],
    ["t", "add a tag", CASE, () => focus(".tag-field input")],
    ["c", "write a note", CASE, () => focus(".note-input")],
    ["n →", "next page of the list", ".pager", () => page("Next")],
    ["p ←", "previous page", ".pager", () => page("Previous")],
    ["/", "go to a case by its number", "", () => focus("#go-to-case")],
    ["?", "this list", "", () => help()],
  ];
  const NAMES = { ArrowRight: "→", ArrowLeft: "←" };

  function digit(key) {
    const verdicts = root.dataset.keys === "verdict";
    const control = (verdicts ? all(".verdicts button") : layers())[Number(key) - 1];
    awaitVerdict(false);
    if (control) control.click();
  }

  const here = (selector) => !selector || find(selector);

  function actionOf(key) {
    const entry = KEYS.find(([keys, , selector]) => {
      const fits = /^[1-9]$/.test(key) ? keys.startsWith("1 ") : keys.split(" ").includes(NAMES[key] || key);
      return fits && here(selector);
    });
    return entry && entry[3];
  }

  /* Controls with keys of their own, as entries of the table. */
  function asking() {
    const known = new Set(KEYS.flatMap(([keys]) => keys.split(" ")));
    return all("[data-key]")
      .filter((one) => !known.has(one.dataset.key))
      .map((one) => [one.dataset.key, one.title || one.getAttribute("aria-label") || one.textContent, ""]);
  }

  /* The help */
  function help() {
    let dialog = find("dialog.keys-help");
    if (dialog && dialog.open) return dialog.close();
    if (dialog) dialog.remove();
    dialog = document.createElement("dialog");
    dialog.className = "keys-help card";
    dialog.setAttribute("aria-labelledby", "keys-help-title");
    const title = Object.assign(document.createElement("h2"), { id: "keys-help-title", textContent: "Keys" });
    const close = Object.assign(document.createElement("button"), { className: "button", textContent: "Close" });
    close.addEventListener("click", () => dialog.close());
    const list = document.createElement("dl");
    for (const [keys, does, selector] of [...KEYS, ...asking()]) {
      if (!here(selector)) continue;
      const row = document.createElement("div");
      const term = document.createElement("dt");
      for (const key of keys.split(" ")) {
        term.append(key === "…" ? "…" : Object.assign(document.createElement("kbd"), { textContent: key }));
      }
      row.append(term, Object.assign(document.createElement("dd"), { textContent: does }));
      list.append(row);
    }
    const note = document.createElement("p");
    note.className = "muted";
    note.textContent = "Shortcuts are off while you type. Pressing on the attacked image shows the original, too.";
    const head = Object.assign(document.createElement("header"), { className: "row" });
    head.append(title, close);
    dialog.append(head, list);
    if (here(CASE)) dialog.append(note);
    dialog.addEventListener("click", (event) => {
      if (event.target === dialog) dialog.close(); // a click outside it
    });
    document.body.append(dialog);
    dialog.showModal();
    close.focus();
  }

  function typing(target) {
    return target.closest && target.closest("input, textarea, select, [contenteditable='true']");
  }

  /* Leave a field, so that keys work again: the shell moves focus back to the control that had it last, and
     that is now the page itself. */
  function leave() {
    const place = find("#page");
    if (!place) return;
    place.tabIndex = -1;
    place.focus({ preventScroll: true });
  }

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (event.key === "Escape") {
      awaitVerdict(false);
      if (typing(event.target)) leave();
      return;
    }
    if (event.key === "Enter" && event.target.id === "go-to-case") requestAnimationFrame(leave);
    if (typing(event.target)) return;
    const open = find("dialog[open]");
    if (open && !(event.key === "?" && open.classList.contains("keys-help"))) return;
    // Arrow keys belong to the focused element if it uses them: maps, lists, sliders.
    const arrows = event.key.startsWith("Arrow");
    if (arrows && event.target.closest && event.target.closest("[tabindex='0'], [role='slider'], [role='radiogroup']")) return;
    const asked = /^[a-z0-9]$/.test(event.key) && find(`[data-key="${event.key}"]`);
    const action = actionOf(event.key);
    if (!action && !asked) return;
    event.preventDefault();
    if (event.repeat && !arrows && !"npjk".includes(event.key)) return;
    if (!/^[1-9]$/.test(event.key) && event.key !== "v") awaitVerdict(false);
    if (action) action(event.key);
    else asked.click();
  });
  document.addEventListener("keyup", (event) => {
    if (event.key === "h") hold("original", false);
    if (event.key === "r") hold("rings", false);
  });

  document.addEventListener("focusout", (event) => {
    if (event.target.id === "go-to-case" && !event.relatedTarget && document.hasFocus()) leave();
  });

  /* Held with the mouse or a finger. */
  document.addEventListener("pointerdown", (event) => {
    if (event.button === 0 && event.target.closest && event.target.closest(".can-hold")) hold("original", true);
  });
  for (const kind of ["pointerup", "pointercancel"]) {
    document.addEventListener(kind, () => hold("original", false));
  }
  document.addEventListener("dragstart", (event) => {
    if (event.target.closest && event.target.closest(".can-hold")) event.preventDefault();
  });
  window.addEventListener("blur", () => {
    delete root.dataset.hold;
    awaitVerdict(false);
  });
  document.addEventListener("click", (event) => {
    if (event.target.closest(".keys-open")) help();
  });
})();
