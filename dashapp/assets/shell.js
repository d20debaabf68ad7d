/* The browser's part of the router: requests of pages, the tab's title, the keyboard focus on a new page. */
(function () {
  "use strict";
  let focused = null; // id of the control that last had focus
  let pages = 0; // pages shown so far

  document.addEventListener("focusin", (event) => {
    focused = event.target.id || null;
  });

  const main = () => document.getElementById("page");

  // The link that skips the header; the address does not change.
  document.addEventListener("click", (event) => {
    if (!event.target.closest || !event.target.closest(".skip-link")) return;
    event.preventDefault();
    main().focus();
  });

  window.dash_clientside = window.dash_clientside || {};
  window.dash_clientside.shell = {
    /* The address for the router; no update if the current page follows its query string itself.
       `asked`: the last request to the router, which may still be pending. */
    route: function (pathname, search, followed, asked) {
      if (asked && pathname === followed && pathname === asked.pathname) return window.dash_clientside.no_update;
      const { theme } = document.documentElement.dataset;
      return { pathname, search: search || "", theme: theme || "light" };
    },
    /* Set the title of the browser's tab. Also move focus back to the control that was used, as it has been
       redrawn; on another page, to the page's start. */
    shown: function (title) {
      if (title) document.title = title;
      const first = pages === 0;
      if (title) pages += 1;
      requestAnimationFrame(() => {
        if (document.activeElement !== document.body) return;
        const control = (focused && document.getElementById(focused)) || (first ? null : main());
        if (control) control.focus({ preventScroll: true });
      });
      return window.dash_clientside.no_update;
    },
  };
})();
