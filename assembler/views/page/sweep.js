/* The page of a sweep: its heading, failures, the dialog of a job, and how the parts follow each other. */

const OPEN_AT_FIRST = 5; // more failures than this are folded
const NAMED = 12; // jobs named of one failure

function drawHeading() {
  const same = OVERRIDES.filter(({ varies }) => !varies).map(({ name, distinct }) => `${name}=${distinct[0]}`);
  const varied = OVERRIDES.filter(({ varies }) => varies);
  const told = [count(ROWS.length, "job"), varied.length ? `over ${varied.map(({ name, distinct }) => `${name} (${distinct.length})`).join(", ")}` : ""];
  byId("lead").replaceChildren(told.filter(Boolean).join(" "), ...(same.length ? [el("br"), "all with ", el("code", {}, same.join(" "))] : []));
}

function drawFailures() {
  const message = COLUMN.get("message");
  const groups = new Map();
  let failures = 0;
  ROWS.forEach((row, at) => {
    const status = row[STATUS.at];
    if (status !== "failed" && status !== "error") return;
    failures += 1;
    const key = JSON.stringify([status, message.values[at]]);
    if (!groups.has(key)) groups.set(key, { status, text: message.values[at], jobs: [] });
    groups.get(key).jobs.push(at);
  });
  if (!failures) return;
  byId("failures").hidden = false;
  byId("failures-details").open = groups.size <= OPEN_AT_FIRST;
  byId("failures-title").textContent = `${count(failures, "job")} did not pass`;
  byId("failures-list").replaceChildren(...[...groups.values()].map(({ status, text, jobs }) => el("li", {},
    badge(status), el("p", { class: "message" }, text ?? "no message"),
    el("p", { class: "of" }, el("span", { class: "muted" }, jobs.length === 1 ? "job" : `${jobs.length} jobs`), jobs.slice(0, NAMED).map(openButton), jobs.length > NAMED ? el("span", { class: "muted" }, `and ${jobs.length - NAMED} more in the table`) : null))));
}

// ---- the dialog

const pooled = (number) => (number === undefined ? null : DATA.pool[number]);
let opened = null;
let opener = null;

/** The path of a job's file from the page. */
const fileOf = (job, name) => `./${[...job.split("/"), name].map(encodeURIComponent).join("/")}`;

function openJob(at, from) {
  if (from) opener = from;
  opened = at;
  const job = ROWS[at][0];
  const left = DATA.jobs[job] ?? {};
  const message = COLUMN.get("message").values[at];
  byId("dialog-title").textContent = `Job ${job}`;
  byId("dialog-status").replaceChildren(badge(ROWS[at][STATUS.at]));
  byId("dialog-links").replaceChildren(...["result.json", "output.txt"].map((name) => el("a", { href: fileOf(job, name) }, name)));
  const overrides = left.overrides ?? OVERRIDES.filter(({ values }) => values[at] !== null).map(({ name, values }) => `${name}=${values[at]}`);
  byId("dialog-body").replaceChildren(...[
    overridesPart(overrides), errorPart(pooled(left.error) ?? message), checksPart(left.checks),
    layersPart(pooled(left.layers), pooled(left.sums)), diagramPart(pooled(left.diagram), `Diagram of job ${job}`),
    figuresPart(at), timesPart(left.seconds), aboutPart(pooled(left.about), left.started),
  ].filter(Boolean));
  const place = shown.indexOf(at);
  byId("dialog-before").disabled = place <= 0;
  byId("dialog-after").disabled = place < 0 || place === shown.length - 1;
  const dialog = byId("dialog");
  if (!dialog.open) dialog.showModal();
  byId("dialog-body").scrollTop = 0;
  byId("dialog-title").focus();
}

function figuresPart(at) {
  const there = FIGURES.filter(({ name, values }) => values[at] !== null && !name.startsWith("plan.") && !name.startsWith("check"));
  return there.length ? section("Figures", null, pairs(there.map(({ name, show, values }) => [name, show(values[at])]))) : null;
}

function startDialog() {
  const dialog = byId("dialog");
  const step = (by) => { const next = shown[shown.indexOf(opened) + by]; if (next !== undefined) openJob(next); };
  byId("dialog-before").addEventListener("click", () => step(-1));
  byId("dialog-after").addEventListener("click", () => step(1));
  byId("dialog-close").addEventListener("click", () => dialog.close());
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  dialog.addEventListener("close", () => {
    const current = byId("body").querySelector(`button[data-row="${opened}"]`);
    (opener?.isConnected && opener.matches("button") ? opener : current)?.focus();
  });
}

// ---- all together

function drawCharts() {
  later(drawScatter);
  if (!brushing) later(drawParallel);
}

function startCharts() {
  startScatter();
  startParallel();
  onChange((rows) => { if (rows) drawCharts(); });
  DARK.addEventListener("change", () => { later(drawScatter); later(drawParallel); });
  window.addEventListener("beforeprint", () => { Plotly.Plots.resize("scatter"); });
}

function start() {
  drawHeading();
  drawFailures();
  startDialog();
  startTable();
  tameMenus();
  if (!ROWS.length || !CHARTABLE.length) {
    byId("charts").hidden = true;
    return;
  }
  requestAnimationFrame(() => setTimeout(startCharts)); // the table first
}

start();
