/* Functions to read the address, and the only code that changes it. Everything on a page follows it. */
(function () {
  "use strict";
  const LOCATION = "location"; // id of the dcc.Location

  /* The names and values of a query string, by default of the address. */
  function fields(search) {
    return new URLSearchParams(search === undefined ? window.location.search : search || "");
  }

  /* The query string of fields, "?..." or "". A comma stays as it is, as the server writes it. */
  function write(given) {
    const text = given.toString().replaceAll("%2C", ",");
    return text ? `?${text}` : "";
  }

  /* Set a field; "" and null remove it. */
  function set(given, name, value) {
    if (value === "" || value === null) given.delete(name);
    else given.set(name, value);
  }

  /* For a browser callback on the address: the query string after `change(fields)`, or no update. */
  function changed(search, change) {
    const next = fields(search);
    change(next);
    const text = write(next);
    return text === write(fields(search)) ? window.dash_clientside.no_update : text;
  }

  /* Choose a value of this page, and remove the fields in `forgotten`; adds an entry to the history. */
  function choose(name, value, forgotten = []) {
    const next = fields();
    if ((next.get(name) || "") === value) return;
    set(next, name, value);
    forgotten.forEach((one) => next.delete(one));
    window.dash_clientside.set_props(LOCATION, { search: write(next) });
  }

  /* Replace the query string, so that "back" leaves the page: dcc.Location then finds it already there and
     adds nothing to the history. */
  function replace(search) {
    window.history.replaceState(window.history.state, "", window.location.pathname + search);
    return search;
  }

  /* Go to an address of this app without a reload. */
  function follow(href) {
    window.history.pushState({}, "", href);
    window.dispatchEvent(new CustomEvent("_dashprivate_pushstate"));
    window.scrollTo(0, 0);
  }

  window.explainablePixels = { address: { fields, write, set, changed, choose, replace, follow } };
})();
