/* The table of a sweep and what filters it. */

const STEP = 100; // rows drawn at first, and with each "Show more"
state.limit = STEP;

function drawHead() {
  byId("head").replaceChildren(...COLUMNS.filter(({ name }) => state.columns.has(name)).map((column) => {
    const [group, name] = parts(column);
    const sorted = state.sort === column.name;
    const arrow = el("span", { class: "arrow", "aria-hidden": "true" }, sorted ? (state.descending ? "↓" : "↑") : "");
    const button = el("button", { type: "button", "data-sort": column.name, on: { click: () => sortBy(column) } },
      el("span", { class: "label" }, group ? el("span", { class: "group" }, group) : null, name), arrow);
    const order = sorted ? (state.descending ? "descending" : "ascending") : "none";
    return el("th", { scope: "col", class: classOf(column), "aria-sort": order }, button);
  }));
}

function classOf({ name, kind, numeric }) {
  return [numeric ? "number" : "", name === "job" ? "job" : "", kind === "message" ? "wide" : ""].join(" ").trim() || null;
}

/** Up, down, and as the sweep ran. */
function sortBy(column) {
  if (state.sort !== column.name) Object.assign(state, { sort: column.name, descending: false });
  else if (!state.descending) state.descending = true;
  else Object.assign(state, { sort: null, descending: false });
  changed(false);
  byId("head").querySelector(`[data-sort="${CSS.escape(column.name)}"]`)?.focus();
}

/** The row of a job, made once for the columns that are shown. */
function rowOf(at) {
  if (!MADE.has(at)) MADE.set(at, makeRow(at));
  return MADE.get(at);
}
const MADE = new Map();

function makeRow(at) {
  const cells = [];
  for (const column of COLUMNS) {
    if (!state.columns.has(column.name)) continue;
    const value = ROWS[at][column.at];
    if (column.name === "job") {
      cells.push(el("th", { scope: "row", class: "job" },
        el("button", { type: "button", class: "open", "data-row": at, "aria-haspopup": "dialog", "aria-label": `Open job ${value}` }, value)));
    } else if (column.name === "status") {
      cells.push(el("td", {}, badge(value)));
    } else {
      cells.push(el("td", { class: classOf(column) }, value === null ? "" : column.show(value)));
    }
  }
  return el("tr", {}, cells);
}

let shown = []; // the rows of the table, drawn or not

function drawBody() {
  shown = tableRows();
  const drawn = shown.slice(0, state.limit).map(rowOf);
  const none = el("tr", {}, el("td", { colspan: state.columns.size, class: "none" }, "No job fits."));
  byId("body").replaceChildren(...(drawn.length ? drawn : [none]));
  const total = count(ROWS.length, "job");
  byId("count").textContent = shown.length === ROWS.length ? total : `${WHOLE.format(shown.length)} of ${total}`;
  byId("more").hidden = shown.length <= state.limit;
  byId("more-count").textContent = `${WHOLE.format(Math.min(state.limit, shown.length))} of ${WHOLE.format(shown.length)} rows drawn`;
  byId("clear").hidden = !isFiltered();
}

function drawTable() {
  drawHead();
  drawBody();
}

function showMore(rows) {
  const first = state.limit;
  state.limit += rows;
  drawBody();
  byId("body").rows[first]?.querySelector("button")?.focus({ preventScroll: true });
}

/** Which columns there are to see. */
function drawColumns() {
  byId("columns-list").replaceChildren(...COLUMNS.filter(({ name, empty }) => name !== "job" && !empty).map((column) =>
    tick(column.name, state.columns.has(column.name), (checked) => {
      if (checked) state.columns.add(column.name);
      else state.columns.delete(column.name);
      MADE.clear();
      sayColumns();
      changed(false);
    })));
  sayColumns();
}

function sayColumns() {
  byId("columns-count").textContent = `${state.columns.size} of ${COLUMNS.filter(({ empty, name }) => !empty || name === "job").length}`;
}

function drawCounts() {
  const statuses = ["passed", "failed", "error", "pending"].filter((status) => STATUS.values.includes(status));
  byId("counts").replaceChildren(...statuses.map((status) => {
    const number = STATUS.values.filter((value) => value === status).length;
    const button = el("button", { type: "button", class: `tally ${status}`, "data-status": status, "aria-pressed": "false", on: { click: toggle } },
      el("span", { class: "big" }, WHOLE.format(number)), badge(status));
    function toggle() {
      if (!state.statuses.delete(status)) state.statuses.add(status);
      changed();
    }
    return button;
  }));
}

function drawSelects() {
  const few = OVERRIDES.filter(({ varies, distinct }) => varies && distinct.length <= MANY);
  byId("selects").replaceChildren(...few.map((column) => {
    const options = [["", "any"], ...column.distinct.map((value) => [`=${value}`, value])];
    if (column.values.includes(null)) options.push(["none", "not set"]);
    return select(column.name, options, "", (value) => {
      if (value === "") state.chosen.delete(column.name);
      else state.chosen.set(column.name, value === "none" ? "" : value);
      changed();
    });
  }));
}

/** What charts have set, each with a button that takes it back. */
function drawChips() {
  const chips = [];
  if (state.brush) chips.push(["Brushed in the parallel coordinates", () => clearBrush()]);
  if (state.frontOnly) chips.push(["The Pareto front alone", () => { state.frontOnly = false; }]);
  byId("chips").replaceChildren(...chips.map(([text, clear]) =>
    el("button", { type: "button", class: "chip", on: { click: () => { clear(); changed(); } } }, text, el("span", { "aria-hidden": "true" }, "✕"), el("span", { class: "hidden" }, ", remove"))));
}

function reset() {
  Object.assign(state, { text: "", brush: null, frontOnly: false });
  state.statuses.clear();
  state.chosen.clear();
  byId("filters").reset();
  clearBrush();
  changed();
  byId("text").focus();
}

function startTable() {
  drawCounts();
  drawSelects();
  drawColumns();
  byId("text").addEventListener("input", () => { state.text = byId("text").value; changed(); });
  byId("filters").addEventListener("submit", (event) => event.preventDefault());
  byId("clear").addEventListener("click", reset);
  byId("more-some").addEventListener("click", () => showMore(STEP));
  byId("more-all").addEventListener("click", () => showMore(Infinity));
  byId("body").addEventListener("click", (event) => {
    const button = event.target.closest("button.open");
    if (button) openJob(Number(button.dataset.row), button);
  });
  window.addEventListener("beforeprint", () => { state.limit = Infinity; drawBody(); });
  onChange((rows) => {
    if (rows) state.limit = STEP;
    drawTable();
    drawChips();
    for (const button of byId("counts").children) button.setAttribute("aria-pressed", String(state.statuses.has(button.dataset.status)));
  });
  drawTable();
}
