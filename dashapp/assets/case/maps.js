/* The maps of the case view: show the numbers of the position under the pointer or chosen by arrow keys. */
(function () {
  "use strict";
  const parsed = new WeakMap(); // frame -> its values
  const at = new WeakMap(); // frame -> [row, column] chosen with the keyboard

  function values(frame) {
    const text = frame.dataset.map;
    const known = parsed.get(frame);
    if (known && known.text === text) return known.map;
    const map = JSON.parse(text);
    parsed.set(frame, { text, map });
    return map;
  }

  function signed(hundredths) {
    const text = (Math.abs(hundredths) / 100).toFixed(2);
    return hundredths < 0 ? `−${text}` : `+${text}`;
  }

  function colored(className, color, text) {
    const mark = document.createElement("span");
    mark.className = className;
    if (className === "swatch") mark.style.background = color;
    else mark.style.setProperty("--class-color", color);
    mark.textContent = text;
    return mark;
  }

  function tell(frame, row, column) {
    const map = values(frame);
    const place = row * map.width + column;
    const cell = frame.querySelector(".map-cell");
    const share = (place, length) => `${(100 * place * map.side) / length}%`;
    Object.assign(cell.style, {
      left: share(column, map.imageWidth),
      top: share(row, map.imageHeight),
      width: share(1, map.imageWidth),
      height: share(1, map.imageHeight),
    });
    cell.hidden = false;
    const readout = document.querySelector(".map-readout");
    if (!readout) return;
    const label = map.classes[place];
    const [imageRow, imageColumn] = map.rows ? [map.rows[place], map.columns[place]] : [row * map.side, column * map.side];
    const where = `row ${imageRow}, column ${imageColumn}: `;
    if (map.margins[place] === null) {
      readout.replaceChildren(`${where}not tried`);
      return;
    }
    const parts = [
      `${where}${signed(map.margins[place])} `,
      colored("class-name", map.marks[label], map.names[label]),
    ];
    if (map.palette) {
      const color = map.palette[map.colors[place]];
      parts.push(" by ", colored("swatch", `rgb(${color.join(" ")})`, ""), map.gray ? ` gray ${color[0]}` : ` ${color.join(" ")}`);
    }
    readout.replaceChildren(...parts);
  }

  function rest(frame) {
    frame.querySelector(".map-cell").hidden = true;
    const readout = document.querySelector(".map-readout");
    if (readout) readout.replaceChildren(readout.dataset.rest);
  }

  const frameOf = (event) => event.target.closest && event.target.closest(".case-image-frame.has-map");

  document.addEventListener("pointermove", (event) => {
    const frame = frameOf(event);
    if (!frame) return;
    const box = frame.getBoundingClientRect();
    const map = values(frame);
    const column = Math.floor((((event.clientX - box.left) / box.width) * map.imageWidth) / map.side);
    const row = Math.floor((((event.clientY - box.top) / box.height) * map.imageHeight) / map.side);
    if (row < 0 || column < 0 || row >= map.height || column >= map.width) return;
    tell(frame, row, column);
  });
  document.addEventListener("pointerout", (event) => {
    const frame = frameOf(event);
    if (frame && !frame.contains(event.relatedTarget)) rest(frame);
  });
  document.addEventListener("focusout", (event) => {
    const frame = frameOf(event);
    if (frame) rest(frame);
  });
  document.addEventListener("keydown", (event) => {
    const frame = frameOf(event);
    const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
    if (!frame || !step) return;
    event.preventDefault();
    const map = values(frame);
    const [row, column] = at.get(frame) || [map.height >> 1, map.width >> 1];
    const next = [
      Math.min(map.height - 1, Math.max(0, row + step[0])),
      Math.min(map.width - 1, Math.max(0, column + step[1])),
    ];
    at.set(frame, next);
    tell(frame, ...next);
  });

  /* Pointing at the repair sweep's decision marks the suspected pixel. */
  document.addEventListener("mouseover", (event) => {
    const card = event.target.closest && event.target.closest("[data-detector][data-row]");
    const mark = document.querySelector(".case-image-frame .suspect");
    if (!mark) return;
    mark.hidden = !card;
    if (!card) return;
    const image = mark.parentElement.querySelector("img");
    mark.style.left = `${(100 * (Number(card.dataset.column) + 0.5)) / image.naturalWidth}%`;
    mark.style.top = `${(100 * (Number(card.dataset.row) + 0.5)) / image.naturalHeight}%`;
  });
})();
