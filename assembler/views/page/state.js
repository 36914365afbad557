/* What the person has chosen, and which jobs that leaves. Tables and charts are told when it changes. */

const state = {
  text: "", statuses: new Set(), chosen: new Map(), brush: null, frontOnly: false,
  sort: null, descending: false, limit: 0, columns: telling(),
};

const listeners = [];

/** Call a function after each change, with whether the jobs that are left may be others. */
const onChange = (listener) => listeners.push(listener);

function changed(rows = true) {
  if (rows) remaining = null;
  for (const listener of listeners) listener(rows);
}

let remaining = null;
const HAYSTACKS = ROWS.map((row) => COLUMNS.map((column) => {
  const value = row[column.at];
  return value === null ? "" : column.kind === "override" ? `${column.name}=${value}` : `${value} ${column.show(value)}`;
}).join("\n").toLowerCase());

/** The numbers of the rows that pass the filters, without those that charts set. */
function filtered() {
  if (remaining) return remaining;
  const words = state.text.toLowerCase().split(/\s+/).filter(Boolean);
  const chosen = [...state.chosen].map(([name, value]) => [COLUMN.get(name).values, value]);
  remaining = [];
  for (let at = 0; at < ROWS.length; at += 1) {
    if (state.statuses.size && !state.statuses.has(ROWS[at][STATUS.at])) continue;
    if (!chosen.every(([values, value]) => (values[at] === null ? "" : `=${plainText(values[at])}`) === value)) continue;
    if (words.every((word) => HAYSTACKS[at].includes(word))) remaining.push(at);
  }
  return remaining;
}

/** The rows of the table, in its order. */
function tableRows() {
  let rows = filtered();
  if (state.brush) rows = rows.filter((at) => state.brush.has(at));
  if (state.frontOnly) {
    const front = new Set(currentFront());
    rows = rows.filter((at) => front.has(at));
  }
  if (state.sort === null) return rows;
  const ranks = ranksOf(COLUMN.get(state.sort));
  const turn = state.descending ? -1 : 1;
  return [...rows].sort((one, other) => {
    const [first, second] = [ranks[one], ranks[other]];
    if (first === second) return one - other;
    return first < 0 ? 1 : second < 0 ? -1 : turn * (first - second); // what a job does not have comes last
  });
}

const RANKS = new Map();

/** The place of each row's value among all of its column; -1 of none. */
function ranksOf(column) {
  if (RANKS.has(column.name)) return RANKS.get(column.name);
  const { values, numeric } = column;
  const compare = numeric ? (one, other) => one - other : (one, other) => byName(plainText(one), plainText(other));
  const there = [...new Set(values.filter((value) => value !== null))].sort(compare);
  const places = new Map(there.map((value, at) => [value, at]));
  const ranks = values.map((value) => (value === null ? -1 : places.get(value)));
  RANKS.set(column.name, ranks);
  return ranks;
}

const isFiltered = () => Boolean(state.text.trim() || state.statuses.size || state.chosen.size || state.brush || state.frontOnly);
