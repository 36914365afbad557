const MANY = 12; // with more distinct values, there is no list to choose from

const MEASURED = 200;

const WIDE = 1000; // a metric whose largest value is so many times its smallest is drawn by its logarithm

/** The data of the page: compressed JSON in base64. */
async function unpacked(text) {
  if (typeof DecompressionStream === "undefined") {
    byId("main").replaceChildren(element("p", { class: "note" }, "This browser cannot unpack the data of the page; Chrome 80, Firefox 113 and Safari 16.4 can. sweep.csv in the same folder has the table."));
    throw new Error("no DecompressionStream");
  }
  const characters = atob(text);
  const bytes = new Uint8Array(characters.length);
  for (let at = 0; at < bytes.length; at++) bytes[at] = characters.charCodeAt(at);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return JSON.parse(await new Response(stream).text());
}

/** A column of the table of jobs: its values, one per job, and their properties. */
class Column {
  constructor([name, kind, { unit, best, aside, quartiles }, label], values) {
    Object.assign(this, { name, kind, label, values, unit, best, aside, quartiles });
    this.several = new Set();
    this.filled = 0;
    this.least = Infinity;
    this.most = -Infinity;
    let numbers = 0;
    for (const value of values) {
      if (value === null || value === "") continue;
      this.filled += 1;
      this.several.add(value);
      if (typeof value !== "number") continue;
      numbers += 1;
      if (value < this.least) this.least = value;
      if (value > this.most) this.most = value;
    }
    this.numeric = this.filled > 0 && numbers === this.filled;
    this.empty = this.filled === 0;
    this.varied = this.several.size > 1;
    this.constant = values.length > 1 && this.several.size === 1 && this.filled === values.length;
    this.tiny = this.numeric && Math.max(-this.least, this.most) < 1e-2;
    this.decades = this.numeric && this.least > 0 && this.most >= WIDE * this.least;
    this.title = unit && kind === "metric" && !label.endsWith(unit) ? `${label} (${unit})` : label;
  }

  /** The distinct values as strings, in order. */
  get distinct() {
    return (this.sorted ??= [...new Set([...this.several].map(String))].sort(ORDER.compare));
  }

  /** The number of characters of the widest value among jobs or groups, or of its title. Of many numbers, some are measured. */
  width(some, show) {
    const step = this.numeric ? Math.ceil(some.length / MEASURED) : 1;
    let widest = this.title.length + 2;
    for (let at = 0; at < some.length; at += step) widest = Math.max(widest, show(some[at]).length);
    return this.numeric ? Math.max(widest, this.show(this.least).length, this.show(this.most).length) : widest;
  }

  /** A value as shown. Those of overrides are shown as typed. */
  show(value) {
    if (value === null) return "";
    return this.kind === "metric" ? shown(value) : String(value);
  }
}

const DATA = await unpacked(byId("data").textContent);

const COLUMNS = DATA.columns.map((column, at) => new Column(column, DATA.values[at]));

const COLUMN = new Map(COLUMNS.map((column) => [column.name, column]));

const OVERRIDES = COLUMNS.filter((column) => column.kind === "override");

const METRICS = COLUMNS.filter((column) => column.kind === "metric" && column.numeric);

const STATUS = COLUMN.get("status");

const SEVERAL = STATUS.values.length > 1;

const SHOWN_AT_FIRST = COLUMNS.filter(
  (column) => column.kind === "job" || column.kind === "status" || !(column.empty || column.constant || column.aside || (column.kind === "metric" && SEVERAL && !column.varied)),
).map((column) => column.name);

/** A job: a row of values. */
class Job {
  constructor(name, at) {
    Object.assign(this, { at, name: String(name), status: String(STATUS.values[at]), node: null });
  }

  get(column) {
    return column.values[this.at];
  }

  /** A value as the table shows it. */
  show(column) {
    return column.show(this.get(column));
  }

  /** The ends of the error bar of a value, if it has one: the quartiles of a median. */
  bounds(column) {
    if (!column.quartiles) return null;
    const [low, high] = column.quartiles.map((name) => COLUMN.get(name)?.values[this.at] ?? null);
    return low === null || high === null ? null : [low, high];
  }

  /** What words of the filter look for: values that are not metrics. */
  get text() {
    return (this.words ??= COLUMNS.filter((column) => column.kind !== "metric").map((column) => this.get(column) ?? "").join("\n").toLowerCase());
  }

  get title() {
    return `job ${this.name}`;
  }

  /** The results of the job: its own, and those shared with others. */
  details() {
    const kept = DATA.jobs[this.name] ?? {};
    const common = ["tree", "layers", "sums", "parts", "recipe", "settings", "about", "error", "diagram"].filter((key) => kept[key] !== undefined);
    const path = COLUMN.has("path") ? this.get(COLUMN.get("path")) : null;
    return { ...kept, ...Object.fromEntries(common.map((key) => [key, DATA.pool[kept[key]]])), path };
  }

  /** The overrides in which jobs differ, as typed. */
  told() {
    return OVERRIDES.filter((column) => !column.constant && this.get(column) !== null).map((column) => `${column.name}=${this.get(column)}`);
  }
}

const JOBS = COLUMN.get("job").values.map((name, at) => new Job(name, at));

const JOB = new Map(JOBS.map((job) => [job.name, job]));
