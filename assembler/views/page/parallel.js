/* Parallel coordinates of figures and overrides. A range drawn on an axis filters the table and the scatter. */

const parallel = (() => {
  const varied = (columns) => columns.filter(({ varies }) => varies);
  const sums = ["plan.layers", "plan.parameters", "plan.macs", "plan.activations", "checks.passed", "bench.latency_ms", "bench.memory", "seconds"];
  const figures = varied(FIGURES);
  const known = figures.filter(({ name }) => sums.includes(name));
  const overrides = varied(OVERRIDES).filter(({ numeric, distinct }) => numeric || distinct.length <= 30);
  const told = overrides.filter(({ name, distinct }) => name !== "seed" || distinct.length <= 10 || overrides.length < 3);
  const axes = [...told.slice(0, 5), ...(known.length > 1 ? known : figures).slice(0, 6)];
  return { axes: axes.map(({ name }) => name), colour: scatter.colour, ranges: new Map() };
})();

/** A scale of texts: one hue each, as steps. */
function steps(hues) {
  return hues.flatMap((hue, at) => [[at / hues.length, hue], [(at + 1) / hues.length, hue]]);
}

const MANY_LINES = 200; // more of them are drawn paler

/** A colour mixed with that of the page, so that many lines do not become a block. */
function paler(hue, surface, share = 0.55) {
  const channels = (text) => [1, 3, 5].map((at) => parseInt(text.slice(at, at + 2), 16));
  const [from, to] = [channels(hue), channels(surface)];
  return `rgb(${from.map((value, at) => Math.round(value * share + to[at] * (1 - share))).join(",")})`;
}

function lineOf(column, rows, plain) {
  const pale = (hue) => (rows.length > MANY_LINES ? paler(hue, plain.surface) : hue);
  const statuses = Object.fromEntries(Object.entries(plain.statuses).map(([name, hue]) => [name, pale(hue)]));
  const look = { ...plain, ramp: plain.ramp.map(pale), hues: plain.hues.map(pale), statuses };
  const bar = { thickness: 8, len: 0.86, outlinewidth: 0, tickfont: { size: 11, color: look.muted }, title: { text: literal(shorten(column.name)), side: "right", font: { size: 11, color: look.muted } } };
  if (column.numeric && column.distinct.length > 8) {
    return { color: filled(column, rows), colorscale: look.ramp.map((hue, at) => [at / 4, hue]), showscale: true, colorbar: bar };
  }
  const few = column.distinct.slice(0, 8);
  const hues = few.map((value, at) => (column === STATUS ? look.statuses[value] ?? look.hues[at] : look.hues[at]));
  const color = rows.map((at) => { const place = few.indexOf(plainText(column.values[at])); return place < 0 ? few.length - 1 : place; });
  const texts = few.map((value, at) => literal(shorten(at === 7 && column.distinct.length > 8 ? "others" : value, 18)));
  return {
    color, colorscale: steps(hues), cmin: -0.5, cmax: few.length - 0.5, showscale: true,
    colorbar: { ...bar, tickmode: "array", tickvals: few.map((_, at) => at), ticktext: texts },
  };
}

/** Numbers of a column; what is not there is drawn at the lowest. */
function filled(column, rows) {
  const least = Math.min(...column.values.filter((value) => value !== null));
  return rows.map((at) => column.values[at] ?? least);
}

function dimension(column, rows) {
  const shared = { label: literal(shorten(parts(column).join(""), 22)), name: column.name };
  const range = parallel.ranges.get(column.name);
  if (range) shared.constraintrange = range;
  if (!column.numeric || column.kind === "override" && column.distinct.length <= 10) {
    const places = new Map(column.distinct.map((value, at) => [value, at]));
    return { ...shared, values: rows.map((at) => places.get(plainText(column.values[at]))), range: [-0.2, column.distinct.length - 0.8],
      tickvals: column.distinct.map((_, at) => at), ticktext: column.distinct.map((value) => literal(shorten(value, 16))) };
  }
  if (isWide(column)) return { ...shared, ...powers(column, rows) };
  const values = filled(column, rows);
  const all = column.values.filter((value) => value !== null);
  const [least, most] = [Math.min(...all), Math.max(...all)];
  return { ...shared, values, range: least === most ? [least - 1, most + 1] : [least, most], tickformat: most >= 1e4 || (most < 1e-2 && most > 0) ? "~s" : "" };
}

