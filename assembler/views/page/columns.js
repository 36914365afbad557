/* The columns of a sweep: what each holds, and whether the table shows it at first. */

const MANY = 12; // more different values than this are no list to choose from

const ROWS = DATA.rows;

const COLUMNS = DATA.columns.map((name, at) => {
  const kind = DATA.overrides.includes(name) ? "override" : DATA.figures.includes(name) ? "figure" : name;
  const values = ROWS.map((row) => row[at]);
  const there = values.filter((value) => value !== null);
  const numeric = there.length > 0 && there.every((value) => typeof value === "number");
  const distinct = [...new Set(there.map(plainText))];
  if (numeric) distinct.sort((one, other) => one - other);
  else distinct.sort(byName);
  return {
    name, at, kind, numeric, distinct, values, empty: there.length === 0,
    varies: distinct.length + (there.length < values.length ? 1 : 0) > 1,
    show: kind === "figure" ? formatOf(name) : name === "started" ? when : plainText,
  };
});

const COLUMN = new Map(COLUMNS.map((column) => [column.name, column]));
const FIGURES = COLUMNS.filter((column) => column.kind === "figure" && !column.empty);
const OVERRIDES = COLUMNS.filter((column) => column.kind === "override" && !column.empty);
const STATUS = COLUMN.get("status");

function byName(one, other) {
  return one.localeCompare(other, "en", { numeric: true });
}

/** The columns that the table shows at first: those that tell jobs apart, and no figure twice. */
function telling() {
  const shown = new Set(["job", "status"]);
  const seen = new Set();
  const sum = COLUMN.get("plan.parameters");
  if (sum) seen.add(JSON.stringify(sum.values));
  for (const column of COLUMNS) {
    if (column.name === "message" && !column.empty) shown.add(column.name);
    if (column.kind === "override" && column.varies) shown.add(column.name);
    if (column.kind !== "figure" || !column.varies) continue;
    const values = JSON.stringify(column.values);
    const again = seen.has(values) || column.name === "plan.parameter_memory" && sum?.varies || column.name.startsWith("check.expect.");
    if (column === sum || !again) shown.add(column.name);
    seen.add(values);
  }
  return shown;
}

/** A name in its two parts, `plan.` and `macs`, of which the first is set small. Overrides stay whole. */
function parts({ name, kind }) {
  const dot = kind === "figure" ? name.indexOf(".") : -1;
  return dot < 0 ? ["", name] : [name.slice(0, dot + 1), name.slice(dot + 1)];
}

/** Whether more of a figure is better, as far as its name tells. */
const wanted = (name) => (/throughput|accuracy|passed|score/.test(name) ? "max" : "min");
