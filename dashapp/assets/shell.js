/* What happens in the browser when the router has put another page in place. */
(function () {
  "use strict";
  let focused = null; // id of the control that had the keyboard last
  let pages = 0; // shown so far

  document.addEventListener("focusin", (event) => {
    focused = event.target.id || null;
  });

  const main = () => document.getElementById("page");

  // The way around the header; the address stays as it is.
  document.addEventListener("click", (event) => {
    if (!event.target.closest || !event.target.closest(".skip-link")) return;
    event.preventDefault();
    main().focus();
  });

  window.dash_clientside = window.dash_clientside || {};
  window.dash_clientside.shell = {
    /* The address that the router is asked for; none where the page that is shown follows its query string itself.
       `asked`: what it was asked for last, which may still be on its way. */
    route: function (pathname, search, followed, asked) {
      if (asked && pathname === followed && pathname === asked.pathname) return window.dash_clientside.no_update;
      const { theme } = document.documentElement.dataset;
      return { pathname, search: search || "", theme: theme || "light" };
    },
    /* The page's title into the browser's tab. And the keyboard back to where it was, as the control that was
       used has been drawn anew; on another page, to the page's start. */
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
