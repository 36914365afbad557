/* Scatter of any two figures or overrides, coloured by a third, and the Pareto front of two figures in it. */

const DARK = window.matchMedia("(prefers-color-scheme: dark)");
const STILL = window.matchMedia("(prefers-reduced-motion: reduce)");

/** Colours and fonts of the page, for charts. */
function theme() {
  const style = getComputedStyle(document.documentElement);
  const read = (name) => style.getPropertyValue(name).trim();
  return {
    ink: read("--ink"), muted: read("--muted"), line: read("--line"), grid: read("--grid"), surface: read("--surface"),
    font: style.fontFamily, hues: [1, 2, 3, 4, 5, 6, 7, 8].map((at) => read(`--hue-${at}`)),
    ramp: [1, 2, 3, 4, 5].map((at) => read(`--ramp-${at}`)),
    statuses: { passed: read("--passed"), failed: read("--failed"), error: read("--error"), pending: read("--pending") },
  };
}

/** A text for Plotly, which reads some HTML: here it reads none. */
const literal = (text) => plainText(text).replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");

const shorten = (text, length = 32) => (text.length > length ? `${text.slice(0, length - 1)}…` : text);

const CHARTABLE = [...OVERRIDES, STATUS, ...FIGURES];
const GROUPS = { override: "overrides", figure: "figures", status: "status" };
const optionsOf = (columns) => columns.map(({ name, kind }) => [name, name, GROUPS[kind]]);

const QUALITY = /^check\..*(accuracy|score|loss|error)/;

/** What a model costs for the first axis, and for the second what it comes to: latency, quality, time. */
function firstAxes() {
  const varied = FIGURES.filter(({ varies }) => varies);
  const overrides = OVERRIDES.filter(({ varies }) => varies);
  const named = (...names) => names.map((name) => varied.find((column) => column.name === name)).filter(Boolean);
  const rest = [...varied, ...FIGURES, ...overrides, STATUS];
  const numbers = overrides.filter(({ name, numeric }) => numeric && name !== "seed");
  const x = [...named("plan.macs", "plan.parameters"), ...numbers, ...named("bench.latency_ms", "seconds"), ...rest][0];
  const other = (column) => column !== x && JSON.stringify(column.values) !== JSON.stringify(x.values);
  const quality = varied.filter(({ name }) => QUALITY.test(name));
  return [x, [...named("bench.latency_ms", "bench.throughput"), ...quality, ...named("seconds"), ...rest].find(other) ?? x];
}

/** The override of few values that tells most of a figure; a seed only if there is no other. */
function firstColour(y) {
  const few = OVERRIDES.filter(({ varies, distinct }) => varies && distinct.length <= 8);
  const told = new Map(few.map((column) => [column, column.name === "seed" ? -1 : toldBy(column, y)]));
  return few.sort((one, other) => told.get(other) - told.get(one))[0] ?? STATUS;
}

/** The share of a figure's variance that lies between the values of an override. */
function toldBy(override, { numeric, values }) {
  if (!numeric) return 0;
  const groups = new Map();
  values.forEach((value, at) => {
    if (value === null) return;
    const name = override.values[at];
    if (!groups.has(name)) groups.set(name, []);
    groups.get(name).push(value);
  });
  const mean = (numbers) => numbers.reduce((sum, number) => sum + number, 0) / numbers.length;
  const spread = (numbers, around) => numbers.reduce((sum, number) => sum + (number - around) ** 2, 0);
  const all = [...groups.values()].flat();
  const within = [...groups.values()].reduce((sum, group) => sum + spread(group, mean(group)), 0);
  return 1 - within / (spread(all, mean(all)) || 1);
}

const WIDE = 100; // an axis of a wider span is logarithmic at first

/** Whether all of a column is above zero and spans so much that a linear axis hides most of it. */
function isWide(column) {
  return column.numeric && column.values.every((value) => value === null || value > 0) && spanOf(column) > WIDE;
}

const scatter = (() => {
  const [x, y] = firstAxes();
  return { x: x.name, y: y.name, colour: firstColour(y).name, logX: isWide(x), logY: isWide(y), front: true, wantX: wanted(x.name), wantY: wanted(y.name) };
})();

