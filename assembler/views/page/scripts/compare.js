const OFFERED = 500; // jobs that the list to choose from has; any other can be typed

const OF_LAYERS = new Set(["name", "stack", "graph", "blocks", "shared", "defaults"]); // keys of a recipe that the edits of layers cover

/** A field that chooses a job, and what differs between that one and this. */
function comparing(job, left, drawAgain) {
  const others = JOBS.filter((other) => other !== job);
  if (!others.length) return null;
  const field = element("input", { type: "search", list: "others", value: state.other === job.name ? "" : state.other, placeholder: "a job", autocomplete: "off" });
  field.addEventListener("change", () => {
    const name = field.value.trim();
    state.other = JOB.has(name) && name !== job.name ? name : "";
    drawAgain();
    byId("job-details").querySelector(".compare input").focus();
  });
  const offered = others.slice(0, OFFERED).map((other) => element("option", { value: other.name }, other.told().join(" ")));
  const other = JOB.get(state.other);
  return element(
    "section",
    { class: "compare" },
    element("label", { class: "field" }, element("span", {}, "Compare with job"), field),
    element("datalist", { id: "others" }, offered),
    other && other !== job ? differences(other, other.details(), job, left) : null,
  );
}

/** What differs between two jobs: settings, layers, metrics and checks. */
function differences(other, before, job, after) {
  const heads = (name) => [
    { name, show: (row) => row[0], head: true },
    { name: `job ${other.name}`, show: (row) => row[1] },
    { name: `job ${job.name}`, show: (row) => row[2] },
  ];
  const change = { name: "change", show: (row) => row[3] };
  const lines = changedLayers(before, after);
  const found = [
    ...titled("Settings that differ", heads("setting"), changedSettings(before, after)),
    ...(lines === null ? [element("p", { class: "none" }, "The layers cannot be compared, because a job has no plan or an older record.")] : []),
    ...titled("Layers that differ", EDITS, lines ?? []),
    ...titled("Metrics that differ", [...heads("metric").map((one, at) => ({ ...one, right: at > 0 })), { ...change, right: true }], changedMetrics(other, job)),
    ...titled("Checks that differ", heads("check"), changedChecks(before, after)),
  ];
  return found.length ? found : element("p", { class: "none" }, "The two jobs do not differ.");
}

function changedSettings(before, after) {
  const all = ({ about, settings }) => {
    const { device, ...chosen } = about ?? {};
    const recipe = Object.entries(settings ?? {}).filter(([key]) => !OF_LAYERS.has(key.split(".")[0]));
    return new Map([...Object.entries(chosen), ...recipe.map(([key, value]) => [`recipe.${key}`, value])]);
  };
  const [old, now] = [all(before), all(after)];
  const rows = [...new Set([...old.keys(), ...now.keys()])].map((key) => [key, old.get(key), now.get(key)]);
  return rows.filter(([, one, two]) => JSON.stringify(one) !== JSON.stringify(two)).map(([key, one, two]) => [key, settingOf(one), settingOf(two)]);
}

/** The edits of the layers as rows; null if a job has no parts. */
function changedLayers(before, after) {
  if (!before.parts || !after.parts) return null;
  const keys = new Map();
  const found = edits(partsOf(before.parts, keys), partsOf(after.parts, keys), redefinedBlocks(before.settings ?? {}, after.settings ?? {}));
  const whole = ["parameters", "macs"].map((key) => Number(after.sums[key]) - Number(before.sums[key]));
  return editRows(found, whole.map((sum, at) => sum - found.reduce((known, { cost }) => known + cost[at], 0)));
}

/** The blocks that are defined in both and differ, or use one that does. */
function redefinedBlocks(before, after) {
  const defined = (settings) => {
    const blocks = Object.entries(settings).filter(([key]) => key.startsWith("blocks."));
    return new Map(blocks.map(([key, body]) => [key.slice(7).split(/[ (]/)[0], `${key}: ${JSON.stringify(body)}`]));
  };
  const [old, now] = [defined(before), defined(after)];
  const found = new Set([...old.keys()].filter((name) => old.get(name) !== now.get(name)));
  for (let known = -1; known < found.size; ) {
    known = found.size;
    for (const [name, text] of old) if ([...found].some((one) => new RegExp(`\\b${one.replace(/\W/g, "\\$&")}\\b`).test(text))) found.add(name);
  }
  return found;
}

function changedMetrics(other, job) {
  const differs = METRICS.filter((column) => other.get(column) !== job.get(column));
  const change = (one, two) => {
    if (typeof one !== "number" || typeof two !== "number" || one <= 0 || two <= 0) return "";
    return two / one >= 10 || two / one <= 0.1 ? `× ${number(two / one)}` : `${two > one ? "+" : ""}${(100 * (two / one - 1)).toFixed(1)} %`;
  };
  return differs.map((column) => [element("span", { title: column.name }, column.title), other.show(column), job.show(column), change(other.get(column), job.get(column))]);
}

/** The checks whose verdict differs; what they measured is among the metrics. */
function changedChecks(before, after) {
  const known = ({ checks }) => new Map((checks ?? []).map(([name, passed, result]) => [name, { passed, result }]));
  const [old, now] = [known(before), known(after)];
  const names = [...new Set([...old.keys(), ...now.keys()])].filter((name) => old.get(name)?.passed !== now.get(name)?.passed);
  const said = (one) => (one === undefined ? "not run" : one.passed === null ? "does not apply" : [badge(one.passed ? "passed" : "failed"), ` ${one.result}`]);
  return names.map((name) => [name, said(old.get(name)), said(now.get(name))]);
}
