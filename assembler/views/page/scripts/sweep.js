let visible = []; // the jobs or groups in the table, in its order

/** Update the page to the state. */
function update() {
  showChosen();
  const fit = fitting();
  const kept = brushed(fit);
  const front = frontOf(kept);
  visible = ordered(state.front ? front : kept);
  drawRows(visible);
  tellShown(kept);
  remember();
  return { fit, kept, front };
}

function frontOf(jobs) {
  const [x, y] = [COLUMN.get(state.x), COLUMN.get(state.y)];
  return x && y && x !== y && x.numeric && y.numeric ? paretoFront(jobs, x, y, state.xbest, state.ybest) : [];
}

function tellShown(kept) {
  const total = items().length;
  const what = state.of === "groups" ? "group" : "job";
  const all = visible.length === total;
  const why = [kept.length < total && state.front ? `on the Pareto front of the matching ${what}s` : state.front ? "on the Pareto front" : "", ranges.size ? "within the ranges" : ""];
  byId("shown").textContent = all ? `all ${count(total, what)}` : [`${GROUPED.format(visible.length)} of ${count(total, what)}`, ...why.filter(Boolean)].join(", ");
}

function drawPlots({ parallel = true } = {}) {
  if (!METRICS.length || typeof Plotly === "undefined") return;
  const fit = fitting();
  const kept = brushed(fit);
  const front = frontOf(kept);
  drawFront(front, kept.length, COLUMN.get(state.x), COLUMN.get(state.y), open);
  drawScatter(kept, front, open);
  if (parallel) drawParallelWhenSeen(fit);
}

const drawPlotsSoon = quietly(drawPlots, 150);

let parallelOf = null; // jobs that its plot does not show yet

let parallelSeen = true; // the first drawing does not wait

const drawParallelSoon = quietly(() => {
  if (!parallelOf || !parallelSeen) return;
  const jobs = parallelOf;
  parallelOf = null;
  drawParallel(jobs, () => (update(), drawPlots({ parallel: false })));
  parallelWatch.observe(byId("parallel-section"));
}, 100);

const parallelWatch = new IntersectionObserver(([entry]) => {
  parallelSeen = entry.isIntersecting;
  drawParallelSoon();
});

/** The slowest plot is drawn again only when it is visible. */
function drawParallelWhenSeen(jobs) {
  parallelOf = jobs;
  drawParallelSoon();
}

function changed() {
  update();
  drawPlotsSoon();
}

/** Show groups instead of jobs, or jobs instead of groups. */
function switched() {
  ranges.clear();
  fillPlotControls();
  drawHead();
  changed();
}

/** Open a job or a group over the page. */
function open(item) {
  if (!item) return;
  const dialog = byId("job");
  const isGroup = item instanceof Group;
  byId("job-title").textContent = isGroup ? `Group ${item.label}` : `Job ${item.name}`;
  byId("job-status").replaceChildren(badge(item.status, statusOf(item)));
  byId("job-details").replaceChildren(...(isGroup ? groupDetails(item, open).filter(Boolean) : jobDetails(item)));
  byId("job-details").scrollTop = 0;
  const at = visible.indexOf(item);
  for (const [id, other] of [["job-before", visible[at - 1]], ["job-after", at < 0 ? null : visible[at + 1]]]) {
    byId(id).disabled = !other;
    byId(id).onclick = () => open(other);
  }
  if (!dialog.open) dialog.showModal();
  Object.assign(state, isGroup ? { group: item.name, job: "" } : { group: "", job: item.name });
  remember();
}

function jobDetails(job) {
  const left = job.details();
  const message = COLUMN.has("message") && !left.error ? job.get(COLUMN.get("message")) : null;
  const typed = left.overrides ?? OVERRIDES.filter((column) => job.get(column) !== null).map((column) => `${column.name}=${job.get(column)}`);
  const nothing = !left.layers && !left.checks && !left.error && !message;
  return [
    comparing(job, left, () => open(job)),
    ...(message ? [element("p", { class: "message" }, message)] : []),
    ...details({ ...left, overrides: typed }),
    ...(nothing ? [element("p", { class: "none" }, "It has no results yet.")] : []),
  ];
}

function listen() {
  listenToTable(update, open);
  byId("text").addEventListener("input", () => {
    state.text = byId("text").value;
    changed();
  });
  byId("tools").addEventListener("submit", (event) => event.preventDefault());
  byId("reset").addEventListener("click", () => {
    const before = state.columns;
    Object.assign(state, structuredClone({ text: START.text, status: START.status, only: START.only, sort: START.sort, columns: START.columns, front: START.front }));
    ranges.clear();
    if (before.join() !== state.columns.join()) drawHead();
    markSorted();
    changed();
  });
  byId("job-close").addEventListener("click", () => byId("job").close());
  byId("job").addEventListener("click", (event) => event.target === byId("job") && byId("job").close());
  byId("job").addEventListener("close", () => {
    state.job = state.group = "";
    remember();
  });
  for (const id of ["columns", "axes"]) closing(byId(id));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => drawPlots());
}

drawCounts(changed);
drawFailures(open);
drawChoices(changed);
drawTicks("columns-ticks", COLUMNS.filter((column) => column.kind !== "job" && !column.empty), "columns", () => (drawHead(), update()));
drawTicks("axes-ticks", COLUMNS.filter((column) => OVERRIDES.includes(column) || METRICS.includes(column)).filter((column) => !column.empty), "axes", changed);
drawPlotControls(changed);
drawGroupControls(switched, () => (drawHead(), changed()));
drawCommon();
drawHead();
listen();
if (!METRICS.length) for (const id of ["scatter-section", "parallel-section"]) byId(id).hidden = true;
const asked = JOB.get(state.job) ?? (state.group ? GROUPS[state.group] : null);
update();
if (asked) open(asked);
follow();
document.documentElement.dataset.drawn = "true";
requestAnimationFrame(() => setTimeout(startPlots)); // once the table is painted

/** Run the library of the plots, which takes a while. */
function startPlots() {
  document.head.append(element("script", {}, byId("plotly").textContent));
  drawPlots();
}