/** An axis of powers of ten. */
function powers(column, rows) {
  const all = column.values.filter((value) => value !== null);
  const range = [Math.log10(Math.min(...all)), Math.log10(Math.max(...all))];
  const first = Math.ceil(range[0]);
  const tickvals = Array.from({ length: Math.floor(range[1]) - first + 1 }, (_, at) => first + at);
  return { values: filled(column, rows).map(Math.log10), range, tickvals, ticktext: tickvals.map((power) => power < -3 ? `1e${power}` : BRIEF.format(10 ** power)) };
}
const BRIEF = new Intl.NumberFormat("en-US", { notation: "compact", maximumSignificantDigits: 3 });

function parallelRows(axes) {
  return filtered().filter((at) => axes.every(({ values }) => values[at] !== null));
}

function drawParallel() {
  const look = theme();
  const axes = parallel.axes.map((name) => COLUMN.get(name));
  const colour = COLUMN.get(parallel.colour);
  const rows = parallelRows(axes);
  const plot = byId("parallel");
  const nothing = axes.length < 2 ? "Choose at least two axes." : !rows.length ? "No job that fits has all of these." : !hasWebGL() ? "This browser has no WebGL, which parallel coordinates need. The scatter does without." : "";
  plot.style.minWidth = `${Math.max(280, axes.length * 84 + 110)}px`;
  plot.hidden = Boolean(nothing);
  byId("parallel-note").textContent = nothing || `${count(rows.length, "job")} drawn${filtered().length > rows.length ? `; ${filtered().length - rows.length} more lack one of these` : ""}. A range dragged on an axis filters the table; a click on the axis clears it. Axes can be dragged by their names.`;
  plot.setAttribute("aria-label", `Parallel coordinates of ${parallel.axes.join(", ")}, coloured by ${parallel.colour}: ${count(rows.length, "job")}. The table has the same figures.`);
  byId("axes-count").textContent = String(axes.length);
  if (nothing) return;
  const trace = {
    type: "parcoords", customdata: rows, line: lineOf(colour, rows, look), dimensions: axes.map((column) => dimension(column, rows)), labelangle: -18, labelside: "top",
    labelfont: { size: 11, color: look.ink }, tickfont: { size: 10, color: look.muted }, rangefont: { size: 1, color: "rgba(0,0,0,0)" },
    unselected: { line: { color: look.muted, opacity: 0.08 } },
  };
  const layout = { height: 440, margin: { l: 56, r: 30, t: 84, b: 20 }, paper_bgcolor: look.surface, plot_bgcolor: look.surface, font: { family: look.font, color: look.ink, size: 12 } };
  Plotly.react(plot, [trace], layout, CHART);
}

let webGL = null;
function hasWebGL() {
  webGL ??= Boolean(document.createElement("canvas").getContext("webgl"));
  return webGL;
}

/** Read the ranges off the axes, and keep the rows that lie within all of them. */
function readBrush() {
  const plot = byId("parallel");
  const { dimensions, customdata } = plot.data[0];
  parallel.axes = dimensions.map(({ name }) => name); // the person may have moved them
  parallel.ranges = new Map(dimensions.filter(({ constraintrange }) => constraintrange?.length).map(({ name, constraintrange }) => [name, constraintrange]));
  if (!parallel.ranges.size) state.brush = null;
  else {
    const within = (value, range) => [range].flat(1).length && (Array.isArray(range[0]) ? range : [range]).some(([low, high]) => low <= value && value <= high);
    const kept = customdata.filter((_, at) => dimensions.every(({ name, values }) => !parallel.ranges.has(name) || within(values[at], parallel.ranges.get(name))));
    state.brush = new Set(kept);
  }
  brushing = true;
  changed();
  brushing = false;
}
let brushing = false; // the chart has the ranges already

function clearBrush() {
  state.brush = null;
  parallel.ranges.clear();
}

function drawParallelControls() {
  byId("parallel-controls").replaceChildren(
    select("colour", optionsOf(CHARTABLE), parallel.colour, (colour) => { parallel.colour = colour; later(drawParallel); }));
  const axes = CHARTABLE.filter(({ numeric, distinct }) => numeric || distinct.length <= 60);
  byId("axes-list").replaceChildren(...axes.map(({ name }) => tick(name, parallel.axes.includes(name), (checked) => {
    if (checked) parallel.axes.push(name);
    else parallel.axes = parallel.axes.filter((axis) => axis !== name);
    if (parallel.ranges.delete(name)) { clearBrush(); changed(); }
    later(drawParallel);
  })));
}

function startParallel() {
  drawParallelControls();
  drawParallel();
  let listening = false;
  const listen = () => {
    if (listening || !byId("parallel").on) return;
    byId("parallel").on("plotly_restyle", readBrush);
    listening = true;
  };
  listen();
  onChange(listen);
}
