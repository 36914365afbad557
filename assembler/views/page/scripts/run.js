const PARAMETERS = [
  { name: "parameter", show: (row) => shown(row[0]), head: true, code: true },
  { name: "layer", show: (row) => shown(row[1]) },
  { name: "shape", show: (row) => shown(row[2]), code: true },
  { name: "dtype", show: (row) => shown(row[3]) },
  { name: "kind", show: (row) => shown(row[4]) },
  { name: "set by", show: (row) => shown(row[5]) },
  ...["mean", "std", "min", "max"].map((name, at) => ({ name, show: (row) => shown(row[6 + at]), right: true })),
];

const BENCH = [
  { name: "mode", show: (one) => shown(one.mode), head: true },
  { name: "batch", show: (one) => shown(one.batch), right: true },
  { name: "first call", show: (one) => duration(one.first_call), right: true },
  { name: "latency", show: (one) => duration(one.latency), right: true },
  { name: "spread", show: (one) => duration(one.spread), right: true },
  { name: "first quartile", show: (one) => duration(one.first_quartile), right: true },
  { name: "third quartile", show: (one) => duration(one.third_quartile), right: true },
  { name: "lowest", show: (one) => duration(one.lowest), right: true },
  { name: "highest", show: (one) => duration(one.highest), right: true },
  { name: "samples/s", show: (one) => shown(one.throughput), right: true },
  { name: "memory", show: (one) => bytes(one.memory), right: true },
  { name: "calls", show: (one) => shown(one.repeat), right: true },
];

/** Columns in which some row has a value. */
function used(columns, rows) {
  return columns.filter((one) => rows.some((row) => one.show(row) !== ""));
}

function tableOf(title, columns, rows) {
  return rows.length ? section(title, scrolling(title, grid(title, used(columns, rows), rows))) : null;
}

function weightsOf({ loaded, parameters_loaded: many, missing = [], extra = [], saved } = {}) {
  const told = facts([
    ["loaded from", loaded],
    ["parameters loaded", loaded ? shown(many) : null],
    ["missing", missing.join(", ")],
    ["left out", extra.join(", ")],
    ["saved in", saved],
  ]);
  return told ? section("Weights", told) : null;
}

const run = JSON.parse(byId("data").textContent);
byId("verdict").append(badge(run.status ?? "pending"), run.recipe ? element("span", {}, run.recipe) : "");
byId("main").append(
  ...details(run),
  ...[
    tableOf("Measurements", BENCH, run.bench),
    tableOf("Parameters", PARAMETERS, run.parameters),
    weightsOf(run.weights ?? {}),
    run.files.length ? section("Files", element("ul", {}, run.files.map((file) => element("li", {}, element("code", {}, shown(file)))))) : null,
    section("Device and versions", facts([["device", run.device ? `${run.device.got} (${run.device.why})` : null], ...Object.entries(run.versions ?? {})])),
  ].filter(Boolean),
);
