const PARAMETERS = [
  { name: "parameter", show: (row) => shown(row[0]), head: true, code: true },
  { name: "layer", show: (row) => shown(row[1]) },
  { name: "shape", show: (row) => shown(row[2]), code: true },
  { name: "dtype", show: (row) => shown(row[3]) },
  { name: "kind", show: (row) => shown(row[4]) },
  { name: "set by", show: (row) => shown(row[5]) },
  ...["mean", "std", "min", "max"].map((name, at) => ({ name, show: (row) => shown(row[6 + at]), right: true })),
];

const BENCH = [
  { name: "mode", show: (one) => shown(one.mode), head: true },
  { name: "batch", show: (one) => shown(one.batch), right: true },
  { name: "latency", show: (one) => duration(one.latency), right: true },
  { name: "quartiles", show: (one) => (one.first_quartile ? `${duration(one.first_quartile)} – ${duration(one.third_quartile)}` : ""), right: true },
  { name: "range", show: (one) => `${duration(one.lowest)} – ${duration(one.highest)}`, right: true },
  { name: "samples/s", show: (one) => shown(one.throughput), right: true },
  { name: "first call", show: (one) => duration(one.first_call), right: true },
  { name: "memory", show: (one) => bytes(one.memory), right: true },
  { name: "calls", show: (one) => shown(one.repeat), right: true },
];

const FILES = {
  "result.json": "this page as data",
  "recipe.yaml": "the recipe with every value filled in",
  "diagram.svg": "the diagram as a picture",
  "diagram.mmd": "the diagram as text, for Mermaid",
  ".hydra/config.yaml": "the whole configuration",
  "run.log": "the log of the run",
};

function tableOf(title, columns, rows) {
  return rows.length ? section(title, scrolling(title, grid(title, used(columns, rows), rows))) : null;
}

function weightsOf({ loaded, parameters_loaded: many, missing = [], extra = [], saved } = {}) {
  const told = facts([
    ["loaded from", loaded],
    ["parameters loaded", loaded ? shown(many) : null],
    ["missing", missing.join(", ")],
    ["left out", extra.join(", ")],
    ["saved in", saved],
  ]);
  return told ? section("Weights", told) : null;
}

function measurementsOf(run) {
  if (!run.bench.length) return null;
  const { versions = {}, about } = run;
  const told = `Latency is the median of the calls. Measured on ${[run.about.device, placeOf(run.machine ?? {})].filter(Boolean).join(", ")}, with MindSpore ${versions?.mindspore ?? "?"} and ${shown(about.dtype)}.`;
  return section("Measurements", scrolling("Measurements", grid("Measurements", used(BENCH, run.bench), run.bench)), element("p", { class: "said" }, told));
}

/** The machine in a few words: `2 cores of Intel Xeon, Linux x86_64`. */
function placeOf({ cores, processor, system }) {
  const some = cores ? `${count(cores, "core")}${processor ? ` of ${processor}` : ""}` : processor;
  return [some, system].filter(Boolean).join(", ");
}

/** Links to files of the folder of this page, and nowhere else. */
function filesOf(files) {
  const there = ([name, size]) => {
    const href = `./${name.split("/").map(encodeURIComponent).join("/")}`;
    return element("li", {}, element("a", { href }, name), " ", element("span", {}, [FILES[name], bytes(size)].filter(Boolean).join(", ")));
  };
  return files.length ? section("Files", element("ul", { class: "files" }, files.map(there))) : null;
}

function whereOf({ device, machine, versions }) {
  const about = [
    ["device", device ? `${device.got} (${device.why})` : null],
    ["cores", machine?.cores],
    ["processor", machine?.processor],
    ["memory of the machine", machine?.memory ? bytes(machine.memory) : null],
    ["system", machine?.system],
  ];
  const told = facts([...about, ...Object.entries(versions ?? {})]);
  return told ? section("Where it ran", told) : null;
}

/** Links to the sections of the page. */
function contents() {
  const titles = [...document.querySelectorAll(".run > section > h2")];
  titles.forEach((title, at) => (title.id = `section-${at + 1}`));
  return element("nav", { class: "contents", "aria-label": "Sections" }, titles.map((title) => element("a", { href: `#${title.id}` }, title.textContent)));
}

const run = JSON.parse(byId("data").textContent);
byId("verdict").append(badge(run.status ?? "pending"), run.name && run.name !== run.title ? element("span", {}, run.name) : "");
byId("main").append(
  ...details({ ...run, overrides: null }, [measurementsOf(run)]),
  ...[tableOf("Parameters", PARAMETERS, run.parameters), weightsOf(run.weights ?? {}), whereOf(run), filesOf(run.files)].filter(Boolean),
);
byId("verdict").after(contents());
