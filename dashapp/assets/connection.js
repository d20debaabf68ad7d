/* What one waits for, what the server says when it cannot answer, a server that is gone, and answers that come
   too late. Dash says nothing on the page when a request fails; every request of the page passes here.

   Others hear of it by events of the document: "unsaved" and "saved" with the callback that was asked for and
   what was sent, "answers" when the database answers again. */
(function () {
  "use strict";
  const PROBE = 4000; // milliseconds until the first look whether all is well again; each waits half as long more
  const SLOWEST = 30000;
  const GONE = new Set([502, 503, 504]); // what a proxy answers for a server that is gone; 503 also the server
  const CHANGED = 409; // the server has another database than the page
  const NO_UPDATE = 204; // how Dash is told to change nothing
  const CASE_ID = "case-id"; // where a case's page keeps its number
  const WRITES = /case-notes|case-verdict|list-saved/; // outputs of the callbacks that write
  const TYPED = ".tag-input, .saved-form input"; // fields whose text is not in the address
  const DATABASE = "X-Xpixels-Database";
  const RELOADED = "explainable-pixels:reloaded"; // when the page last loaded itself anew
  const LOST = "The server cannot be reached. What is shown may be out of date.";
  const INCOMPLETE = "What is shown may be incomplete.";
  const send = window.fetch.bind(window);
  let line = null;
  let timer = null;
  let wait = PROBE;
  let leaving = false;
  let incomplete = false; // something to be shown could not be
  let lost = false; // something to be saved could not be

  const notice = document.querySelector("[data-unavailable]"); // the page of a server without its database
  const shownDatabase = () => (document.querySelector(`meta[name="${DATABASE}"]`) || {}).content;

  /* Where the app is, from the configuration that Dash has put into the page. */
  function base() {
    const config = document.getElementById("_dash-config");
    if (notice) return notice.dataset.unavailable;
    return config ? JSON.parse(config.textContent).requests_pathname_prefix : "/";
  }

  function say(text, action, does) {
    if (!line) {
      line = document.createElement("div");
      line.className = "unreachable";
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

  /* Once in a while by itself: what never comes must not load the page for ever. */
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
      // still gone
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

  /* The server, or its database, is gone for a while. */
  function gone(reason, asked) {
    if (isWrite(asked)) lost = true;
    else incomplete = true;
    sayGone(reason);
    probeLater();
  }

  /* Say why something could not be done: in the server's words where it has some. */
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

  /* What a callback's request asks for; null: it is none. */
  function callback(address, options) {
    const body = options && options.body;
    return address.includes("_dash-update-component") && typeof body === "string" ? JSON.parse(body) : null;
  }

  /* The case whose page asks; null: no page of a case. */
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
      // The next case has parts of the same names: what comes late would show this one's there.
      if (asking !== null && !isShown(asking)) return new Response(null, { status: NO_UPDATE });
      return answer;
    } catch (error) {
      // A page that is being left gives its requests up; that is no fault of the server's.
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
