/* Two networks side by side: an address that names a part of the page (#images) shows that part, once drawn. */
(function () {
  "use strict";
  document.addEventListener("drawn", (event) => {
    const part = document.getElementById(window.location.hash.slice(1));
    if (part && event.target.contains(part)) part.scrollIntoView();
  });
})();
