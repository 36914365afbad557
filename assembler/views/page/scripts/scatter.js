const MANY_POINTS = 500; // more are drawn by WebGL

/** Draw the scatter plot of the chosen metrics, and the front in it. */
function drawScatter(jobs, front, open) {
  const [x, y, colour] = [state.x, state.y, state.colour].map((name) => COLUMN.get(name));
  const [atX, atY] = [positions(x), positions(y)];
  const has = (job) => job.get(x) !== null && job.get(y) !== null;
  const fits = (job) => (!logX() || atX(job) > 0) && (!logY() || atY(job) > 0);
  const drawable = jobs.filter((job) => has(job) && fits(job));
  tellLeftOut(jobs, has, drawable, aboutBars(drawable, [x, y]));
  const coordinates = (some) => ({ x: some.map(atX), y: some.map(atY), customdata: some.map((job) => job.at) });
  const many = drawable.length > MANY_POINTS && webGl();
  const points = (some, name, marker) => ({
    type: many ? "scattergl" : "scatter",
    mode: "markers",
    meta: "jobs",
    name: plain(name, 30),
    ...coordinates(some),
    error_x: errorBars(some, x, marker.bars),
    error_y: errorBars(some, y, marker.bars),
    hovertext: some.map((job) => aboutPoint(job, [x, y, colour])),
    hoverinfo: "text",
    marker: { size: some.length > 400 ? 7 : 9, opacity: 0.85, line: { width: 1, color: themed("card") }, ...marker.look },
  });
  const traces = colour.numeric ? shaded(drawable, colour, points) : apart(drawable, colour, points);
  const line = front.filter((job) => fits(job));
  if (line.length) traces.push(frontTrace(coordinates(line)));
  const plot = byId("scatter");
  const first = !plot.data;
  Plotly.react(plot, traces, scatterLayout(x, y, traces), QUIET_PLOT);
  if (first) plot.on("plotly_click", ({ points: [point] }) => open(items()[point.customdata]));
}

function logX() {
  return state.xlog && COLUMN.get(state.x).numeric;
}

function logY() {
  return state.ylog && COLUMN.get(state.y).numeric;
}

function tellLeftOut(jobs, has, drawable, bars) {
  const what = state.of === "groups" ? "group" : "job";
  const without = jobs.filter((job) => !has(job)).length;
  const negative = jobs.length - without - drawable.length;
  const told = [
    without ? `${count(without, `${what} has`, `${what}s have`)} no value for these metrics` : "",
    negative ? `${count(negative, `${what} has`, `${what}s have`)} no logarithm` : "",
    bars,
  ];
  byId("scatter-note").textContent = told.filter(Boolean).join("; ");
}

function aboutPoint(job, columns) {
  const told = [...new Set([...columns, ...OVERRIDES.filter((column) => !column.constant)])];
  const lines = told.filter((column) => job.get(column) !== null && column !== STATUS).map((column) => `${plain(column.title)}  <b>${plain(job.show(column))}</b>`);
  return [`<b>${plain(job.title)}</b>  ${plain(statusOf(job))}`, ...lines.slice(0, 14)].join("<br>");
}

function shaded(jobs, column, points) {
  const known = jobs.filter((job) => job.get(column) !== null);
  const unknown = jobs.filter((job) => job.get(column) === null);
  const traces = known.length ? [{ ...points(known, column.label, { look: shades(column, known), bars: themed("quiet") }), showlegend: false }] : [];
  return unknown.length ? [...traces, points(unknown, `no ${column.label}`, { look: { color: themed("colour-0") }, bars: themed("colour-0") })] : traces;
}

function apart(jobs, column, points) {
  return categories(column)
    .map((one) => [one, jobs.filter(one.has)])
    .filter(([, some]) => some.length)
    .map(([one, some]) => points(some, one.name, { look: { color: one.colour, symbol: one.symbol }, bars: one.colour }));
}

/** The steps along the front: for each point behind them, a job on the front is at least as good. */
function frontTrace(coordinates) {
  return {
    type: "scatter",
    mode: "lines+markers",
    name: "Pareto front",
    ...coordinates,
    hoverinfo: "skip",
    line: { color: themed("ink"), width: 1, shape: state.xbest === "min" ? "hv" : "vh" },
    marker: { symbol: "circle-open", size: 14, color: themed("ink"), line: { width: 1.4 } },
  };
}

function scatterLayout(x, y, traces) {
  return {
    uirevision: [state.of, state.statistic, state.x, state.y, state.xlog, state.ylog].join(),
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font: font(),
    margin: { l: 16, r: 20, t: 16, b: 16 },
    xaxis: axisOf(x, logX()),
    yaxis: axisOf(y, logY()),
    showlegend: traces.some((trace) => trace.showlegend !== false && trace.name !== "Pareto front") || traces.length > 1,
    legend: { orientation: "h", y: 1.02, yanchor: "bottom", x: 0, font: font(), itemsizing: "trace", bgcolor: "rgba(0,0,0,0)" },
    hovermode: "closest",
    hoverlabel: { bgcolor: themed("card"), bordercolor: themed("line"), font: font(false), align: "left" },
    dragmode: "zoom",
  };
}

function axisOf(column, logarithmic) {
  return {
    title: { text: plain(column.title), standoff: 12, font: font(false) },
    type: logarithmic ? "log" : "linear",
    ...(column.numeric ? {} : named(column)),
    gridcolor: themed("faint"),
    linecolor: themed("line"),
    tickfont: font(),
    tickcolor: "rgba(0,0,0,0)",
    ticklen: 4,
    ticks: "outside",
    showline: true,
    zeroline: false,
    automargin: true,
    nticks: 8,
    exponentformat: column.tiny ? "power" : "B",
  };
}
