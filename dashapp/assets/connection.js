/* What one waits for, a server that is gone, and answers that come too late. Dash says nothing on the page
   when a request fails; every request of the page passes here. */
(function () {
  "use strict";
  const PROBE = 4000; // milliseconds between two looks whether the server is back
  const GONE = new Set([502, 503, 504]); // what a proxy answers for a server that is gone
  const CASE_ID = "case-id"; // where a case's page keeps its number
  const NO_UPDATE = 204; // how Dash is told to change nothing
  const send = window.fetch.bind(window);
  let line = null;
  let timer = null;
  let leaving = false;

  /* Where the app is, from the configuration that Dash has put into the page. */
  function base() {
    const config = document.getElementById("_dash-config");
    return config ? JSON.parse(config.textContent).requests_pathname_prefix : "/";
  }

  function say(text, action) {
    if (!line) {
      line = document.createElement("div");
      line.className = "unreachable";
      line.setAttribute("role", "alert");
      const button = document.createElement("button");
      button.type = "button";
      button.className = "button";
      button.addEventListener("click", () => window.location.reload());
      line.append(document.createElement("span"), button);
      document.body.append(line);
    }
    line.firstChild.textContent = text;
    line.lastChild.textContent = action;
  }

  async function probe() {
    try {
      if ((await send(`${base()}healthz`, { cache: "no-store" })).ok) {
        timer = null;
        say("The server answers again. What is shown may be incomplete.", "Reload");
        return;
      }
    } catch {
      // still gone
    }
    timer = window.setTimeout(probe, PROBE);
  }

  function gone() {
    say("The server cannot be reached. What is shown may be out of date.", "Try again");
    timer = timer || window.setTimeout(probe, PROBE);
  }

  /* The case whose page asks; null: no page of a case. */
  function askingCase([address, options]) {
    const body = options && options.body;
    const asks = String(address).includes("_dash-update-component") && typeof body === "string";
    if (!asks || !body.includes(CASE_ID)) return null;
    const known = (JSON.parse(body).state || []).flat().find((one) => one.id === CASE_ID);
    return known ? known.value : null;
  }

  const isShown = (number) => window.location.pathname.replace(/\/$/, "").endsWith(`/case/${number}`);

  window.fetch = async function (...request) {
    try {
      const asking = askingCase(request);
      const answer = await send(...request);
      if (GONE.has(answer.status)) gone();
      // The next case has parts of the same names: what comes late would show this one's there.
      if (asking !== null && !isShown(asking)) return new Response(null, { status: NO_UPDATE });
      return answer;
    } catch (error) {
      // A page that is being left gives its requests up; that is no fault of the server's.
      if (error.name !== "AbortError" && !leaving) gone();
      throw error;
    }
  };

  window.addEventListener("pagehide", () => (leaving = true));
  window.addEventListener("beforeunload", () => (leaving = true));
  window.addEventListener("pageshow", () => (leaving = false));
})();
