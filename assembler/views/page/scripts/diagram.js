const SVG = "http://www.w3.org/2000/svg";

const DRAWN = new Set("svg g path polygon polyline ellipse circle rect line text tspan".split(" "));

const ATTRIBUTES = new Set(
  (
    "width height viewBox preserveAspectRatio transform d points x y x1 y1 x2 y2 cx cy r rx ry dx dy fill stroke opacity " +
    "fill-opacity stroke-opacity stroke-width stroke-dasharray stroke-linecap stroke-linejoin text-anchor " +
    "dominant-baseline font-family font-size font-weight font-style letter-spacing textLength lengthAdjust data-box"
  ).split(" "),
);

const LEGEND = [
  ["#3b82d6", "multiplies (has MACs)"],
  ["#1f9e77", "other parameters"],
  ["#d9822b", "joins"],
  ["#9aa2ab", "neither"],
];

/**
 * A diagram as an element: a picture for each depth, one of which is shown; without pictures, its text.
 *
 * SVG is copied element by element, with attributes that draw and no others, so that it cannot run or load anything.
 * The element of a picture has `view`: what its reader chose; `resume`: which shows a later diagram in the same way; and
 * `point`: which marks the layers of some paths, if the rows of the boxes are known.
 */
function diagram({ mermaid, depths, shown, rows = [] }) {
  const pictures = depths.map(parsed).filter(Boolean);
  return pictures.length ? viewing(pictures, Math.min(shown, pictures.length - 1), mermaid, rows) : source(mermaid);
}

function parsed(text) {
  const root = new DOMParser().parseFromString(text, "image/svg+xml").documentElement;
  if (root.namespaceURI !== SVG || root.localName !== "svg") return null;
  const made = drawn(root);
  made.setAttribute("role", "img");
  made.setAttribute("aria-label", "Diagram of the layers; the table of layers has the same values");
  return made;
}

function viewing(pictures, shown, mermaid, rows) {
  const zoomed = element("span", { class: "zoom", role: "status", "aria-label": "Zoom" });
  const viewer = new Viewer((scale) => (zoomed.textContent = `${Math.round(100 * scale)} %`));
  const depths = pictures.map((svg, at) => button(String(at + 1), () => ((isChosen = true), open(at)), { "aria-label": `Depth ${at + 1} of ${pictures.length}`, title: at ? "Unfold blocks" : "Fold all blocks" }));
  let [depth, isChosen] = [shown, false];
  const open = (at) => {
    depth = at;
    depths.forEach((one, other) => one.setAttribute("aria-pressed", String(at === other)));
    viewer.show(pictures[at]);
  };
  open(shown);
  const bar = element(
    "div",
    { class: "bar" },
    pictures.length > 1 ? element("div", { class: "buttons", role: "group", "aria-label": "Depth of blocks" }, element("span", {}, "Depth"), depths) : null,
    element(
      "div",
      { class: "buttons", role: "group", "aria-label": "Zoom" },
      button("−", () => viewer.zoom(1 / STEP), { "aria-label": "Zoom out", title: "Zoom out: -" }),
      zoomed,
      button("+", () => viewer.zoom(STEP), { "aria-label": "Zoom in", title: "Zoom in: +" }),
      button("Fit", () => viewer.fit(), { title: "Show all of it: 0" }),
    ),
    copying("Copy Mermaid", mermaid),
  );
  const made = element("div", { class: "viewer" }, bar, viewer.frame, legend());
  made.view = () => ({ depth, isChosen, ...viewer.view() });
  made.resume = (view) => {
    if (view?.isChosen && view.depth < pictures.length) ((isChosen = true), open(view.depth));
    if (view) viewer.resume(view);
  };
  made.point = (paths) => {
    pictures.forEach((svg, at) => pointRows(svg, rows[at] ?? {}, new Set(paths)));
    return [...pictures[depth].querySelectorAll(".pointed")];
  };
  return made;
}

/** Frame the rows of some layers. A row begins with a strip of its colour; a box without strips is one row. */
function pointRows(svg, rows, paths) {
  for (const one of svg.querySelectorAll(".pointed")) one.remove();
  for (const box of svg.querySelectorAll("[data-box]")) {
    const strips = [...box.querySelectorAll("polygon[points]:not([fill=none], [fill-opacity])")];
    const whole = extent(box.querySelector("path, polygon")?.getAttribute("d") ?? "");
    (rows[box.dataset.box] ?? []).forEach((inside, at) => {
      if (!inside.some((path) => paths.has(path))) return;
      const strip = strips.length ? extent(strips[at]?.getAttribute("points") ?? "") : whole;
      const made = document.createElementNS(SVG, "rect");
      const place = { class: "pointed", x: whole.left + 2, y: strip.top, width: whole.right - whole.left - 4, height: strip.bottom - strip.top, rx: 3 };
      for (const [name, value] of Object.entries(place)) made.setAttribute(name, value);
      box.append(made);
    });
  }
}

/** The sides of a path or of points, whose numbers are x and y in turn. */
function extent(text) {
  const numbers = text.match(/-?[\d.]+/g)?.map(Number) ?? [0, 0];
  const [x, y] = [0, 1].map((odd) => numbers.filter((_, at) => at % 2 === odd));
  return { left: Math.min(...x), right: Math.max(...x), top: Math.min(...y), bottom: Math.max(...y) };
}

function legend() {
  const one = ([colour, text]) => element("span", {}, element("i", { style: `--strip: ${colour}` }), text);
  return element("p", { class: "legend" }, LEGEND.map(one), element("span", {}, element("i", { class: "shade", style: `--strip: ${LEGEND[0][0]}` }), "a folded block"));
}

/** What is shown where no program drew the diagram. */
function source(mermaid) {
  const text = element("pre", { tabindex: "0", "aria-label": "Diagram" }, mermaid);
  const hint = "No program drew this diagram. Install one with “pip install graphviz-pure”, or install Graphviz, and run again. Until then, this is its text in Mermaid’s language.";
  return element("div", { class: "viewer" }, element("p", { class: "legend" }, hint), element("div", { class: "bar" }, copying("Copy Mermaid", mermaid, text)), text);
}

function drawn(original) {
  const made = document.createElementNS(SVG, original.localName);
  for (const { name, value } of original.attributes) {
    if (ATTRIBUTES.has(name) && !/url\s*\(/i.test(value)) made.setAttribute(name, value);
  }
  for (const child of original.childNodes) {
    if (child.nodeType === Node.TEXT_NODE) made.append(child.data);
    else if (child.namespaceURI === SVG && DRAWN.has(child.localName)) made.append(drawn(child));
  }
  return made;
}