const isFigure = (name) => COLUMN.get(name).kind === "figure";
const hasFront = () => isFigure(scatter.x) && isFigure(scatter.y) && scatter.x !== scatter.y;

/** The rows that pass the filters and have both values, and are above zero where the axis is logarithmic. */
function plotted() {
  const [x, y] = [COLUMN.get(scatter.x), COLUMN.get(scatter.y)];
  return filtered().filter((at) => (!state.brush || state.brush.has(at)) &&
    x.values[at] !== null && y.values[at] !== null && (!scatter.logX || x.values[at] > 0) && (!scatter.logY || y.values[at] > 0));
}

function currentFront() {
  if (!hasFront()) return [];
  const [x, y] = [COLUMN.get(scatter.x).values, COLUMN.get(scatter.y).values];
  return paretoFront(plotted().map((at) => [at, x[at], y[at]]), scatter.wantX, scatter.wantY);
}

/** Where a value lies on an axis: a number, or the place of a text among the others. */
function placed(column, rows) {
  if (column.numeric) return rows.map((at) => column.values[at]);
  const places = new Map(column.distinct.map((value, at) => [value, at]));
  return rows.map((at) => places.get(plainText(column.values[at])));
}

function axis(column, log, look) {
  const ticks = column.numeric ? {} : {
    tickmode: "array", tickvals: column.distinct.map((_, at) => at), ticktext: column.distinct.map((value) => literal(shorten(value, 18))),
    range: [-0.5, column.distinct.length - 0.5],
  };
  return {
    type: log ? "log" : "linear", title: { text: literal(shorten(column.name, 60)), font: { size: 12, color: look.muted }, standoff: 10 },
    gridcolor: look.grid, linecolor: look.line, zeroline: false, showline: false, ticks: "", automargin: true,
    tickfont: { size: 11, color: look.muted }, hoverformat: "", separatethousands: true, exponentformat: tiny(column) ? "power" : "SI", ...(log ? { dtick: spanOf(column) > 10 ? 1 : null } : {}), ...ticks,
  };
}

/** Whether a column has values that take a power of ten to write. */
const tiny = ({ values }) => values.some((value) => typeof value === "number" && value !== 0 && Math.abs(value) < 1e-3);

/** By how much the largest value of a column exceeds the smallest above zero. */
function spanOf({ values }) {
  const there = values.filter((value) => value > 0);
  return there.length ? Math.max(...there) / Math.min(...there) : 1;
}

function hoverOf(at) {
  const told = OVERRIDES.filter(({ varies }) => varies).slice(0, 10);
  const lines = [scatter.x, scatter.y, scatter.colour].map((name) => COLUMN.get(name)).filter((column) => !told.includes(column));
  const say = (column) => `${literal(shorten(column.name))}: ${literal(shorten(column.show(column.values[at])))}`;
  return [`<b>job ${literal(shorten(ROWS[at][0]))}</b>`, ...[...told, ...new Set(lines)].map(say)].join("<br>");
}

function markers(rows, look) {
  const [x, y] = [COLUMN.get(scatter.x), COLUMN.get(scatter.y)];
  return {
    type: rows.length > 3000 ? "scattergl" : "scatter", mode: "markers", x: placed(x, rows), y: placed(y, rows), customdata: rows,
    hoverinfo: "text", hovertext: rows.map(hoverOf),
    marker: { size: rows.length > 300 ? 7 : 10, opacity: rows.length > 300 ? 0.8 : 0.95, line: { width: 1, color: look.surface } },
  };
}

