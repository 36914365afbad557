const GROUPED = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

const ORDER = new Intl.Collator("en", { numeric: true });

const STATUSES = { failed: "✕", error: "!", passed: "✓", pending: "…" };

/** A number as shown: integers with grouped digits, others with four significant digits. */
function number(value) {
  if (Number.isInteger(value)) return Math.abs(value) < 1e21 ? GROUPED.format(value) : value.toExponential(3);
  if (Math.abs(value) >= 1e3 && Math.abs(value) < 1e15) return GROUPED.format(value);
  const text = Math.abs(value) < 1e-3 ? value.toExponential(3) : value.toPrecision(4);
  return text.replace(/(\.\d*?)0+(?=e|$)/, "$1").replace(/\.(?=e|$)/, "");
}

/** Any value as a string; empty for no value. */
function shown(value) {
  if (value === null || value === undefined) return "";
  if (typeof value === "number") return number(value);
  if (Array.isArray(value)) return `[${value.map((item) => shown(item)).join(", ")}]`;
  if (typeof value === "object") return Object.entries(value).map(([key, item]) => `${key}: ${shown(item)}`).join(", ");
  return String(value);
}

function bytes(count) {
  if (typeof count !== "number") return shown(count);
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  const power = count < 1 ? 0 : Math.min(Math.floor(Math.log2(count) / 10), units.length - 1);
  return power ? `${(count / 1024 ** power).toFixed(1)} ${units[power]}` : `${count} B`;
}

function duration(seconds) {
  if (typeof seconds !== "number") return shown(seconds);
  return seconds >= 1 ? `${number(seconds)} s` : `${number(seconds * 1e3)} ms`;
}

/** `1 job`, `1,000 jobs`. */
function count(many, one, several = `${one}s`) {
  return `${GROUPED.format(many)} ${many === 1 ? one : several}`;
}

/** A status as a sign and a word, so that colour is not needed to read it. */
function badge(status, text = status) {
  const known = Object.hasOwn(STATUSES, status);
  const sign = element("span", { "aria-hidden": "true" }, known ? STATUSES[status] : "·");
  return element("span", { class: `badge ${known ? status : "pending"}` }, sign, ` ${text}`);
}

/** A date in the reader's time zone; other strings unchanged. */
function moment(text) {
  const date = new Date(text);
  return Number.isNaN(date.getTime()) ? text : date.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "medium" });
}
