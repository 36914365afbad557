const COMPARED = {
  "<": (one, other) => one < other,
  "<=": (one, other) => one <= other,
  ">": (one, other) => one > other,
  ">=": (one, other) => one >= other,
  "=": (one, other) => one === other,
  "!=": (one, other) => one !== other,
};

/** Conditions from the typed filter: words, and comparisons such as `plan.macs<1e6`; quotes keep words together. */
function questions(text) {
  const words = text.match(/(?:[^\s"]|"[^"]*"?)+/g) ?? [];
  return words.map((word) => word.replaceAll('"', "")).filter(Boolean).map((word) => comparison(word) ?? contains(word.toLowerCase()));
}

function contains(word) {
  return (job) => job.text.includes(word);
}

function comparison(word) {
  const [, name, sign, wanted] = word.match(/^([^<>=!]+)(<=|>=|!=|<|>|=)(.+)$/) ?? [];
  const column = COLUMN.get(name) ?? (name && onlyOne(COLUMNS.filter((one) => one.label === name || one.name.endsWith(`.${name}`))));
  if (!column) return null;
  const compared = COMPARED[sign];
  const limit = Number(wanted);
  if (column.numeric && Number.isNaN(limit)) return null;
  return (job) => {
    const value = job.get(column);
    if (value === null) return false;
    return column.numeric ? compared(value, limit) : compared(ORDER.compare(String(value), wanted), 0);
  };
}

function onlyOne(found) {
  return found.length === 1 ? found[0] : null;
}

/** The jobs or groups that match the filter and the choices; the plots show all of them. */
function fitting() {
  const asked = questions(state.text);
  const only = Object.entries(state.only).map(([name, value]) => [COLUMN.get(name), value]).filter(([column]) => usable(column));
  return items().filter(
    (job) =>
      (!state.status.length || state.status.includes(job.status)) &&
      only.every(([column, value]) => String(job.get(column) ?? "") === value) &&
      asked.every((question) => question(job)),
  );
}

/** Jobs in the order of the chosen column; those without a value come last either way. */
function ordered(jobs) {
  const column = COLUMN.get(state.sort.replace(/^-/, ""));
  if (!column) return jobs;
  const sign = state.sort.startsWith("-") ? -1 : 1;
  const missing = (value) => value === null || value === "";
  return [...jobs].sort((one, other) => {
    const [a, b] = [one.get(column), other.get(column)];
    if (missing(a) || missing(b)) return missing(a) - missing(b) || one.at - other.at;
    return sign * (typeof a === "number" && typeof b === "number" ? a - b : ORDER.compare(String(a), String(b))) || one.at - other.at;
  });
}
