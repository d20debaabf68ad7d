/* Controller of the neighbor graph: live forces, hover card, wheel zoom, fit. All of it runs in the browser;
   the server sends only elements (dashapp/draw/graph_elements.py), with the target length of each edge and
   positions that already match it.

   Forces, as in D3's force layout that the paper used: each edge is a spring, images push each other apart.
   The push acts only across the edges, never along them, so that edge lengths still follow the distances. */
(function () {
  "use strict";
  const GRAPH = "case-graph";
  const COOLING = 0.975; // share of the heat that a step keeps
  const STEP = 16; // milliseconds of a step; a slow screen does several per frame
  const COLD = 0.01; // heat at which the forces stop
  const FRICTION = 0.6;
  const PADDING = 26; // pixels around the graph when it is fitted
  const LARGEST = 1.2; // zoom to which a small graph is enlarged
  const GAP = 6; // pixels between two images
  const IMAGES = "node[image]"; // the others are the rings
  const still = window.matchMedia("(prefers-reduced-motion: reduce)");
  const controllers = new WeakMap();

  function controllerOf(element) {
    const cy = element && element._cyreg && element._cyreg.cy;
    if (!cy) return null;
    if (!controllers.has(cy)) controllers.set(cy, controller(cy, element));
    return controllers.get(cy);
  }

  function controller(cy, element) {
    const frame = element.closest(".graph-frame");
    const card = frame.querySelector(".graph-card");
    let bodies = new Map();
    let springs = [];
    let heat = 0;
    let running = false;
    let last = 0; // time of the last frame
    let held = null; // id of the node that is being dragged
    let moved = false; // whether the reader chose a zoom or pan of their own
    const home = { x: 0, y: 0 }; // resting position of the case

    /* Forces */
    function read() {
      bodies = new Map();
      cy.nodes(IMAGES).forEach((node) => {
        const { x, y } = node.position();
        const radius = node.data("size") / 2 + GAP / 2;
        bodies.set(node.id(), { node, x, y, vx: 0, vy: 0, radius, center: node.data("role") === "case" });
      });
      springs = cy.edges().map((edge) => ({
        from: bodies.get(edge.source().id()),
        to: bodies.get(edge.target().id()),
        length: edge.data("length"),
      }));
      Object.assign(home, { x: 0, y: 0 });
    }

    function pull() {
      for (const { from, to, length } of springs) {
        const dx = to.x - from.x || 0.01;
        const dy = to.y - from.y || 0.01;
        const far = Math.hypot(dx, dy);
        const force = (0.35 * (far - length)) / far;
        to.vx -= dx * force;
        to.vy -= dy * force;
        // The case is heavy, but moves a little with an image that is being dragged.
        const share = to.node.id() === held ? 0.12 : 0.004;
        from.vx += dx * force * share;
        from.vy += dy * force * share;
      }
    }

    function pushApart() {
      const all = [...bodies.values()].filter((body) => !body.center);
      const center = [...bodies.values()].find((body) => body.center);
      for (let i = 0; i < all.length; i++) {
        for (let j = i + 1; j < all.length; j++) {
          const [a, b] = [all[i], all[j]];
          const dx = b.x - a.x || 0.01 * (i - j);
          const dy = b.y - a.y || 0.01;
          const far = Math.hypot(dx, dy);
          // An image that is being dragged pushes from farther away, to uncover those under it.
          const reach = (a.radius + b.radius) * (a.node.id() === held || b.node.id() === held ? 1.7 : 1);
          if (far >= reach) continue;
          const force = 0.5 * (reach - far);
          across(a, center, (-dx / far) * force, (-dy / far) * force, -1);
          across(b, center, (dx / far) * force, (dy / far) * force, 1);
        }
      }
    }

    /* Add the part of a push that is at right angles to the body's edge. */
    function across(body, center, fx, fy, side) {
      const rx = body.x - center.x;
      const ry = body.y - center.y;
      const far = Math.hypot(rx, ry) || 1;
      const [tx, ty] = [-ry / far, rx / far];
      let along = fx * tx + fy * ty;
      // Two images in line with the case would never separate, so each moves to its side.
      const straight = Math.abs(fx * rx + fy * ry) / far;
      if (Math.abs(along) < 0.2 * straight) along += 0.2 * straight * side;
      body.vx += tx * along * heat;
      body.vy += ty * along * heat;
    }

    function step() {
      pull();
      pushApart();
      for (const [id, body] of bodies) {
        if (id === held) {
          const { x, y } = body.node.position();
          Object.assign(body, { x, y, vx: 0, vy: 0 });
          if (body.center) Object.assign(home, { x, y });
          continue;
        }
        if (body.center) {
          body.vx += 0.08 * (home.x - body.x);
          body.vy += 0.08 * (home.y - body.y);
        }
        body.vx *= FRICTION;
        body.vy *= FRICTION;
        body.x += body.vx;
        body.y += body.vy;
      }
      heat *= COOLING;
    }

    function draw() {
      cy.batch(() => {
        for (const [id, body] of bodies) {
          if (id !== held && body.node.inside()) body.node.position({ x: body.x, y: body.y });
          if (body.center) cy.nodes("[role = 'ring']").positions({ x: body.x, y: body.y });
        }
      });
    }

    function tick(time) {
      if (cy.destroyed()) {
        running = false; // the page has been left
        return;
      }
      const steps = Math.min(8, Math.max(1, Math.round((time - last) / STEP)));
      last = time;
      for (let i = 0; i < steps; i++) step();
      draw();
      if (heat > COLD || held) {
        window.requestAnimationFrame(tick);
      } else {
        running = false;
        element.dataset.settled = "true";
      }
    }

    function warm(to) {
      heat = Math.max(heat, to);
      if (still.matches && !held) {
        while (heat > COLD) step();
        draw();
        element.dataset.settled = "true";
      } else if (!running) {
        running = true;
        last = window.performance.now();
        element.dataset.settled = "false";
        window.requestAnimationFrame(tick);
      }
    }

    /* View */
    function fit(animated) {
      if (cy.elements().empty()) return;
      if (cy.width() < 2 * PADDING) return; // not shown
      const { x1, y1, w, h } = cy.elements().boundingBox();
      const [width, height] = [cy.width(), cy.height()];
      const zoom = Math.min((width - 2 * PADDING) / w, (height - 2 * PADDING) / h, LARGEST);
      const pan = { x: width / 2 - zoom * (x1 + w / 2), y: height / 2 - zoom * (y1 + h / 2) };
      if (animated && !still.matches) cy.animate({ zoom, pan }, { duration: 200 });
      else cy.viewport({ zoom, pan });
    }

    function onWheel(event) {
      // Cytoscape's own wheel zoom is too fast for a mouse and logs a warning when it is slowed down.
      event.preventDefault();
      event.stopImmediatePropagation();
      const box = element.getBoundingClientRect();
      const lines = event.deltaMode === 1 ? 16 : 1;
      const factor = Math.exp(-Math.max(-120, Math.min(120, event.deltaY * lines)) * 0.0022);
      const at = { x: event.clientX - box.left, y: event.clientY - box.top };
      cy.zoom({ level: cy.zoom() * factor, renderedPosition: at });
      moved = true;
      hideCard();
    }

    /* Hover */
    function showCard(node) {
      const { image, title, lines, color } = node.data();
      card.replaceChildren();
      const picture = Object.assign(document.createElement("img"), { src: image, alt: "", className: "pixels" });
      const name = Object.assign(document.createElement("strong"), { textContent: title });
      if (color) {
        name.className = "class-name";
        name.style.setProperty("--class-color", color);
      }
      const texts = lines.map((line) => Object.assign(document.createElement("span"), { textContent: line }));
      card.append(picture, name, ...texts);
      card.hidden = false;
      const { left, top } = cardPlace(node);
      card.style.transform = `translate(${Math.round(left)}px, ${Math.round(top)}px)`;
    }

    /* A place beside the image where the card fits and does not cover the case in the middle. */
    function cardPlace(node) {
      const { x, y } = node.renderedPosition();
      const middle = cy.getElementById("case").renderedBoundingBox({ includeOverlays: false });
      const [width, height] = [card.offsetWidth, card.offsetHeight];
      const room = 50 * cy.zoom() + 8; // half of the enlarged image
      const bounded = (value, size, whole) => Math.max(4, Math.min(whole - size - 4, value));
      const sides = [
        { left: x + room, top: y - height / 2 },
        { left: x - room - width, top: y - height / 2 },
        { left: x - width / 2, top: y - room - height },
        { left: x - width / 2, top: y + room },
      ].map(({ left, top }) => ({
        left: bounded(left, width, element.clientWidth),
        top: bounded(top, height, element.clientHeight),
      }));
      const covers = ({ left, top }, box) =>
        left < box.x2 && left + width > box.x1 && top < box.y2 && top + height > box.y1;
      const image = { x1: x - room, x2: x + room, y1: y - room, y2: y + room };
      return sides.find((side) => !covers(side, middle) && !covers(side, image)) || sides[x < middle.x1 ? 1 : 0];
    }

    function hideCard() {
      card.hidden = true;
    }

    function point(node) {
      unpoint();
      if (!node || node.empty()) return;
      node.union(node.connectedEdges().filter((edge) => edge.target().same(node))).addClass("hovered");
      listRow(node.id())?.setAttribute("data-pointed", "");
      if (!held) showCard(node);
    }

    function unpoint() {
      cy.elements(".hovered").removeClass("hovered");
      document.querySelectorAll(".neighbor-row[data-pointed]").forEach((row) => row.removeAttribute("data-pointed"));
      hideCard();
    }

    function listRow(id) {
      return document.querySelector(`.neighbor-row[data-node="${CSS.escape(id)}"]`);
    }

    cy.on("mouseover", IMAGES, (event) => point(event.target));
    cy.on("mouseover", "edge", (event) => point(event.target.target()));
    cy.on("mouseout", "node, edge", unpoint);
    cy.on("tap", IMAGES, (event) => point(event.target));
    cy.on("tap", "edge", (event) => compare(event.target.target().id()));
    cy.on("mouseover mouseout", "edge", (event) => {
      element.style.cursor = event.type === "mouseover" ? "pointer" : "";
    });
    cy.on("grab", "node", (event) => {
      held = event.target.id();
      hideCard();
    });
    cy.on("drag", "node", () => {
      hideCard();
      warm(0.5);
    });
    cy.on("free", "node", () => {
      held = null;
      if (running) warm(0.6);
    });
    cy.on("dragpan pinchzoom", () => {
      moved = true;
    });
    // Cytoscape does not notice when the pointer leaves its box.
    element.addEventListener("mouseleave", () => held || unpoint());
    // On an ancestor: Cytoscape's own listener on the element itself was added first and would also zoom.
    frame.addEventListener("wheel", onWheel, { capture: true, passive: false });
    cy.minZoom(0.25);
    cy.maxZoom(6);

    let pending = false;
    function refresh() {
      if (pending) return;
      pending = true;
      element.dataset.settled = "false";
      window.requestAnimationFrame(() => {
        pending = false;
        if (cy.destroyed()) return;
        unpoint();
        moved = false;
        held = null;
        cy.resize();
        read();
        fit(false);
        warm(0.2);
      });
    }
    // Content above the graph may move it; hover would miss its images until Cytoscape measures again.
    new ResizeObserver(() => {
      if (cy.destroyed()) return;
      cy.resize();
      if (!moved) fit(false);
    }).observe(frame);

    /* Save the whole graph as a picture, on the page's surface color. */
    async function picture(name) {
      const bg = window.getComputedStyle(frame).getPropertyValue("--surface").trim();
      const blob = await cy.png({ output: "blob-promise", full: true, scale: 2, bg });
      const href = URL.createObjectURL(blob);
      Object.assign(document.createElement("a"), { href, download: name }).click();
      window.setTimeout(() => URL.revokeObjectURL(href), 10000);
    }

    return {
      cy,
      picture,
      refresh,
      point: (id) => point(cy.getElementById(id)),
      unpoint,
      fit: () => {
        moved = false;
        fit(true);
      },
    };
  }

  /* Open the pair view of a neighbor; its node's id is `n` and the id of its reference sample. */
  function compare(node) {
    window.dash_clientside.caseChoice.choose("pair", node.slice(1));
  }

  const here = () => controllerOf(document.getElementById(GRAPH));

  function onPointer(event) {
    const row = event.target.closest && event.target.closest(".neighbor-row");
    const graph = row && here();
    if (!graph) return;
    if (event.type === "mouseover") graph.point(row.dataset.node);
    else graph.unpoint();
  }
  for (const kind of ["mouseover", "mouseout"]) document.addEventListener(kind, onPointer);

  document.addEventListener("click", (event) => {
    const button = event.target.closest && event.target.closest(".graph-png");
    if (button) here()?.picture(button.dataset.name);
  });

  /* The list is one tab stop; the arrow keys move through its rows. */
  function onKey(event) {
    const list = event.target.closest && event.target.closest(".neighbor-list");
    const graph = list && here();
    if (!graph || event.ctrlKey || event.metaKey || event.altKey) return;
    const rows = [...list.querySelectorAll(".neighbor-row")];
    const now = rows.findIndex((row) => row.hasAttribute("data-pointed"));
    const last = rows.length - 1;
    if (event.key === "Enter" && event.target === list && now >= 0) {
      event.preventDefault();
      compare(rows[now].dataset.node);
    }
    const to = { ArrowDown: Math.min(now + 1, last), ArrowUp: Math.max(now - 1, 0), Home: 0, End: last }[event.key];
    if (event.key === "Escape") graph.unpoint();
    if (to === undefined || last < 0) return;
    event.preventDefault();
    graph.point(rows[to].dataset.node);
    rows[to].scrollIntoView({ block: "nearest" });
  }
  document.addEventListener("keydown", onKey);
  document.addEventListener("focusout", (event) => {
    if (event.target.closest && event.target.closest(".neighbor-list")) here()?.unpoint();
  });

  /* Wait until Cytoscape has drawn the elements that were just sent, then place them. */
  function place(version, tries) {
    const graph = here();
    if (graph && graph.cy.nodes().nonempty()) graph.refresh();
    else if (tries > 0) window.requestAnimationFrame(() => place(version, tries - 1));
  }

  window.dash_clientside = window.dash_clientside || {};
  window.dash_clientside.neighborGraph = {
    /* New elements have arrived (`version` identifies them). */
    place: function (version) {
      if (version) window.requestAnimationFrame(() => place(version, 300));
      return window.dash_clientside.no_update;
    },
    /* The button "Fit". */
    fit: function (clicks) {
      if (clicks) here()?.fit();
      return window.dash_clientside.no_update;
    },
  };
})();
