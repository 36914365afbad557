const MANY = 12; // with more distinct values, there is no list to choose from

/** A column of the table of jobs, and properties of its values. */
class Column {
  constructor([name, kind, { unit, best, aside }], at, rows) {
    Object.assign(this, { name, kind, at, unit, best, aside });
    const values = rows.map((row) => row[at]).filter((value) => value !== null && value !== "");
    this.numeric = values.length > 0 && values.every((value) => typeof value === "number");
    this.distinct = [...new Set(values.map(String))].sort(ORDER.compare);
    this.empty = values.length === 0;
    this.filled = values.length;
    this.varied = this.distinct.length > 1;
    this.constant = rows.length > 1 && this.distinct.length === 1 && values.length === rows.length;
    this.tiny = this.numeric && values.every((value) => Math.abs(value) < 1e-2);
    this.decades = this.numeric && spanOfDecades(values);
    const dot = name.lastIndexOf(".");
    this.prefix = dot > 0 ? name.slice(0, dot) : "";
    this.short = name.slice(dot + 1) || name;
  }

  /** The number of characters of its widest value, or of its name. */
  get width() {
    const name = Math.max(this.short.length, 0.9 * this.prefix.length) + 1;
    this.widest ??= DATA.rows.reduce((most, row) => Math.max(most, this.show(row[this.at]).length), this.kind === "status" ? 8 : 0);
    return Math.max(name, this.widest);
  }

  /** The values as shown. Those of overrides are shown as typed. */
  show(value) {
    return this.unit === "bytes" ? bytes(value) : this.kind === "metric" ? shown(value) : value === null ? "" : String(value);
  }
}

const WIDE = 1000; // a metric whose largest value is so many times its smallest is drawn by its logarithm

function spanOfDecades(values) {
  const least = values.reduce((one, other) => Math.min(one, other));
  return least > 0 && values.reduce((one, other) => Math.max(one, other)) >= WIDE * least;
}

const DATA = JSON.parse(byId("data").textContent);

const COLUMNS = DATA.columns.map((column, at) => new Column(column, at, DATA.rows));

const COLUMN = new Map(COLUMNS.map((column) => [column.name, column]));

const OVERRIDES = COLUMNS.filter((column) => column.kind === "override");

const METRICS = COLUMNS.filter((column) => column.kind === "metric" && column.numeric);

const STATUS = COLUMN.get("status");

const SHOWN_AT_FIRST = COLUMNS.filter(
  (column) => column.kind === "job" || column.kind === "status" || !(column.empty || column.constant || column.aside || (column.kind === "metric" && DATA.rows.length > 1 && !column.varied)),
).map((column) => column.name);

/** A job: its row of values. */
class Job {
  constructor(values, at) {
    Object.assign(this, { values, at, name: String(values[COLUMN.get("job").at]), status: String(values[STATUS.at]) });
    this.text = COLUMNS.map((column) => `${values[column.at] ?? ""}\n${column.show(values[column.at])}`).join("\n").toLowerCase();
    this.node = null;
  }

  get(column) {
    return this.values[column.at];
  }

  /** The results of the job: its own, and those shared with others. */
  details() {
    const kept = DATA.jobs[this.name] ?? {};
    const common = ["layers", "sums", "about", "error", "diagram"].filter((key) => kept[key] !== undefined);
    const path = COLUMN.has("path") ? this.get(COLUMN.get("path")) : null;
    return { ...kept, ...Object.fromEntries(common.map((key) => [key, DATA.pool[kept[key]]])), path };
  }

  /** The overrides in which jobs differ, as typed. */
  told() {
    return OVERRIDES.filter((column) => !column.constant && this.get(column) !== null).map((column) => `${column.name}=${this.get(column)}`);
  }
}

const JOBS = DATA.rows.map((values, at) => new Job(values, at));

const JOB = new Map(JOBS.map((job) => [job.name, job]));
