// The numbers of a chart as a table, made when it is opened, and as they were then: nothing moves while somebody reads.
window.hmsTable = (details) => {
  details.querySelector(".scroll")?.remove();
  if (!details.open) return;
  const chart = getElement(Number(details.previousElementSibling.id.slice(1)));
  const zone = details.dataset.zone;
  const options = chart.options;
  // Nothing has been drawn yet: the chart waits for its numbers, and so does the table.
  if (!options.series.length) return void setTimeout(() => hmsTable(details), 250);
  const place = document.createElement("div");
  place.className = "scroll";
  place.tabIndex = 0;
  const table = place.appendChild(document.createElement("table"));
  table.className = "plain";
  table.createCaption().textContent = chart.$el.getAttribute("aria-label").split(". ")[0];
  place.setAttribute("role", "group");
  place.setAttribute("aria-label", table.caption.textContent);
  // Marks are a column only if there are any.
  const drawn = options.series.filter((series) => series.type !== "scatter" || series.data.length);
  const row = (parent, cells, kind) => {
    const line = parent.insertRow();
    cells.forEach((words, index) => {
      const cell = line.appendChild(document.createElement(index ? kind : "th"));
      if (cell.tagName === "TH") cell.scope = kind === "th" ? "col" : "row";
      cell.textContent = words;
      if (index) cell.className = drawn[index - 1].type === "scatter" ? "wide" : "number";
    });
  };
  const [axis] = [].concat(options.xAxis);
  const timed = axis.type === "time";
  const names = drawn.map((series) => series.name);
  row(table.createTHead(), [timed ? "Time" : "", ...names], "th");
  const lines = new Map();
  drawn.forEach((series, column) => series.data.forEach((point, index) => {
    // A mark has words in place of a number.
    const [at, value] = point?.name ? [point.value[0], point.name] : timed ? point : [axis.data[index], point];
    if (!lines.has(at)) lines.set(at, names.map(() => null));
    lines.get(at)[column] = value;
  }));
  const number = options.tooltip[":valueFormatter"] ? hmsClock.span : (value) => value === null ? "-" : Number(value).toLocaleString("en-US");
  const tell = (value) => typeof value === "string" ? value : number(value);
  const body = table.createTBody();
  const order = timed ? [...lines.keys()].sort((a, b) => a - b) : [...lines.keys()];
  for (const at of order) row(body, [timed ? hmsClock.full(zone)({ value: at }) : at, ...lines.get(at).map(tell)], "td");
  details.append(place);
};
// Paper has the tables in place of the charts.
window.addEventListener("beforeprint", () => {
  for (const details of document.querySelectorAll(".page .as-table:not([open])")) {
    details.classList.add("for-paper");
    details.open = true;
    hmsTable(details);
  }
});
window.addEventListener("afterprint", () => {
  for (const details of document.querySelectorAll(".as-table.for-paper")) {
    details.classList.remove("for-paper");
    details.open = false;
  }
});
