/* Help: a "?" opens the text beside it as a popover of the browser, which closes it on Escape, on a click
   elsewhere, and when another one opens. */
(function () {
  "use strict";
  const GAP = 6; // pixels between button and text, and to the window's sides

  /* Under its button, or above where there is no room; never out of the window. */
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

  /* Dash knows no popovers, so the two are tied at the first click, before the browser acts on it. */
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
  // A text does not move with its button: it goes when the page is scrolled under it.
  document.addEventListener(
    "scroll",
    (event) => {
      const open = document.querySelector(".help-text:popover-open");
      if (open && event.target !== open) open.hidePopover();
    },
    { capture: true, passive: true },
  );
})();
