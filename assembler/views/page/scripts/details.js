const CHECKS = [
  { name: "check", show: (row) => shown(row[0]), head: true },
  { name: "verdict", show: (row) => (row[1] === null ? "does not apply" : badge(row[1] ? "passed" : "failed")) },
  { name: "result", show: (row) => shown(row[2]) },
  { name: "detail", show: (row) => shown(row[3]), wrap: true },
];

/** The results of a run, as sections: its error, those that are to come first, checks, diagram, layers and recipe. */
function details(run, first = []) {
  return [
    run.overrides?.length ? overridesOf(run.overrides) : null,
    run.error ? element("pre", { class: "error", tabindex: "0", "aria-label": "Error" }, run.error) : null,
    facts(aboutOf(run)),
    run.command ? copied("The command that repeats this run", run.command) : null,
    ...first,
    run.checks?.length ? section("Checks", scrolling("Checks", grid("Checks", used(CHECKS, run.checks), failedFirst(run.checks)))) : null,
    run.diagram ? section("Diagram", diagram(run.diagram)) : null,
    run.layers?.length ? section("Layers", facts(sumsOf(run.sums ?? {})), new LayerTable(run).element) : null,
    run.recipe ? section("Recipe", copied("Recipe", run.recipe)) : null,
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
  return [...(sums.metrics ?? []), ["without the MACs of", sums.uncounted?.join(", ")]];
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
