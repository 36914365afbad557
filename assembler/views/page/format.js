/* Numbers and names as people read them. */

const WHOLE = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });
const SHORT = new Intl.NumberFormat("en-US", { maximumSignificantDigits: 4 });

/** A figure: grouped digits; four that count of a fraction, in powers of ten where it is tiny or huge. */
function figure(value) {
  if (typeof value !== "number") return plainText(value);
  if (Number.isInteger(value)) return Math.abs(value) < 1e15 ? WHOLE.format(value) : value.toExponential(3);
  const size = Math.abs(value);
  return size < 1e-3 || size >= 1e9 ? value.toExponential(3).replace("e+", "e") : SHORT.format(value);
}

function bytes(value) {
  if (typeof value !== "number") return plainText(value);
  let size = value;
  for (const unit of ["B", "KiB", "MiB", "GiB"]) {
    if (size < 1024) return unit === "B" ? `${size} B` : `${size.toFixed(1)} ${unit}`;
    size /= 1024;
  }
  return `${size.toFixed(1)} TiB`;
}

function seconds(value) {
  if (typeof value !== "number") return plainText(value);
  if (value < 1e-3) return `${SHORT.format(value * 1e6)} µs`;
  return value < 1 ? `${SHORT.format(value * 1e3)} ms` : `${SHORT.format(value)} s`;
}

/** A value that is no figure, as it was typed. */
function plainText(value) {
  if (value === null || value === undefined) return "";
  return typeof value === "string" ? value : typeof value === "object" ? JSON.stringify(value) : String(value);
}

/** What a check measured: a number, a text, or a shape. */
function measured(value) {
  return Array.isArray(value) ? `(${value.map(measured).join(", ")}${value.length === 1 ? "," : ""})` : figure(value);
}

/** The bound of what was measured: the same, or of a number a pair, lower and upper. */
function bounded(bound, value) {
  const range = Array.isArray(bound) && bound.length === 2 && !Array.isArray(value) && !bound.includes("_");
  return range ? bound.map(figure).join(" … ") : measured(bound);
}

const count = (number, one, many = `${one}s`) => `${WHOLE.format(number)} ${number === 1 ? one : many}`;

const MEMORY = /(^|[._])(memory|parameter_memory|activations)$/;

/** How to show the values of a figure. */
const formatOf = (name) => (MEMORY.test(name) ? bytes : figure);

const SIGNS = { passed: "✓", failed: "✕", error: "!", pending: "…" };

/** A status as a badge: a sign and a word, so that colour is not needed. */
function badge(status) {
  const known = status in SIGNS ? status : "pending";
  return el("span", { class: `badge ${known}` }, el("span", { "aria-hidden": "true", class: "sign" }, SIGNS[known]), plainText(status));
}
