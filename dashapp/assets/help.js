/* Help: a "?" opens the text beside it as a popover, which the browser closes on Escape, on a click
   elsewhere, and when another one opens. */
(function () {
  "use strict";
  const GAP = 6; // pixels between button and text, and to the window's sides

  /* Place a text below its button, or above if there is no room; never outside the window. */
  function place(button, text) {
    const from = button.getBoundingClientRect();
    const { width, height } = text.getBoundingClientRect();
    const { clientWidth, clientHeight } = document.documentElement;
    const left = Math.min(from.left + from.width / 2 - 24, clientWidth - width - GAP);
    const below = from.bottom + GAP;
    const above = from.top - GAP - height;
    text.style.left = `${Math.max(GAP, left)}px`;
    text.style.top = `${below + height > clientHeight && above > 0 ? above : below}px`;
  }

  /* Dash does not support popovers, so the first click connects the two, before the browser handles it. */
  function tie(button) {
    const text = button.nextElementSibling;
    text.popover = "auto";
    text.addEventListener("toggle", (event) => {
      const open = event.newState === "open";
      button.setAttribute("aria-expanded", String(open));
      if (open) place(button, text);
    });
    button.popoverTargetElement = text;
  }

  document.addEventListener(
    "click",
    (event) => {
      const button = event.target.closest && event.target.closest(".help-button");
      if (button && !button.popoverTargetElement) tie(button);
    },
    { capture: true },
  );
  // A text does not move with its button: it closes when the page is scrolled.
  document.addEventListener(
    "scroll",
    (event) => {
      const open = document.querySelector(".help-text:popover-open");
      if (open && event.target !== open) open.hidePopover();
    },
    { capture: true, passive: true },
  );
})();
