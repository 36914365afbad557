const ranges = new Map(); // column name → selected ranges, as positions on its axis

/** A value's position on an axis; for metrics over many decades, by its logarithm. */
function placeOn(column) {
  const position = positions(column);
  return column.decades ? (job) => Math.log10(position(job)) : position;
}

/** The jobs within the selected ranges. */
function brushed(jobs) {
  const kept = [...ranges].filter(([name]) => state.axes.includes(name) && usable(COLUMN.get(name))).map(([name, list]) => [COLUMN.get(name), placeOn(COLUMN.get(name)), list]);
  if (!kept.length) return jobs;
  return jobs.filter((job) =>
    kept.every(([column, place, list]) => job.get(column) !== null && list.some(([low, high]) => place(job) >= low && place(job) <= high)),
  );
}

/** Draw the parallel coordinates of the chosen columns. */
function drawParallel(jobs, brushedAnew) {
  const columns = state.axes.map((name) => COLUMN.get(name)).filter((column) => !column.empty && usable(column));
  const colour = COLUMN.get(state.line);
  const drawable = jobs.filter((job) => [...columns, colour].every((column) => job.get(column) !== null));
  const plot = byId("parallel");
  const why = columns.length < 2 ? "Choose two axes or more." : !drawable.length ? "None has a value on each axis." : webGl() ? "" : "This browser has no WebGL to draw it with.";
  const missing = jobs.length - drawable.length;
  byId("parallel-note").textContent = why || (missing ? `${count(missing, state.of === "groups" ? "group lacks" : "job lacks", state.of === "groups" ? "groups lack" : "jobs lack")} a value on some axis` : "");
  plot.hidden = why !== "";
  if (why) return;
  plot.style.minWidth = `${columns.length * 84 + 120}px`;
  const first = !plot.data;
  const trace = parallelTrace(drawable, columns, colour);
  Plotly.react(plot, [trace], parallelLayout(trace), QUIET_PLOT);
  if (first) plot.on("plotly_restyle", () => setTimeout(() => takeRanges(plot, brushedAnew)));
}

const webGl = (() => {
  let known = null;
  return () => (known ??= document.createElement("canvas").getContext("webgl") !== null);
})();

function parallelTrace(jobs, columns, colour) {
  return {
    type: "parcoords",
    dimensions: columns.map((column) => dimension(jobs, column)),
    line: colour.numeric ? shades(colour, jobs) : steps(jobs, colour),
    labelfont: font(false),
    tickfont: { ...font(false), size: 11 },
    rangefont: { ...font(), size: 11, color: "rgba(0,0,0,0)" },
    labelangle: -12,
    unselected: { line: { color: themed("quiet"), opacity: 0.12 } },
  };
}

function dimension(jobs, column) {
  const values = jobs.map(placeOn(column));
  const few = column.numeric && (state.of === "jobs" || column.kind === "override") && column.several.size <= 8;
  const logarithmic = column.decades;
  const ticks = !column.numeric
    ? named(column, short) // Plotly reads no markup in the ticks of these axes, unlike in its other texts
    : few
      ? { tickvals: column.distinct.map((value) => (logarithmic ? Math.log10(value) : Number(value))), ticktext: column.distinct.map((value) => plain(number(Number(value)))) }
      : logarithmic
        ? decades(values)
        : {};
  const kept = ranges.get(column.name);
  return { name: column.name, label: plain(column.title, 22), values, ...ticks, range: spanOf(column), ...(kept ? { constraintrange: kept } : {}) };
}

/** From the smallest to the largest of all jobs or groups, so that axes do not change with the filter. */
function spanOf(column) {
  const known = items().filter((job) => job.get(column) !== null).map(placeOn(column));
  const [low, high] = known.reduce(([least, most], place) => [Math.min(least, place), Math.max(most, place)], [Infinity, -Infinity]);
  return low === high ? [low - 0.5, high + 0.5] : [low, high];
}

function steps(jobs, column) {
  const list = categories(column);
  const scale = list.flatMap((one, at) => [[at / list.length, one.colour], [(at + 1) / list.length, one.colour]]);
  const bar = { ...barOf(column), tickvals: list.map((_, at) => at), ticktext: list.map((one) => plain(one.name, 24)) };
  return { color: jobs.map((job) => list.findIndex((one) => one.has(job))), colorscale: scale, cmin: -0.5, cmax: list.length - 0.5, showscale: true, colorbar: bar };
}

function parallelLayout({ dimensions: [{ ticktext = [] }] }) {
  const left = 24 + 6.5 * Math.max(4, ...ticktext.map((text) => text.length));
  // Plotly puts a shadow of the paper's colour around the texts.
  return { paper_bgcolor: themed("card"), plot_bgcolor: themed("card"), font: font(), margin: { l: left, r: 24, t: 64, b: 16 } };
}

function takeRanges(plot, brushedAnew) {
  ranges.clear();
  for (const { name, constraintrange: kept } of plot.data[0].dimensions) {
    if (kept?.length) ranges.set(name, Array.isArray(kept[0]) ? kept : [kept]);
  }
  brushedAnew();
}
