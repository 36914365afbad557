const CALM = 3; // seconds since the reader's last move, after which a reload does not disturb

/** Follow a running sweep: reload the page, which is written anew as jobs end, unless told not to. */
function follow() {
  const running = DATA.running;
  byId("follow").hidden = !running;
  if (!running) return;
  const box = byId("follow-box");
  box.checked = state.follow;
  box.addEventListener("change", () => {
    state.follow = box.checked;
    remember();
    tell();
  });
  let moved = 0;
  for (const event of ["pointerdown", "pointermove", "keydown", "wheel", "scroll"]) {
    addEventListener(event, () => (moved = performance.now()), { capture: true, passive: true });
  }
  restorePlace();
  moved = -Infinity;
  const tell = () => {
    const ended = JOBS.filter((job) => job.status !== "pending").length;
    byId("follow-note").textContent = [`Running: ${GROUPED.format(ended)} of ${count(JOBS.length, "job")} ended, as of ${moment(running.written * 1e3)}.`, whyNot()].filter(Boolean).join(" ");
  };
  const whyNot = () => {
    if (silence() > 3 * running.next) return "No news since; the sweep may have been stopped.";
    return state.follow && (ranges.size || zoomed()) ? "It waits while a part of a plot is selected." : "";
  };
  const silence = () => Date.now() / 1e3 - running.written;
  const busy = () => byId("job").open || document.querySelector("details.menu[open]") || !getSelection().isCollapsed || performance.now() - moved < CALM * 1e3;
  tell();
  setInterval(() => {
    tell();
    if (!state.follow || whyNot() || busy() || document.hidden) return;
    keepPlace();
    location.reload();
  }, EVERY);
}

const EVERY = 5000; // milliseconds between two reloads

function zoomed() {
  const layout = byId("scatter").layout;
  return Boolean(layout) && [layout.xaxis, layout.yaxis].some((axis) => axis?.autorange === false);
}

/** Keep where the reader is, for the page after the reload. */
function keepPlace() {
  const place = { page: scrollY, table: [byId("jobs").scrollLeft, byId("jobs").scrollTop], focus: document.activeElement?.id };
  history.replaceState({ place }, "");
}

function restorePlace() {
  const place = history.state?.place;
  if (!place) return;
  scrollTo(0, place.page);
  byId("jobs").scrollTo(...place.table);
  if (place.focus) byId(place.focus)?.focus({ preventScroll: true });
}
