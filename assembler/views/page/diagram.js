/* Diagrams. An SVG is copied element by element, and only what draws is taken along: no scripts, listeners, links or
   foreign content. Inside the page, unlike in an <img>, its text can be selected and its ink follows the page's. */

const SVG = "http://www.w3.org/2000/svg";
const DRAWS = new Set(["svg", "g", "path", "polygon", "polyline", "line", "rect", "circle", "ellipse", "text", "tspan", "title"]);
const TELLS = new Set(("class viewBox width height x y x1 y1 x2 y2 cx cy r rx ry dx dy d points transform fill stroke " +
  "fill-opacity stroke-opacity opacity stroke-width stroke-dasharray stroke-linecap stroke-linejoin text-anchor " +
  "dominant-baseline font-family font-size font-weight font-style textLength lengthAdjust").split(" "));
const INK = { black: "currentColor", "#000000": "currentColor", "#000": "currentColor", white: "none", "#ffffff": "none" };

function copySvg(from) {
  const to = document.createElementNS(SVG, from.localName);
  for (const { name, value } of from.attributes) {
    if (!TELLS.has(name) || /url\s*\(/i.test(value)) continue;
    to.setAttribute(name, name === "fill" || name === "stroke" ? INK[value.toLowerCase()] ?? value : value);
  }
  for (const child of from.childNodes) appendSvg(to, child);
  return to;
}

function appendSvg(to, child) {
  if (child.nodeType === Node.TEXT_NODE) to.append(child.data);
  else if (child.nodeType !== Node.ELEMENT_NODE || child.namespaceURI !== SVG) return;
  else if (DRAWS.has(child.localName)) to.append(copySvg(child));
  else if (child.localName === "a") for (const inner of child.childNodes) appendSvg(to, inner);
}

/** A diagram: SVG is drawn, any other text is shown with a button that copies it. */
function diagram(text, label) {
  if (/^\s*<svg[\s>]/.test(text)) {
    const parsed = new DOMParser().parseFromString(text, "image/svg+xml");
    if (!parsed.querySelector("parsererror") && parsed.documentElement.localName === "svg") {
      const drawn = copySvg(parsed.documentElement);
      drawn.setAttribute("role", "img");
      drawn.setAttribute("aria-label", label);
      return el("div", { class: "diagram", tabindex: "0", role: "region", "aria-label": `${label}, scrollable` }, drawn);
    }
  }
  return el("div", { class: "code" }, copyButton(text), el("pre", { tabindex: "0" }, text));
}
