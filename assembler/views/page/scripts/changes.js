const SIGNS = { added: "+", removed: "−", changed: "~" };

/** The columns of a table of edits. */
const EDITS = [
  { name: "edit", show: (row) => row.sign, head: true },
  { name: "layers", show: (row) => row.text, code: true, wrap: true },
  { name: "where", show: (row) => row.where, code: true },
  { name: "cost", show: (row) => row.cost },
];

/** Edits of layers as rows; the last row has what else the model costs more or less. */
function editRows(found, rest) {
  const rows = found.map((one) => {
    const kind = one.before ? (one.after ? "changed" : "removed") : "added";
    const texts = [one.before, one.after].filter(Boolean).map(({ text }) => text);
    const times = one.times > 1 ? ` × ${GROUPED.format(one.times)}` : "";
    const more = one.times > 1 ? ` and ${GROUPED.format(one.times - 1)} more` : "";
    return { sign: SIGNS[kind], text: `${texts.join(" → ")}${times}`, where: one.path ? `#${one.path}${more}` : "", cost: costOf(one.cost) };
  });
  const cost = costOf(rest);
  return cost ? [...rows, { sign: "=", text: "in layers that are written alike, for their input differs", where: "", cost }] : rows;
}

function costOf([parameters, macs]) {
  const signed = (value) => `${value > 0 ? "+" : ""}${GROUPED.format(value)}`;
  return [[parameters, "parameters"], [macs, "MACs"]].filter(([value]) => value).map(([value, what]) => `${signed(value)} ${what}`).join(", ");
}

/** A value of a setting in a table of changes. */
function settingOf(value) {
  return value === undefined || value === null ? "none" : typeof value === "number" ? String(value) : shown(value);
}

/** A table with a title above it, as elements; none without rows. */
function titled(title, columns, rows) {
  return rows.length ? [element("p", { class: "title" }, title), scrolling(title, grid(title, columns, rows))] : [];
}
