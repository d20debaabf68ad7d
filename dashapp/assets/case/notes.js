/* The note of a case: it is saved when it loses focus, and with Ctrl+Enter. Until the server has saved it the
   strip is marked as unsaved. Text that could not be saved is stored here, also while other cases are shown,
   and sent again when the database is available. */
(function () {
  "use strict";
  const FIELD = "textarea.note-input";
  const PART = "note";
  const lost = new Map(); // case -> the text that could not be saved
  const note = (event) => event.target.closest && event.target.closest(FIELD);
  const strip = (field) => field.closest(".notes-note");
  const caseOf = (field) => JSON.parse(field.id).case;
  const fields = () => [...document.querySelectorAll(FIELD)];

  document.addEventListener("input", (event) => {
    const field = note(event);
    if (field) strip(field).setAttribute("data-unsaved", "");
  });
  document.addEventListener("keydown", (event) => {
    const field = note(event);
    if (!field || event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    field.blur();
    field.focus();
  });

  /* The case and the text of a callback that saves a note; undefined: it saves something else. */
  const sent = (asked) => (asked.state || []).flat().find((one) => one.id && one.id.part === PART);

  function mark(field) {
    strip(field).setAttribute("data-unsaved", "failed");
  }

  document.addEventListener("unsaved", (event) => {
    const kept = sent(event.detail);
    if (!kept) return;
    lost.set(kept.id.case, kept.value || "");
    fields().filter((field) => caseOf(field) === kept.id.case).forEach(mark);
  });

  document.addEventListener("saved", (event) => {
    const kept = sent(event.detail);
    if (!kept) return;
    lost.delete(kept.id.case);
    for (const field of fields()) {
      // Text typed meanwhile is not saved yet.
      if (caseOf(field) === kept.id.case && field.value === (kept.value || "")) {
        strip(field).removeAttribute("data-unsaved");
      }
    }
  });

  const send = (field) => field.dispatchEvent(new FocusEvent("focusout", { bubbles: true }));

  document.addEventListener("answers", () => {
    fields().filter((field) => lost.has(caseOf(field))).forEach(send);
  });

  /* When a case is shown again: put the unsaved text into its field, and try again to save it. */
  function restore() {
    for (const field of fields()) {
      const text = lost.get(caseOf(field));
      if (text === undefined || strip(field).hasAttribute("data-unsaved") || field.value === text) continue;
      const property = Object.getOwnPropertyDescriptor(HTMLTextAreaElement.prototype, "value");
      property.set.call(field, text); // bypasses React, which then handles the event like typing
      field.dispatchEvent(new Event("input", { bubbles: true }));
      mark(field);
      window.setTimeout(() => send(field));
    }
  }

  new MutationObserver(() => lost.size && restore()).observe(document, { childList: true, subtree: true });
  window.addEventListener("beforeunload", (event) => {
    if (lost.size) event.preventDefault(); // the browser asks for confirmation
  });
})();
