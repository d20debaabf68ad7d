/* Failed requests: error messages of the server, a server that cannot be reached, and responses that arrive
   too late. Dash shows nothing on the page when a request fails; every request passes through here.

   Other files listen to events of the document: "unsaved" and "saved" with the callback's request and what it
   sent, "answers" when the database is available again. */
(function () {
  "use strict";
  const PROBE = 4000; // milliseconds until the first check of the server; each wait is 1.5 times the last
  const SLOWEST = 30000;
  const GONE = new Set([502, 503, 504]); // sent by a proxy if the server is down; 503 also by the server
  const CHANGED = 409; // the server has another database than the page
  const NO_UPDATE = 204; // status for which Dash changes nothing
  const CASE_ID = "case-id"; // the store with the case's number on a case's page
  const WRITES = /case-notes|case-verdict|list-saved/; // outputs of the callbacks that write
  const TYPED = ".tag-input, .saved-form input"; // fields whose text is not in the address
  const DATABASE = "X-Xpixels-Database";
  const RELOADED = "explainable-pixels:reloaded"; // when the page last reloaded itself
  const LOST = "The server cannot be reached. What is shown may be out of date.";
  const INCOMPLETE = "What is shown may be incomplete.";
  const send = window.fetch.bind(window);
  let line = null;
  let timer = null;
  let wait = PROBE;
  let leaving = false;
  let incomplete = false; // something could not be loaded
  let lost = false; // something could not be saved

  const notice = document.querySelector("[data-unavailable]"); // the page of a server without its database
  const shownDatabase = () => (document.querySelector(`meta[name="${DATABASE}"]`) || {}).content;

  /* The app's base path, from the configuration that Dash has put into the page. */
  function base() {
    const config = document.getElementById("_dash-config");
    if (notice) return notice.dataset.unavailable;
    return config ? JSON.parse(config.textContent).requests_pathname_prefix : "/";
  }

  function say(text, action, does) {
    if (!line) {
      line = document.createElement("div");
      line.className = "unreachable row card floating";
      line.setAttribute("role", "alert");
      const button = document.createElement("button");
      button.type = "button";
      button.className = "button";
      line.append(document.createElement("span"), button);
      document.body.append(line);
    }
    line.hidden = false;
    line.firstChild.textContent = text;
    line.lastChild.textContent = action;
    line.lastChild.onclick = does;
  }

  function hide() {
    if (line) line.hidden = true;
  }

  const reload = () => window.location.reload();

  /* Reload automatically, but not often: a lasting failure must not reload the page forever. */
  function reloadOnce() {
    try {
      if (Date.now() - Number(window.sessionStorage.getItem(RELOADED)) < 2 * SLOWEST) return false;
      window.sessionStorage.setItem(RELOADED, String(Date.now()));
    } catch {
      return false; // storage may be forbidden
    }
    reload();
    return true;
  }

  const isTyped = () =>
    document.querySelector("[data-unsaved]") || [...document.querySelectorAll(TYPED)].some((one) => one.value);

  async function probe() {
    timer = null;
    try {
      const answer = await send(`${base()}healthz`, { cache: "no-store" });
      if (answer.ok) {
        answersAgain(answer.headers.get(DATABASE));
        return;
      }
      if (!notice && isLine(answer)) sayGone(await answer.text());
    } catch {
      // still not reachable
    }
    probeLater();
  }

  function probeLater() {
    if (timer) return;
    timer = window.setTimeout(probe, wait);
    wait = Math.min(wait * 1.5, SLOWEST);
  }

  function answersAgain(database) {
    if (notice) {
      reload();
      return;
    }
    if (database && shownDatabase() && database !== shownDatabase()) {
      say("This server has another database now than this page shows.", "Reload", reload);
      return;
    }
    document.dispatchEvent(new CustomEvent("answers"));
    if (lost) return; // the line stays until it is saved
    wait = PROBE;
    settle();
  }

  function settle() {
    if (!incomplete) hide();
    else if (isTyped() || !reloadOnce()) say(`The server answers again. ${INCOMPLETE}`, "Reload", reload);
  }

  const isLine = (answer) => (answer.headers.get("Content-Type") || "").startsWith("text/plain");

  function sayGone(reason) {
    if (lost) say(`Not saved. ${reason}`, "Close", hide);
    else say(reason, "Try again", reload);
  }

  const isWrite = (asked) => asked !== null && WRITES.test(asked.output);

  /* The server, or its database, is not available for a while. */
  function gone(reason, asked) {
    if (isWrite(asked)) lost = true;
    else incomplete = true;
    sayGone(reason);
    probeLater();
  }

  /* Show why a request failed: with the server's message if there is one. */
  async function tell(answer, asked) {
    const reason = isLine(answer) ? (await answer.clone().text()).trim() : "";
    if (GONE.has(answer.status)) gone(reason || LOST, asked);
    else if (answer.status === CHANGED) say(reason, "Reload", reload);
    else if (reason) say(isWrite(asked) ? `Not saved. ${reason}` : reason, "Close", hide);
  }

  const report = (name, asked) => document.dispatchEvent(new CustomEvent(name, { detail: asked }));

  function saved(asked) {
    report("saved", asked);
    wait = PROBE;
    if (!lost) return;
    lost = false;
    settle();
  }

  /* The body of a callback's request; null: it is no callback. */
  function callback(address, options) {
    const body = options && options.body;
    return address.includes("_dash-update-component") && typeof body === "string" ? JSON.parse(body) : null;
  }

  /* The case whose page sends the request; null: no page of a case. */
  function askingCase(asked) {
    const known = ((asked && asked.state) || []).flat().find((one) => one.id === CASE_ID);
    return known ? known.value : null;
  }

  const isShown = (number) => window.location.pathname.replace(/\/$/, "").endsWith(`/case/${number}`);

  function withDatabase(options) {
    const headers = new Headers(options && options.headers);
    if (shownDatabase()) headers.set(DATABASE, shownDatabase());
    return { ...options, headers };
  }

  window.fetch = async function (address, options) {
    const own = String(address).includes("/_dash-");
    const asked = callback(String(address), options);
    const asking = askingCase(asked);
    try {
      const answer = await send(address, own ? withDatabase(options) : options);
      if (answer.status >= 400) await tell(answer, asked);
      if (isWrite(asked) && answer.status === 200) saved(asked);
      else if (isWrite(asked) && !answer.ok) report("unsaved", asked);
      // The next case has parts with the same ids: a late response would show this case's data there.
      if (asking !== null && !isShown(asking)) return new Response(null, { status: NO_UPDATE });
      return answer;
    } catch (error) {
      // A page that is being left aborts its requests; that is not a failure of the server.
      if (error.name !== "AbortError" && !leaving) {
        gone(LOST, asked);
        if (isWrite(asked)) report("unsaved", asked);
      }
      throw error;
    }
  };

  window.addEventListener("pagehide", () => (leaving = true));
  window.addEventListener("beforeunload", () => {
    leaving = true;
    window.setTimeout(() => (leaving = false), PROBE); // when the reader stays after all
  });
  window.addEventListener("pageshow", () => (leaving = false));
  if (notice) probeLater();
})();
