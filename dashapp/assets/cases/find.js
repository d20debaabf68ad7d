/* Values of a filter that have no row: a field lists those that contain the typed words. */
(function () {
  "use strict";
  const MOST = 12; // values listed

  function option(field, [value, label, number]) {
    const [path, search] = field.dataset.href.split("?");
    const { address } = window.explainablePixels;
    const fields = address.fields(search);
    fields.append(field.dataset.finds, value);
    const link = document.createElement("a");
    link.className = "facet-option";
    link.href = path + address.write(fields);
    link.dataset.link = "";
    for (const [text, classes] of [
      [label, "facet-name ellipsis"],
      [number.toLocaleString("en"), "facet-count muted small"],
    ]) {
      const part = document.createElement("span");
      part.className = classes;
      part.textContent = text;
      link.append(part);
    }
    link.title = `Show ${label} too`;
    const item = document.createElement("li");
    item.append(link);
    return item;
  }

  function line(text) {
    const item = document.createElement("li");
    item.className = "facet-option muted small";
    item.textContent = text;
    return item;
  }

  document.addEventListener("input", (event) => {
    if (!event.target.matches("[data-finds]")) return;
    const field = event.target;
    const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
    const fits = ([, label]) => words.every((word) => label.toLowerCase().includes(word));
    const found = words.length ? JSON.parse(field.dataset.rest).filter(fits) : [];
    const items = found.slice(0, MOST).map((one) => option(field, one));
    if (found.length > MOST) items.push(line(`and ${found.length - MOST} more: type on`));
    if (words.length && !found.length) items.push(line("None of the cases has this."));
    field.nextElementSibling.replaceChildren(...items);
  });

  document.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !event.target.matches || !event.target.matches("[data-finds]")) return;
    event.preventDefault();
    const first = event.target.nextElementSibling.querySelector("a");
    if (first) first.click();
  });
})();
