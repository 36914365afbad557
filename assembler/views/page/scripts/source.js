const COMMENT = /(?:^|\s)#.*$/;

const KEY = /^\s*(?:- )?[^\s#:'"{[][^#:'"{[]*:(?=\s|$)/;

/** A file of a recipe: its lines with numbers, those that changed marked, errors underlined and explained below them. */
function sourceOf({ name, text, errors, changed }) {
  const lines = text.replace(/\n$/, "").split("\n");
  const isNew = new Set(changed);
  const below = new Map();
  for (const error of errors) {
    const [line] = error.span;
    below.set(line, [...(below.get(line) ?? []), error]);
  }
  const made = lines.flatMap((one, at) => [lineOf(one, at, errors, isNew.has(at)), ...(below.get(at) ?? []).map(explained)]);
  return element("pre", { class: "source", tabindex: "0", role: "region", "aria-label": name }, made);
}

function lineOf(text, at, errors, isNew) {
  const letters = [...text]; // columns are counted in characters, not in units of UTF-16
  const wrong = errors.map(({ span }) => within(span, at, letters.length)).filter(Boolean);
  const comment = COMMENT.exec(text);
  const quiet = comment ? [...text.slice(0, comment.index)].length : letters.length;
  const key = KEY.exec(text);
  const bold = key ? [...key[0]].length : 0;
  const cuts = [...new Set([0, quiet, bold, letters.length, ...wrong.flat()])].sort((one, other) => one - other);
  const pieces = cuts.slice(0, -1).map((from, index) => {
    const part = letters.slice(from, cuts[index + 1]).join("");
    const kind = from >= quiet ? "quiet" : from < bold ? "key" : null;
    const piece = kind ? element("span", { class: kind }, part) : part;
    return wrong.some(([start, end]) => start <= from && from < end) ? element("mark", {}, piece) : piece;
  });
  const kinds = ["line", wrong.length ? "wrong" : "", isNew ? "new" : ""].filter(Boolean).join(" ");
  return element("span", { class: kinds, "data-line": at + 1 }, isNew ? element("span", { class: "hidden" }, "changed: ") : null, pieces);
}

/** From where to where a span is in a line; at least one character of it, if there is one. */
function within([line, column, endLine, endColumn], at, length) {
  if (at < line || at > endLine) return null;
  const start = at === line ? Math.min(column, Math.max(length - 1, 0)) : 0;
  const end = at === endLine ? Math.min(endColumn, length) : length;
  return at === line || end > start ? [start, Math.max(end, Math.min(start + 1, length))] : null;
}

function explained({ message, related, more }) {
  const uses = [...related, ...(more ? [`and in ${count(more, "more use")}`] : [])];
  const where = uses.length ? element("span", { class: "quiet" }, `\n${uses.join("\n")}`) : null;
  return element("span", { class: "explained" }, element("span", { class: "hidden" }, "error: "), message, where);
}

/** Scroll a box so that an element in it is in view, and nothing around the box. */
function reveal(box, one) {
  if (!one) return;
  const [around, inside] = [box.getBoundingClientRect(), one.getBoundingClientRect()];
  const isIn = inside.top >= around.top && inside.bottom <= around.bottom;
  if (!isIn) box.scrollBy({ top: inside.top - around.top - box.clientHeight / 3, behavior: "instant" });
}
