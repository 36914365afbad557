const FEW = 12; // jobs and messages that are shown at first

/** The jobs that did not pass, grouped by message, at the top of the page. */
function drawFailures(open) {
  const bad = JOBS.filter((job) => job.status !== "passed" && job.status !== "pending");
  if (!bad.length) return;
  const message = COLUMN.get("message");
  const groups = new Map();
  for (const job of bad) {
    const text = (message && job.get(message)) || "no message";
    const key = `${job.status}\n${text}`;
    if (!groups.has(key)) groups.set(key, { text, status: job.status, jobs: [] });
    groups.get(key).jobs.push(job);
  }
  const sorted = [...groups.values()].sort((one, other) => other.jobs.length - one.jobs.length);
  const several = sorted.length > 1 && sorted.length < bad.length ? `, ${count(sorted.length, "message")}` : "";
  const list = element("ul", { class: "messages" });
  growing(list, sorted, (group) => groupOf(group, open), "message");
  const title = element("h2", { id: "failures-title" }, `${count(bad.length, "job")} did not pass${several}`);
  const folded = element("details", { open: sorted.length <= FEW / 2 }, element("summary", {}, title), list);
  byId("failures").append(folded);
  byId("failures").setAttribute("aria-labelledby", "failures-title");
  byId("failures").hidden = false;
}

function groupOf({ text, status, jobs }, open) {
  const links = element("ul", { class: "links", "aria-label": "Jobs" });
  const link = (job) => element("li", {}, element("button", { type: "button", class: "link", "aria-haspopup": "dialog", "aria-label": `Job ${job.name}`, onclick: () => open(job) }, job.name));
  growing(links, jobs, link, "job");
  const which = jobs.length === 1 ? "job" : count(jobs.length, "job");
  return element("li", {}, badge(status), element("div", {}, element("p", { class: "message" }, text), element("div", { class: "which" }, which, links)));
}

/** Fill a list with the first few, and a button that adds the others. */
function growing(list, items, make, what) {
  list.append(...items.slice(0, FEW).map(make));
  if (items.length <= FEW) return;
  const button = element("button", { type: "button" }, `${count(items.length - FEW, `more ${what}`)}`);
  button.addEventListener("click", () => {
    list.lastElementChild.remove();
    list.append(...items.slice(FEW).map(make));
    list.children[FEW].querySelector("button")?.focus();
  });
  list.append(element("li", {}, button));
}
