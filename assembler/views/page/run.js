/* The page of a run. */

function card(part) {
  if (!part) return null;
  const made = el("section", { class: "card" });
  const bar = part.firstElementChild;
  bar.querySelector("h3").replaceWith(el("h2", {}, bar.querySelector("h3").textContent));
  made.append(...part.childNodes);
  return made;
}

function parametersPart(parameters) {
  if (!parameters.length) return null;
  const measuredOnes = parameters.some((one) => one[6] !== null);
  const ruled = parameters.some((one) => one[5]);
  const columns = [["parameter", "code"], ["layer", ""], ["shape", "shape"], ["dtype", ""], ["kind", ""], ...(ruled ? [["set by", "code"]] : []),
    ...(measuredOnes ? [["mean", "number"], ["std", "number"], ["min", "number"], ["max", "number"]] : [])];
  const rows = parameters.map(([name, layer, shape, dtype, kind, rule, ...statistics]) =>
    [plainText(name), plainText(layer), shape, dtype, kind, ...(ruled ? [plainText(rule)] : []), ...(measuredOnes ? statistics.map(figure) : [])]);
  return section("Parameters", count(parameters.length, "parameter"), grid("Parameters", columns, rows));
}

function benchPart(bench) {
  if (!bench.length) return null;
  const columns = [["mode", ""], ...["batch", "first call", "latency", "spread", "lowest", "highest", "samples/s", "memory"].map((name) => [name, "number"])];
  const rows = bench.map((one) => [plainText(one.mode), figure(one.batch), ...["first_call", "latency", "spread", "lowest", "highest"].map((name) => seconds(one[name])), figure(one.throughput), bytes(one.memory)]);
  return section("Measurements", count(bench.length, "measurement"), grid("Measurements", columns, rows));
}

function surroundingsPart() {
  const device = DATA.device ?? {};
  const weights = DATA.weights ?? {};
  return section("Surroundings", null, pairs([
    ...Object.entries(DATA.about ?? {}).map(([name, value]) => [name, plainText(value)]),
    ["why this device", device.why], ["started", when(DATA.started)], ["weights from", weights.loaded], ["weights saved in", weights.saved],
    ["files", DATA.files.join(", ")], ...Object.entries(DATA.versions ?? {}),
  ]));
}

function startRun() {
  const lead = [DATA.recipe ? `recipe ${plainText(DATA.recipe)}` : "", DATA.about?.task ? `task ${DATA.about.task}` : "", when(DATA.started)];
  byId("lead").textContent = lead.filter(Boolean).join(" · ");
  byId("counts").replaceChildren(el("p", { class: `tally ${DATA.status}` }, badge(DATA.status)));
  byId("main").replaceChildren(...[
    errorPart(DATA.error), overridesPart(DATA.overrides), checksPart(DATA.checks), benchPart(DATA.bench), layersPart(DATA.layers, Object.keys(DATA.sums).length ? DATA.sums : null),
    diagramPart(DATA.diagram, "Diagram of the model"), parametersPart(DATA.parameters), timesPart(DATA.seconds), surroundingsPart(),
  ].map(card).filter(Boolean));
}

startRun();
