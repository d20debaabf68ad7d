/* Menus: they close on a press outside and on Escape; arrow keys move within them. A field above a list
   narrows it to what contains the typed words. */
(function () {
  "use strict";
  const menus = () => document.querySelectorAll("details.menu-of[open]");

  function close(menu) {
    menu.open = false;
    menu.querySelector("summary").focus();
  }

  document.addEventListener("pointerdown", (event) => {
    for (const menu of menus()) if (!menu.contains(event.target)) menu.open = false;
  });

  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      menus().forEach(close);
      return;
    }
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    const menu = step && event.target.closest && event.target.closest(".scope-menu[open]");
    if (!menu) return;
    event.preventDefault();
    const stops = [...menu.querySelectorAll("input, a")].filter((one) => one.offsetParent);
    const next = stops.indexOf(event.target) + step;
    if (stops[next]) stops[next].focus();
  });

  document.addEventListener(
    "toggle",
    (event) => {
      const menu = event.target;
      if (!menu.matches || !menu.matches(".scope-menu[open]")) return;
      const first = menu.querySelector("input") || menu.querySelector("[aria-current]");
      if (first) first.focus();
      const current = menu.querySelector("[aria-current]");
      if (current) current.scrollIntoView({ block: "nearest" });
    },
    true,
  );

  const narrowed = (field) => field.parentElement.querySelector("[data-narrowed]");

  /* Hide what lacks one of the typed words; a line says so if nothing is left. While the field is empty, only
     the top ones of a long list are shown. */
  function narrow(field) {
    const list = narrowed(field);
    const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
    const topOnly = !words.length && list.querySelector("[data-top]");
    let left = 0;
    for (const item of list.children) {
      const text = item.textContent.toLowerCase();
      item.hidden = topOnly ? !item.matches("[data-top]") : !words.every((word) => text.includes(word));
      left += !item.hidden;
    }
    const none = list.nextElementSibling;
    if (none) none.hidden = left > 0;
  }

  document.addEventListener("input", (event) => {
    if (event.target.matches("[data-narrows]")) narrow(event.target);
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !event.target.matches || !event.target.matches("[data-narrows]")) return;
    event.preventDefault();
    const first = narrowed(event.target).querySelector("li:not([hidden]) a");
    if (first) first.click();
  });
})();
