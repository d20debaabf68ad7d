/* The note of a case: it is saved when it loses the keyboard, and with Ctrl+Enter. Until then the strip says
   that it is not. */
(function () {
  "use strict";
  const note = (event) => event.target.closest && event.target.closest("textarea.note-input");

  document.addEventListener("input", (event) => {
    const field = note(event);
    if (field) field.closest(".notes-note").setAttribute("data-unsaved", "");
  });
  document.addEventListener("focusout", (event) => {
    const field = note(event);
    if (field) field.closest(".notes-note").removeAttribute("data-unsaved");
  });
  document.addEventListener("keydown", (event) => {
    const field = note(event);
    if (!field || event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    field.blur();
    field.focus();
  });
})();
