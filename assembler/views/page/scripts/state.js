/** The reader's choices. The page's address stores those that differ from the defaults, so that it can be shared. */
const START = {
  of: GROUPS.length ? "groups" : "jobs",
  statistic: "mean",
  text: "",
  status: [],
  only: {}, // override: the value that its jobs have
  sort: "", // a column's name, with a minus for descending order
  columns: SHOWN_AT_FIRST,
  ...startOfScatter(),
  front: false,
  axes: startOfParallel(),
  line: "",
  job: "",
  other: "", // the job that open ones are compared with
  group: "",
  follow: true,
};

START.line = START.y || START.colour;

const state = { ...structuredClone(START), ...remembered() };

/** Metrics in which jobs differ and that most of those that ended have, the most important first. */
function tellingMetrics() {
  const ended = JOBS.filter((job) => job.status === "passed" || job.status === "failed").length;
  const most = Math.min(ended || Infinity, Math.max(...METRICS.map((column) => column.filled)));
  const dull = /^(checks\.total$|check\.expect\.)/;
  const varied = METRICS.filter((column) => inGroups(column) && column.varied && column.filled >= 0.8 * most && !column.aside);
  return [...varied.filter(({ name }) => !dull.test(name)), ...varied.filter(({ name }) => dull.test(name))];
}

function startOfScatter() {
  const telling = tellingMetrics();
  const first = (names, other) =>
    names.map((name) => telling.find((column) => column.name === name)).find((column) => column && column !== other) ??
    [...telling, ...METRICS].find((column) => column !== other) ??
    METRICS[0];
  const x = first(["plan.parameters", "plan.macs", "plan.layers"]);
  const y = first(["bench.latency_ms", "check.trains", "check.reference", "plan.macs", "seconds"], x);
  const colour = OVERRIDES.find((column) => column.varied && inGroups(column)) ?? STATUS;
  const choice = { x: x?.name ?? "", y: y?.name ?? "", colour: colour.name };
  return { ...choice, xbest: bestOf(x), ybest: bestOf(y), xlog: Boolean(x?.decades), ylog: Boolean(y?.decades) };
}

function startOfParallel() {
  const overrides = OVERRIDES.filter((column) => column.varied && inGroups(column) && (column.numeric || column.distinct.length <= 3 * MANY)).slice(0, 5);
  const metrics = tellingMetrics().slice(0, 8 - overrides.length);
  return COLUMNS.filter((column) => overrides.includes(column) || metrics.includes(column)).map((column) => column.name);
}

/** Whether less or more of a metric is better; for a measurement of a check, by its name. */
function bestOf(column) {
  return column?.best ?? (/accuracy|score|trains/.test(column?.name ?? "") ? "max" : "min");
}

/** The choices in the address that exist and have the right type. */
function remembered() {
  let kept = {};
  try {
    kept = JSON.parse(decodeURIComponent(location.hash.slice(1)) || "{}");
  } catch {
    return {}; // not an address that this page wrote
  }
  const known = (list) => list.every((name) => COLUMN.has(name));
  const fits = {
    status: (value) => value.every((one) => typeof one === "string"),
    only: (value) => known(Object.keys(value)) && Object.values(value).every((one) => typeof one === "string"),
    sort: (value) => known([value.replace(/^-/, "")]),
    columns: known,
    axes: known,
    job: (value) => JOB.has(value),
    other: (value) => JOB.has(value),
    group: (value) => GROUPS.some((group) => group.name === value),
    of: (value) => value === "jobs" || (value === "groups" && GROUPS.length > 0),
    statistic: (value) => STATISTICS.some(([name]) => name === value),
    xbest: (value) => value === "min" || value === "max",
    ybest: (value) => value === "min" || value === "max",
    ...Object.fromEntries(["x", "y", "colour", "line"].map((name) => [name, (value) => known([value])])),
  };
  const right = ([name, value]) =>
    Object.hasOwn(START, name) && value !== null && typeof value === typeof START[name] && Array.isArray(value) === Array.isArray(START[name]) && (fits[name]?.(value) ?? true);
  return Object.fromEntries(Object.entries(Object(kept)).filter(right));
}

const remember = quietly(() => {
  const changed = Object.entries(state).filter(([name, value]) => JSON.stringify(value) !== JSON.stringify(START[name]));
  const hash = changed.length ? `#${encodeURIComponent(JSON.stringify(Object.fromEntries(changed)))}` : location.pathname + location.search;
  try {
    history.replaceState(null, "", hash);
  } catch {
    // a page inside another cannot change its address
  }
}, 200);
