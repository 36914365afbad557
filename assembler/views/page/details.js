/* What a run left, in sections. The dialog of a sweep and the page of a run are made of them. */

function section(title, aside, ...content) {
  return el("section", { class: "part" },
    el("div", { class: "bar" }, el("h3", {}, title), aside ? el("p", { class: "count" }, aside) : null), content);
}

function pairs(entries) {
  const told = entries.filter(([, value]) => value !== null && value !== undefined && value !== "");
  return el("dl", { class: "pairs" }, told.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value))));
}

const overridesPart = (overrides) =>
  overrides?.length && section("Overrides", null, el("ul", { class: "tags" }, overrides.map((one) => el("li", {}, one))));

const errorPart = (error) =>
  error && section("Error", null, el("div", { class: "code bad" }, copyButton(error), el("pre", { tabindex: "0" }, error)));

function checksPart(checks) {
  if (!checks?.length) return null;
  const verdict = (passed) => (passed === null ? el("span", { class: "muted", title: "does not apply" }, "–") : badge(passed ? "passed" : "failed"));
  const asked = checks.filter(([, passed]) => passed !== null);
  const columns = [["check", ""], ["", ""], ["measured", "number"], ["bound", "number"], ["detail", "wide"]];
  const rows = checks.map(([name, passed, value, bound, detail]) =>
    [plainText(name), verdict(passed), measured(value), bounded(bound, value), plainText(detail)]);
  const held = asked.filter(([, passed]) => passed).length;
  return section("Checks", `${held} of ${asked.length} passed`, grid("Checks", columns, rows));
}

function layersPart(layers, sums) {
  if (!layers?.length && !sums) return null;
  const columns = [["path", "code"], ["layer", ""], ["arguments", "code wide"], ["input", "shape"], ["output", "shape"], ["parameters", "number"], ["MACs", "number"]];
  const rows = (layers ?? []).map(([path, layer, given, input, output, parameters, macs]) =>
    [plainText(path), plainText(layer), plainText(given), input, output, figure(parameters), figure(macs)]);
  return section("Layers", count(rows.length, "layer"), sums ? sumsOf(sums) : null, rows.length ? grid("Layers", columns, rows) : null);
}

function sumsOf(sums) {
  const others = ["frozen", "other"].filter((kind) => sums[kind]).map((kind) => [kind, figure(sums[kind])]);
  return pairs([
    ["parameters", figure(sums.parameters)], ...others, ["memory of parameters", bytes(sums.parameter_memory)],
    ["MACs", figure(sums.macs)], ["activations, about", bytes(sums.activations)],
    ["input", sums.input], ["output", sums.output], ["without the MACs of", sums.uncounted?.join(", ")],
  ]);
}

const diagramPart = (text, label) => text && section("Diagram", null, diagram(text, label));

function timesPart(times) {
  const entries = Object.entries(times ?? {});
  if (!entries.length) return null;
  const total = entries.reduce((sum, [, value]) => sum + value, 0);
  return section("Time", seconds(total), pairs(entries.map(([name, value]) => [name, seconds(value)])));
}

function aboutPart(about, started) {
  const entries = Object.entries(about ?? {}).map(([name, value]) => [name, plainText(value)]);
  if (!started && !entries.some(([, value]) => value)) return null;
  return section("Run", null, pairs([...entries, ["started", when(started)]]));
}

/** A moment in UTC, as a person writes it. */
const when = (text) => plainText(text).replace("T", " ").replace(/(\+00:00|Z)$/, " UTC");
