const SVG = "http://www.w3.org/2000/svg";

const DRAWN = new Set("svg g path polygon polyline ellipse circle rect line text tspan title desc".split(" "));

const ATTRIBUTES = new Set(
  (
    "width height viewBox preserveAspectRatio transform d points x y x1 y1 x2 y2 cx cy r rx ry dx dy fill stroke opacity " +
    "fill-opacity stroke-opacity stroke-width stroke-dasharray stroke-linecap stroke-linejoin text-anchor " +
    "dominant-baseline font-family font-size font-weight font-style letter-spacing textLength lengthAdjust"
  ).split(" "),
);

/**
 * A diagram as an element.
 *
 * SVG is copied element by element, with attributes that draw and no others, so that it has the page's colours but
 * cannot run or load anything. Other formats, such as Mermaid, are shown as text.
 */
function diagram(text) {
  if (/^\s*(<\?xml[^>]*>\s*)?(<!--[^]*?-->\s*|<!DOCTYPE[^>]*>\s*)*<svg/i.test(text)) {
    const parsed = new DOMParser().parseFromString(text, "image/svg+xml").documentElement;
    if (parsed.namespaceURI === SVG && parsed.localName === "svg") return framed(drawn(parsed));
  }
  const shownText = element("pre", { tabindex: "0" }, text);
  return element("div", { class: "source" }, copying(text, shownText), shownText);
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

function framed(svg) {
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", "Diagram of the layers; the table of layers has the same values");
  return element("div", { class: "drawing", tabindex: "0", role: "region", "aria-label": "Diagram" }, svg);
}

function copying(text, from) {
  const button = element("button", { type: "button" }, "Copy");
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(from);
      button.textContent = "Selected";
    }
  });
  return button;
}
