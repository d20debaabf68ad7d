/* What happens in the browser when the router has put another page in place. */
(function () {
  "use strict";
  let focused = null; // id of the control that had the keyboard last

  document.addEventListener("focusin", (event) => {
    focused = event.target.id || null;
  });

  window.dash_clientside = window.dash_clientside || {};
  window.dash_clientside.shell = {
    /* The page's title into the browser's tab; and the keyboard back to where it was, as the control that was
       used has been drawn anew. */
    shown: function (title) {
      if (title) document.title = title;
      requestAnimationFrame(() => {
        const control = focused && document.getElementById(focused);
        if (control && document.activeElement === document.body) control.focus({ preventScroll: true });
      });
      return window.dash_clientside.no_update;
    },
  };
})();
