const LAYERS = [
  { name: "path", show: (row) => shown(row[0]), head: true, code: true },
  { name: "layer", show: (row) => shown(row[1]) },
  { name: "arguments", show: (row) => shown(row[2]), code: true, wrap: true },
  { name: "input", show: (row) => shown(row[3]), code: true },
  { name: "output", show: (row) => shown(row[4]), code: true },
  { name: "parameters", show: (row) => shown(row[5]), right: true },
  { name: "MACs", show: (row) => shown(row[6]), right: true },
];

const CHECKS = [
  { name: "check", show: (row) => shown(row[0]), head: true },
  { name: "verdict", show: (row) => (row[1] === null ? "does not apply" : badge(row[1] ? "passed" : "failed")) },
  { name: "measured", show: (row) => shown(row[2]), right: true },
  { name: "bound", show: (row) => shown(row[3]), right: true },
  { name: "detail", show: (row) => shown(row[4]), wrap: true },
];

/** The results of a run, as sections: its error, checks, layers and diagram. */
function details(run) {
  return [
    run.overrides?.length ? overridesOf(run.overrides) : null,
    run.error ? element("pre", { class: "error", tabindex: "0", "aria-label": "Error" }, run.error) : null,
    facts(aboutOf(run)),
    run.checks?.length ? section("Checks", scrolling("Checks", grid("Checks", CHECKS, failedFirst(run.checks)))) : null,
    run.diagram ? section("Diagram", diagram(run.diagram)) : null,
    run.layers?.length ? section("Layers", facts(sumsOf(run.sums ?? {})), layersOf(run)) : null,
    timesOf(run.seconds ?? {}),
  ].filter(Boolean);
}

function section(title, ...inside) {
  return element("section", {}, element(byId("job") ? "h3" : "h2", {}, title), inside);
}

function overridesOf(overrides) {
  return element("p", { class: "chips" }, overrides.map((one) => [element("code", {}, one), " "]));
}

/** Names and values; those without a value are omitted. */
function facts(pairs) {
  const told = pairs.filter(([, value]) => value !== null && value !== undefined && value !== "");
  if (!told.length) return null;
  return element("dl", { class: "facts" }, told.map(([name, value]) => element("div", {}, element("dt", {}, name), element("dd", {}, value))));
}

function aboutOf(run) {
  const about = Object.entries(run.about ?? {}).map(([name, value]) => [name, name === "seed" ? String(value ?? "") : shown(value)]);
  return [...about, ["started", run.started ? moment(run.started) : null], ["folder", run.path]];
}

function sumsOf(sums) {
  return [
    ...(sums.metrics ?? []),
    ["input", sums.input],
    ["output", sums.output],
    ["without the MACs of", sums.uncounted?.join(", ")],
  ];
}

function layersOf(run) {
  const total = (at) => run.layers.reduce((sum, row) => sum + (typeof row[at] === "number" ? row[at] : 0), 0);
  const ends = [
    element("th", { scope: "row" }, "all"),
    element("td", { colspan: "4" }, count(run.layers.length, "layer")),
    element("td", { class: "right" }, shown(run.sums?.parameters ?? total(5))),
    element("td", { class: "right" }, shown(run.sums?.macs ?? total(6))),
  ];
  return scrolling("Layers", grid("Layers", LAYERS, run.layers, ends));
}

/** Those that failed come first. */
function failedFirst(checks) {
  const rank = (row) => (row[1] === false ? 0 : row[1] ? 1 : 2);
  return [...checks].sort((one, other) => rank(one) - rank(other));
}

function timesOf(seconds) {
  const told = Object.entries(seconds).map(([name, value]) => [name, duration(value)]);
  return told.length ? section("Time", facts(told)) : null;
}
