/**
 * The Pareto front: the jobs than which no other is at least as good in both metrics and better in one.
 *
 * They are in the order of x. Jobs without a number in one of the metrics are ignored.
 */
function paretoFront(jobs, x, y, xbest, ybest) {
  const [a, b] = [xbest === "max" ? -1 : 1, ybest === "max" ? -1 : 1];
  const points = jobs
    .filter((job) => typeof job.get(x) === "number" && typeof job.get(y) === "number")
    .map((job) => ({ job, x: a * job.get(x), y: b * job.get(y) }))
    .sort((one, other) => one.x - other.x || one.y - other.y);
  const front = [];
  for (const point of points) {
    const last = front.at(-1);
    if (!last || point.y < last.y || (point.y === last.y && point.x === last.x)) front.push(point);
  }
  return (a < 0 ? front.reverse() : front).map(({ job }) => job);
}

/** The front as a table, for readers who cannot see the plot. */
function drawFront(front, jobs, x, y, open) {
  const both = x !== y && x.numeric && y.numeric;
  const better = (best) => (best === "max" ? "more" : "less");
  byId("front-note").textContent = both
    ? `${GROUPED.format(front.length)} of ${count(jobs, state.of === "groups" ? "group" : "job")}: no other has ${better(state.xbest)} ${x.label} with as good a ${y.label}, or ${better(state.ybest)} ${y.label} with as good a ${x.label}.`
    : "Choose two different metrics.";
  if (both && aboutBars(front, [x, y]) && state.of === "groups") byId("front-note").textContent += " Means are compared; where intervals overlap, it may be chance.";
  const link = (job) => element("button", { type: "button", class: "link", "aria-haspopup": "dialog", "aria-label": `Open ${job.title}`, onclick: () => open(job) }, state.of === "groups" ? job.label : job.name);
  const columns = [
    { name: state.of === "groups" ? "group" : "job", show: link, head: true },
    { name: x.title, show: (job) => job.show(x), right: true },
    { name: y.title, show: (job) => job.show(y), right: true },
  ];
  byId("front").replaceChildren(...(front.length ? [grid("On the Pareto front", columns, front)] : []));
}
