/* Parts of a page that were sent as HTML (dashapp/draw/html_parts.py): insert them before the next paint, and
   follow their links without a reload, like Dash's own links. */
(function () {
  "use strict";
  function fill(element) {
    const text = element.dataset.html;
    if (element.drawn === text) return;
    element.drawn = text;
    element.innerHTML = text;
    element.dispatchEvent(new CustomEvent("drawn", { bubbles: true }));
  }

  new MutationObserver((changes) => {
    for (const change of changes) {
      if (change.type === "attributes") fill(change.target);
      for (const added of change.addedNodes) {
        if (added.nodeType !== Node.ELEMENT_NODE) continue;
        if (added.hasAttribute("data-html")) fill(added);
        added.querySelectorAll("[data-html]").forEach(fill);
      }
    }
  }).observe(document.documentElement, {
    attributeFilter: ["data-html"],
    childList: true,
    subtree: true,
  });

  document.addEventListener("click", (event) => {
    const link = event.target.closest && event.target.closest("a[data-link]");
    const own = event.button === 0 && !(event.metaKey || event.ctrlKey || event.shiftKey || event.altKey);
    if (!link || !own || event.defaultPrevented) return;
    event.preventDefault();
    if (link.href !== window.location.href) window.explainablePixels.address.follow(link.href);
  });
})();
