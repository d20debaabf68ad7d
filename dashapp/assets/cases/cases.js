/* The case list: text typed into its fields is written into the address, which everything else follows. */
(function () {
  "use strict";
  const NUMBER = /^-?[0-9]{1,12}(\.[0-9]{1,12})?$/;
  const { address } = window.explainablePixels;
  const OPENED = "explainable-pixels:facets";

  /* Write the text in the fields into the address; an invalid range leaves the previous one there. */
  function typed() {
    const fields = address.fields();
    const before = fields.toString();
    const words = document.querySelector("[data-find]").value.trim();
    address.set(fields, "find", words);
    const ends = {};
    for (const field of document.querySelectorAll("[data-range]")) {
      const { range, end } = field.dataset;
      ends[range] = { ...ends[range], [end]: field.value.trim() };
    }
    for (const [range, { low, high }] of Object.entries(ends)) {
      const numbers = [low, high].every((end) => !end || NUMBER.test(end));
      if (!low && !high) fields.delete(range);
      else if (numbers && !(low && high && Number(low) > Number(high))) fields.set(range, `${low}..${high}`);
    }
    if (fields.toString() === before) return;
    fields.delete("page");
    address.follow(window.location.pathname + address.write(fields));
  }

  document.addEventListener("change", (event) => {
    if (event.target.matches("[data-find], [data-range]")) typed();
  });
  document.addEventListener("search", (event) => {
    if (event.target.matches("[data-find]")) typed();
  });

  document.addEventListener("click", async (event) => {
    const button = event.target.closest && event.target.closest("[data-copy]");
    if (!button) return;
    const text = button.parentElement.querySelector(button.dataset.copy).textContent;
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "Copied";
    } catch {
      button.textContent = "Select and copy";
    }
  });

  /* Shift and a click on a column's title: an additional sort key, as in other tables. */
  document.addEventListener(
    "click",
    (event) => {
      const title = event.shiftKey && event.target.closest && event.target.closest("th[data-shift] a");
      if (!title) return;
      event.preventDefault();
      address.follow(title.parentElement.dataset.shift);
    },
    true,
  );

  /* Filters that the reader has opened or closed stay so when the list is redrawn. */
  function opened() {
    try {
      return JSON.parse(window.sessionStorage.getItem(OPENED)) || {};
    } catch {
      return {};
    }
  }

  document.addEventListener("click", (event) => {
    const summary = event.target.closest && event.target.closest(".facet > summary");
    if (!summary) return;
    const facet = summary.parentElement;
    try {
      window.sessionStorage.setItem(OPENED, JSON.stringify({ ...opened(), [facet.dataset.facet]: !facet.open }));
    } catch {
      // storage may be forbidden; the filters are then in their default state
    }
  });

  document.addEventListener("drawn", (event) => {
    const choices = opened();
    for (const facet of event.target.querySelectorAll(".facet[data-facet]")) {
      const choice = choices[facet.dataset.facet];
      if (choice !== undefined && !facet.querySelector(".facet-on")) facet.open = choice;
    }
  });
})();
