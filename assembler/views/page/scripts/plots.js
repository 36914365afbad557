const QUIET_PLOT = { displayModeBar: false, displaylogo: false, responsive: true, doubleClick: "reset", showTips: false };

const SYMBOLS = ["circle", "square", "diamond", "triangle-up", "cross", "x", "pentagon", "triangle-down", "hexagon", "star"];

/** A colour of the style sheet, in the reader's light or dark scheme. */
function themed(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

function themedScale() {
  return ["scale-1", "scale-2", "scale-3", "scale-4"].map((name, at) => [at / 3, themed(name)]);
}

function font(quiet = true) {
  return { family: themed("sans"), size: 12, color: themed(quiet ? "quiet" : "ink") };
}

/** A string in one line, cut if it is long. */
function short(text, most = 60) {
  const line = String(text).replace(/[\u0000-\u001f\u007f\u2028\u2029]+/g, " ");
  return line.length > most ? `${line.slice(0, most - 1)}…` : line;
}

/** A string for Plotly, which reads some tags and entities as markup: they are escaped. */
function plain(text, most = 60) {
  return short(text, most).replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;") || " ";
}

/** A value's position on an axis: a number itself, another value its index among all. */
function positions(column) {
  if (column.numeric) return (job) => job.get(column);
  const places = new Map(column.distinct.map((value, at) => [value, at]));
  return (job) => places.get(String(job.get(column) ?? "")) ?? null;
}

/** Error bars of a metric, such as its quartiles or its 95 % interval; none if no item has them. */
function errorBars(some, column, colour) {
  const bounds = column.numeric ? some.map((item) => item.bounds(column)) : [];
  if (!bounds.some(Boolean)) return {};
  const place = (at, sign) => (bounds[at] ? sign * (bounds[at][sign > 0 ? 1 : 0] - some[at].get(column)) : 0);
  const [array, arrayminus] = [1, -1].map((sign) => some.map((_, at) => Math.max(0, place(at, sign))));
  return { type: "data", symmetric: false, array, arrayminus, thickness: 1.2, width: 4, color: colour };
}

/** What error bars mean, for the caption of a plot. */
function aboutBars(some, columns) {
  const isWide = (bounds) => bounds !== null && bounds[0] < bounds[1];
  const drawn = columns.filter((column) => column.numeric && some.some((item) => isWide(item.bounds(column))));
  if (!drawn.length) return "";
  return state.of === "groups" ? "bars: 95 % interval of the mean" : "bars: first to third quartile of the calls";
}

function named(column, write = plain) {
  return { tickvals: column.distinct.map((_, at) => at), ticktext: column.distinct.map((value) => write(value, 24)) };
}

/** Powers of ten between the smallest and the largest of some logarithms, as many as there is room for. */
function decades(values) {
  const [least, most] = values.filter(Number.isFinite).reduce(([low, high], one) => [Math.min(low, one), Math.max(high, one)], [Infinity, -Infinity]);
  const [low, high] = [Math.ceil(least), Math.floor(most)];
  if (!(high > low)) return least <= most ? { tickvals: [least, most], ticktext: [least, most].map((one) => plain(number(10 ** one))) } : {};
  const step = Math.max(1, Math.ceil((high - low) / 6));
  const tickvals = Array.from({ length: Math.floor((high - low) / step) + 1 }, (_, at) => low + at * step);
  return { tickvals, ticktext: tickvals.map(power) };
}

function power(exponent) {
  const units = { 0: "1", 3: "1k", 6: "1M", 9: "1B", 12: "1T" };
  const below = Math.floor(exponent / 3) * 3;
  if (!(below in units)) return `1e${exponent}`;
  return units[below].replace("1", String(10 ** (exponent - below)));
}

/** The colours of a column that is not numeric: its values, the most frequent first, each with a colour and a symbol. */
function categories(column) {
  const many = new Map();
  for (const job of items()) many.set(String(job.get(column) ?? ""), (many.get(String(job.get(column) ?? "")) ?? 0) + 1);
  const frequent = [...many.keys()].sort((one, other) => many.get(other) - many.get(one));
  const own = new Set(frequent.length > SYMBOLS.length ? frequent.slice(0, SYMBOLS.length - 1) : frequent);
  const list = [...own].sort(ORDER.compare).map((value, at) => ({
    name: value === "" ? "none" : value,
    colour: column === STATUS && Object.hasOwn(STATUSES, value) ? themed(value) : themed(`colour-${at + 1}`),
    symbol: SYMBOLS[at],
    has: (job) => String(job.get(column) ?? "") === value,
  }));
  if (own.size < frequent.length) {
    const has = (job) => !own.has(String(job.get(column) ?? ""));
    list.unshift({ name: `${frequent.length - own.size} others`, colour: themed("colour-0"), symbol: "star", has });
  }
  return list;
}

function barOf(column) {
  return {
    title: { text: plain(column.title), side: "right", font: font() },
    thickness: 10,
    outlinewidth: 0,
    tickfont: font(),
    exponentformat: column.tiny ? "power" : "B",
    ticks: "",
    len: 0.9,
  };
}

/** The numbers of a colour scale; over many decades, their logarithms. */
function shades(column, jobs) {
  const logarithmic = column.decades;
  const values = jobs.map((job) => (logarithmic ? Math.log10(job.get(column)) : job.get(column)));
  const bar = logarithmic ? { ...barOf(column), ...decades(values) } : barOf(column);
  return { color: values, colorscale: themedScale(), showscale: true, colorbar: bar };
}