/** One trace a value of what colours, if that is a text or has few values; else one trace with a scale. */
function traces(rows, look) {
  const column = COLUMN.get(scatter.colour);
  if (column.numeric && column.distinct.length > 8) {
    const trace = markers(rows.filter((at) => column.values[at] !== null), look);
    Object.assign(trace.marker, {
      color: trace.customdata.map((at) => column.values[at]), colorscale: look.ramp.map((hue, at) => [at / 4, hue]),
      colorbar: { title: { text: literal(shorten(column.name)), side: "right", font: { size: 11, color: look.muted } }, thickness: 8, len: 0.9, outlinewidth: 0, tickfont: { size: 11, color: look.muted }, separatethousands: true },
    });
    return [trace, ...grouped(rows.filter((at) => column.values[at] === null), () => "none", ["none"], () => look.pending, look)];
  }
  const names = [...column.distinct.slice(0, 7), ...(column.distinct.length > 7 ? [column.distinct.length === 8 ? column.distinct[7] : "others"] : [])];
  const known = new Set(names);
  const nameOf = (at) => (column.values[at] === null ? "none" : known.has(plainText(column.values[at])) ? plainText(column.values[at]) : "others");
  const hue = (name) => (name === "none" ? look.statuses.pending : column === STATUS ? look.statuses[name] ?? look.hues[0] : look.hues[names.indexOf(name)]);
  return grouped(rows, nameOf, [...names, "none"], hue, look);
}

function grouped(rows, nameOf, names, hue, look) {
  const groups = new Map(names.map((name) => [name, []]));
  for (const at of rows) groups.get(nameOf(at)).push(at);
  return [...groups].filter(([, members]) => members.length).map(([name, members]) => {
    const trace = { ...markers(members, look), name: literal(shorten(name, 24)) };
    trace.marker.color = hue(name);
    return trace;
  });
}

function frontTrace(front, look) {
  const [x, y] = [COLUMN.get(scatter.x), COLUMN.get(scatter.y)];
  const line = [...front].sort((one, other) => x.values[one] - x.values[other]);
  return {
    type: "scatter", mode: "lines+markers", x: placed(x, line), y: placed(y, line), name: "Pareto front", hoverinfo: "skip",
    line: { shape: scatter.wantX === "max" ? "vh" : "hv", color: look.ink, width: 1.25, dash: "dot" },
    marker: { symbol: "circle-open", size: 14, color: look.ink, line: { width: 1.25, color: look.ink } },
  };
}

function drawScatter() {
  const look = theme();
  const [x, y] = [COLUMN.get(scatter.x), COLUMN.get(scatter.y)];
  const rows = plotted();
  const front = scatter.front ? currentFront() : [];
  const drawn = [...traces(rows, look), ...(front.length ? [frontTrace(front, look)] : [])];
  const narrow = byId("scatter").clientWidth < 480;
  const layout = {
    height: narrow ? 360 : 440, margin: { l: 12, r: 12, t: 8, b: 8 }, paper_bgcolor: look.surface, plot_bgcolor: look.surface,
    font: { family: look.font, color: look.ink, size: 12 }, hovermode: "closest", dragmode: "zoom",
    showlegend: drawn.length > 1, legend: { orientation: "h", x: 0, y: 1.02, yanchor: "bottom", font: { size: 11 }, itemsizing: "constant" },
    hoverlabel: { bgcolor: look.surface, bordercolor: look.line, font: { family: look.font, size: 12, color: look.ink }, align: "left" },
    xaxis: axis(x, scatter.logX, look), yaxis: axis(y, scatter.logY, look), uirevision: [scatter.x, scatter.y, scatter.logX, scatter.logY].join(),
  };
  Plotly.react("scatter", drawn, layout, CHART);
  byId("scatter").setAttribute("aria-label", `Scatter plot of ${scatter.y} against ${scatter.x}, coloured by ${scatter.colour}: ${count(rows.length, "job")}. The table has the same figures.`);
  const missing = filtered().length - rows.length - (state.brush ? filtered().filter((at) => !state.brush.has(at)).length : 0);
  const reason = scatter.logX || scatter.logY ? "have no such figure above zero" : "have no such figure";
  byId("scatter-note").textContent = `${count(rows.length, "job")} drawn${missing ? `; ${missing} more ${reason}` : ""}. A click on a point opens the job; a dragged frame zooms, a double click shows all.`;
  drawFront(front);
}

const CHART = { displayModeBar: false, displaylogo: false, responsive: true, typesetMath: false, doubleClick: "reset" };

