const STATISTICS = [["mean", "mean ± 95 % interval"], ["std", "standard deviation"], ["min", "minimum"], ["max", "maximum"], ["n", "number of values"]];

/** Jobs with equal values of some keys: the statistics of their metrics. It is used like a job. */
class Group {
  constructor(at) {
    Object.assign(this, { at, name: String(at), jobs: DATA.groups.jobs[at].map((row) => JOBS[row]), failed: DATA.groups.failed[at], pending: DATA.groups.pending[at], node: null });
    this.status = this.failed ? (this.jobs.some((job) => job.status === "failed") ? "failed" : "error") : this.pending ? "pending" : "passed";
    const known = DATA.groups.by.filter((key) => DATA.groups.values[key][at] !== null);
    const keys = known.length ? known : DATA.groups.by;
    this.label = keys.map((key) => `${COLUMN.get(key).label}=${DATA.groups.values[key][at] ?? ""}`).join(" ") || "all jobs";
  }

  get(column) {
    if (column.kind === "job") return this.name;
    if (column.kind === "status") return this.status;
    if (column.kind === "override") return DATA.groups.values[column.name]?.[this.at] ?? null;
    return this.statistic(column, state.statistic);
  }

  statistic(column, name) {
    return DATA.groups.metrics[column.name]?.[name][this.at] ?? null;
  }

  /** A value as the table shows it: a mean with half its 95 % interval, and how many values it is of if that is not all. */
  show(column) {
    const value = this.get(column);
    if (column.kind !== "metric" || value === null) return column.kind === "metric" ? "" : column.show(value);
    if (state.statistic === "n") return number(value);
    if (state.statistic !== "mean") return column.show(value);
    const n = this.statistic(column, "n");
    const half = this.statistic(column, "half");
    return `${withError(value, half)}${n < this.jobs.length || n === 1 ? ` (n=${n})` : ""}`;
  }

  /** The ends of the error bar of a mean: its 95 % interval. */
  bounds(column) {
    const half = column.kind === "metric" && state.statistic === "mean" ? this.statistic(column, "half") : null;
    return half === null ? null : [this.get(column) - half, this.get(column) + half];
  }

  get text() {
    return (this.words ??= [this.label, ...this.jobs.map((job) => job.status)].join("\n").toLowerCase());
  }

  get title() {
    return this.label;
  }
}

const GROUPS = (DATA.groups?.jobs ?? []).map((_, at) => new Group(at));

/** What the table and the plots show: groups or jobs. */
function items() {
  return state.of === "groups" ? GROUPS : JOBS;
}

/** Whether items have a value in a column: groups do in the keys of groups, and in metrics. */
function usable(column) {
  return state.of !== "groups" || column.kind === "job" || column.kind === "status" || inGroups(column);
}

function inGroups(column) {
  if (!GROUPS.length) return true;
  return column.kind === "override" ? DATA.groups.by.includes(column.name) : column.kind === "metric" && column.name in DATA.groups.metrics;
}

/** A mean and half its interval, both to the second digit of the latter: `1.77 ± 0.14`. */
function withError(mean, half) {
  if (!half) return number(mean); // one value, or equal ones
  const digits = 1 - Math.floor(Math.log10(half));
  if (digits > 6 || digits < -3 || Math.abs(mean) >= 1e9) return `${number(mean)} ± ${number(Number(half.toPrecision(2)))}`;
  const write = (value) => (digits > 0 ? value.toFixed(digits) : GROUPED.format(value));
  return `${write(mean)} ± ${write(half)}`;
}

/** The statistics of a group's metrics, those that differ first, and its jobs. */
function groupDetails(group, open) {
  const known = METRICS.filter((column) => group.statistic(column, "n"));
  const differs = (column) => group.statistic(column, "min") < group.statistic(column, "max");
  const sorted = [...known.filter(differs), ...known.filter((column) => !differs(column))];
  const show = (name) => (column) => {
    const value = group.statistic(column, name);
    return value === null ? "–" : column.show(value);
  };
  const columns = [
    { name: "metric", show: (column) => element("span", { title: column.name }, column.title), head: true },
    { name: "n", show: (column) => number(group.statistic(column, "n")), right: true },
    ...[["mean", "mean"], ["± 95 %", "half"], ["std", "std"], ["min", "min"], ["max", "max"]].map(([name, key]) => ({ name, show: show(key), right: true })),
  ];
  const counts = [["jobs", number(group.jobs.length)], ["failed", group.failed ? number(group.failed) : ""], ["pending", group.pending ? number(group.pending) : ""]];
  return [
    overridesOf(DATA.groups.by.map((key) => `${key}=${DATA.groups.values[key][group.at] ?? ""}`)),
    facts(counts),
    section("Statistics", scrolling("Statistics", grid("Statistics", columns, sorted)), element("p", { class: "none" }, NOTE)),
    section("Jobs", scrolling("Jobs of the group", grid("Jobs of the group", memberColumns(open), group.jobs))),
  ];
}

const NOTE = "± 95 %: half the confidence interval of the mean, by Student's t distribution. One value has no interval: –.";

function memberColumns(open) {
  const link = (job) => element("button", { type: "button", class: "link", "aria-label": `Job ${job.name}`, onclick: () => open(job) }, job.name);
  const over = (DATA.groups.over ?? []).map((key) => ({ name: COLUMN.get(key).label, show: (job) => job.show(COLUMN.get(key)) }));
  const message = COLUMN.get("message");
  return [
    { name: "job", show: link, head: true },
    ...over,
    { name: "status", show: (job) => badge(job.status) },
    ...(message && !message.empty ? [{ name: "message", show: (job) => shown(job.get(message)), wrap: true }] : []),
  ];
}
