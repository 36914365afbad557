const TITLE = document.title;

const MARKED = '[fill="#d93a32"]';

const ROOM = 24; // pixels

let table = null; // of layers

let pointed = null; // where the cursor of the editor is

const PARTS = {
  text({ when, planned, files, elsewhere }) {
    const wrong = files.reduce((sum, { errors }) => sum + errors.length, elsewhere.length);
    tell(wrong ? badge("error", count(wrong, "error")) : planned ? badge("passed", "no errors") : element("span", {}, "reading …"));
    byId("when").textContent = clock(when);
    document.title = wrong ? `✕ ${TITLE}` : TITLE;
    const isStale = Boolean(wrong && planned && planned !== when); // a recipe whose plan is not what it expects has one
    byId("stale").hidden = !isStale;
    byId("stale").textContent = `The last plan without errors, of ${clock(planned)}.`;
    for (const id of ["costs", "diagram", "layers"]) byId(id).classList.toggle("stale", isStale);
    const folded = new Map([...byId("text").querySelectorAll("details")].map((one) => [one.dataset.name, !one.open]));
    const shown = files.map((file) => {
      const isOpen = file.errors.length > 0 || !(folded.get(file.name) ?? file.isShipped);
      return element("details", { open: isOpen, "data-name": file.name }, element("summary", {}, element("code", {}, file.name)), sourceOf(file));
    });
    put(byId("text"), ...elsewhere.map((said) => element("pre", { class: "error", tabindex: "0", "aria-label": "Error" }, said)), ...shown);
    for (const box of byId("text").querySelectorAll(".source")) reveal(box, box.querySelector(".explained"));
    pointedLine();
  },
  plan(run) {
    byId("costs").replaceChildren(facts(sumsOf(run.sums)) ?? "");
    const made = new LayerTable(run);
    if (table) made.resume(table);
    table = made;
    table.point(pointed?.layers ?? []);
    put(byId("layers"), made.element);
    byId("layers-section").hidden = false;
  },
  changes({ from, to, edits, through_sizes: through, settings, metrics }) {
    const rows = editRows(
      edits.map((one) => ({ ...one, path: (one.after ?? one.before).paths[0], cost: [one.parameters, one.macs] })),
      [through.parameters, through.macs],
    );
    const both = (name) => [{ name, show: (row) => row[0], head: true }, { name: clock(from), show: (row) => row[1], right: name === "metric" }, { name: clock(to), show: (row) => row[2], right: name === "metric" }];
    const set = Object.entries(settings).map(([key, values]) => [key, ...values.map(settingOf)]);
    byId("changes").replaceChildren(
      element("p", { class: "none" }, `Between the recipe of ${clock(from)} and that of ${clock(to)}.`),
      ...titled("Layers that changed", EDITS, rows),
      ...titled("Settings that changed", both("setting"), set),
      ...titled("Metrics that changed", both("metric"), metrics),
    );
    byId("changes-section").hidden = false;
  },
  diagram(drawn) {
    byId("marked").hidden = !drawn.marked;
    const before = byId("diagram").firstElementChild?.view?.();
    put(byId("diagram"), diagram(drawn));
    byId("diagram").firstElementChild.resume?.(before);
    pointedRows();
    const frame = byId("diagram").querySelector(".drawing");
    if (drawn.marked && frame) reveal(frame, frame.querySelector(MARKED));
  },
  cursor(place) {
    pointed = place;
    const line = pointedLine();
    if (line) reveal(line.closest(".source"), line);
    table?.point(place.layers);
    bringIn(byId("diagram").querySelector(".drawing"), pointedRows());
  },
};

/** Mark the layers that the cursor of the editor is at in the diagram, and return their rows. */
function pointedRows() {
  return byId("diagram").firstElementChild?.point?.(pointed?.layers ?? []) ?? [];
}

/** Scroll a frame only as far as needed to see the first of several, with some room around; not if one is seen. */
function bringIn(frame, rows) {
  if (!rows.length) return;
  const around = frame.getBoundingClientRect();
  const places = rows.map((one) => one.getBoundingClientRect());
  if (places.some((one) => one.left >= around.left && one.right <= around.right && one.top >= around.top && one.bottom <= around.bottom)) return;
  const [inside] = places;
  const needed = (start, end, first, last) => (first < start ? first - start - ROOM : last > end ? Math.min(last - end + ROOM, first - start) : 0);
  const left = needed(around.left, around.left + frame.clientWidth, inside.left, inside.right);
  const top = needed(around.top, around.top + frame.clientHeight, inside.top, inside.bottom);
  const isCalm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  if (left || top) frame.scrollBy({ left, top, behavior: isCalm ? "instant" : "smooth" });
}

/** Mark the line that the cursor of the editor is in, and return it. */
function pointedLine() {
  byId("text").querySelector(".line[aria-current]")?.removeAttribute("aria-current");
  const file = [...byId("text").querySelectorAll("details")].find((one) => one.dataset.name === pointed?.file);
  const line = file?.querySelector(`.line[data-line="${pointed.line + 1}"]`);
  line?.setAttribute("aria-current", "location");
  return line;
}

/** Show a verdict. Screen readers read it aloud, so that the same one is not shown again. */
function tell(verdict) {
  if (byId("verdict").textContent !== verdict.textContent) byId("verdict").replaceChildren(verdict);
}

function clock(seconds) {
  return new Date(1000 * seconds).toLocaleTimeString(undefined, { timeStyle: "medium" });
}

/** Put elements in the place of those before. Focus and scrolling stay as they were. */
function put(box, ...made) {
  const places = () => [...box.querySelectorAll("button, input, summary, [tabindex]")];
  const focus = places().indexOf(document.activeElement);
  const scrolled = [...box.querySelectorAll("[tabindex]")].map((one) => [one.scrollLeft, one.scrollTop]);
  box.replaceChildren(...made);
  box.querySelectorAll("[tabindex]").forEach((one, at) => scrolled[at] && one.scrollTo(...scrolled[at]));
  places()[focus]?.focus({ preventScroll: true });
}

let events = null;

/** Receive what is new; only while the page is seen, because a browser opens few connections at a time. */
function listen() {
  events?.close();
  events = null;
  if (document.hidden) return;
  events = new EventSource("events");
  for (const [name, draw] of Object.entries(PARTS)) events.addEventListener(name, ({ data }) => draw(JSON.parse(data)));
  events.onopen = () => (byId("connection").textContent = "");
  events.onerror = ({ target }) => {
    const isOver = target.readyState === EventSource.CLOSED;
    byId("connection").textContent = isOver ? "Not followed any more; open the address that the command or the editor shows." : "The command or the editor does not answer; it may have ended.";
  };
}

document.addEventListener("visibilitychange", listen);
listen();