/** The front in words. */
function drawFront(front) {
  const part = byId("front");
  if (!hasFront()) {
    part.replaceChildren(el("p", { class: "note" }, "A Pareto front needs two different figures on the axes."));
    return;
  }
  if (!scatter.front) {
    part.replaceChildren();
    return;
  }
  const [x, y] = [COLUMN.get(scatter.x), COLUMN.get(scatter.y)];
  const rows = front.map((at) => [openButton(at), x.show(x.values[at]), y.show(y.values[at]),
    OVERRIDES.filter(({ varies }) => varies).map(({ name, values }) => (values[at] === null ? null : `${name}=${values[at]}`)).filter(Boolean).join("  ")]);
  const table = grid("Jobs on the Pareto front", [["job", ""], [x.name, "number"], [y.name, "number"], ["overrides", "code wide"]], rows);
  const only = tick("Only the front in the table", state.frontOnly, (checked) => { state.frontOnly = checked; changed(false); });
  part.replaceChildren(el("div", { class: "bar" }, el("h3", {}, "Pareto front"), el("p", { class: "count", role: "status" }, count(front.length, "job")), only), table);
}

const openButton = (at) =>
  el("button", { type: "button", class: "open", "aria-haspopup": "dialog", "aria-label": `Open job ${ROWS[at][0]}`, on: { click: (event) => openJob(at, event.currentTarget) } }, ROWS[at][0]);

function drawScatterControls() {
  const axes = CHARTABLE.filter(({ distinct, numeric }) => numeric || distinct.length <= 40);
  const change = (values) => {
    Object.assign(scatter, values);
    drawScatterControls();
    changed(state.frontOnly);
    later(drawScatter);
  };
  const directions = [["min", "less is better"], ["max", "more is better"]];
  const canLog = (name) => COLUMN.get(name).numeric && COLUMN.get(name).values.some((value) => value > 0);
  const log = (label, key, name) => canLog(name) && tick(label, scatter[key], (checked) => change({ [key]: checked }));
  const focused = document.activeElement?.closest?.("#scatter-controls [data-key]")?.dataset.key;
  const keyed = (key, control) => { if (control) (control.querySelector("select, input")).dataset.key = key; return control; };
  const group = (...controls) => el("div", { class: "axis" }, controls);
  const direction = (key, label) => hasFront() && scatter.front && keyed(key, select(label, directions, scatter[key], (value) => change({ [key]: value })));
  const first = (name) => ({ want: wanted(name), log: isWide(COLUMN.get(name)) });
  const onX = (x) => change({ x, wantX: first(x).want, logX: first(x).log });
  const onY = (y) => change({ y, wantY: first(y).want, logY: first(y).log });
  byId("scatter-controls").replaceChildren(
    group(keyed("x", select("x", optionsOf(axes), scatter.x, onX)), direction("wantX", "on x"), keyed("logX", log("log x", "logX", scatter.x))),
    group(keyed("y", select("y", optionsOf(axes), scatter.y, onY)), direction("wantY", "on y"), keyed("logY", log("log y", "logY", scatter.y))),
    group(
      keyed("colour", select("colour", optionsOf(CHARTABLE), scatter.colour, (colour) => change({ colour }))),
      hasFront() && keyed("front", tick("Pareto front", scatter.front, (checked) => change({ front: checked, ...(checked ? {} : (state.frontOnly = false, {})) })))));
  if (focused) byId("scatter-controls").querySelector(`[data-key="${focused}"]`)?.focus();
}

/** Do something once the browser has drawn what came before; of several requests one is enough. */
function later(task) {
  clearTimeout(waiting.get(task));
  waiting.set(task, setTimeout(() => requestAnimationFrame(task), 80));
}
const waiting = new Map();

function startScatter() {
  drawScatterControls();
  drawScatter();
  byId("scatter").on("plotly_click", ({ points }) => {
    const [at] = points.map(({ customdata }) => customdata).filter((value) => value !== undefined);
    if (at !== undefined) openJob(at, byId("scatter"));
  });
  byId("scatter-save").addEventListener("click", () =>
    Plotly.downloadImage("scatter", { format: "svg", filename: "scatter", width: 900, height: 560 }));
}
