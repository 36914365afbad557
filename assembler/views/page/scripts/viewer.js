const PIXELS = 4 / 3; // of a unit of a diagram, at 100 %
const STEP = 1.25;
const READABLE = 0.6; // a diagram is not shown smaller at first
const LARGEST = 4;

/** A frame around a diagram that zooms; the browser's own scrolling moves it, by wheel, touch and arrow keys. */
class Viewer {
  constructor(report) {
    this.scale = 0;
    this.chosen = false; // whether a person chose the scale
    this.report = report;
    this.frame = element("div", { class: "drawing", tabindex: "0", role: "region", "aria-label": "Diagram; plus and minus zoom, 0 fits, arrow keys move" });
    this.listen();
    new ResizeObserver(() => this.chosen || this.start()).observe(this.frame);
  }

  show(svg) {
    this.svg = svg;
    const [, , width, height] = (svg.getAttribute("viewBox") ?? "0 0 300 150").split(/[\s,]+/).map(Number);
    Object.assign(this, { width: width * PIXELS, height: height * PIXELS });
    this.frame.replaceChildren(svg);
    if (this.chosen) this.set(this.scale);
    else this.start();
  }

  /** What its reader chose. */
  view() {
    return { scale: this.chosen ? this.scale : 0, left: this.frame.scrollLeft, top: this.frame.scrollTop };
  }

  /** Show what is there as another diagram was shown. */
  resume({ scale, left, top }) {
    this.chosen = scale > 0;
    if (this.chosen) this.set(scale);
    else this.start();
    this.frame.scrollTo({ left, top, behavior: "instant" });
  }

  /** As large as the frame is wide, but readable. */
  start() {
    const wide = this.frame.clientWidth / this.width;
    if (wide > 0) this.set(Math.min(1, Math.max(READABLE, wide)));
  }

  /** All of it at once. */
  fit() {
    this.chosen = true;
    this.set(Math.min(1, this.frame.clientWidth / this.width, (0.8 * innerHeight) / this.height));
  }

  zoom(factor, x = this.frame.clientWidth / 2, y = this.frame.clientHeight / 2) {
    this.chosen = true;
    this.set(this.scale * factor, x, y);
  }

  /** Change the scale; what is at a point of the frame stays there. */
  set(scale, x = 0, y = 0) {
    const before = this.scale || 1;
    this.scale = Math.min(LARGEST, Math.max(0.05, scale));
    const by = this.scale / before;
    const [left, top] = [(this.frame.scrollLeft + x) * by - x, (this.frame.scrollTop + y) * by - y];
    this.svg.setAttribute("width", this.scale * this.width);
    this.svg.setAttribute("height", this.scale * this.height);
    this.frame.scrollTo({ left, top, behavior: "instant" });
    this.report(this.scale);
  }

  listen() {
    const { frame } = this;
    const keys = { "+": () => this.zoom(STEP), "=": () => this.zoom(STEP), "-": () => this.zoom(1 / STEP), 0: () => this.fit() };
    frame.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || !keys[event.key]) return;
      event.preventDefault();
      keys[event.key]();
    });
    const at = ({ clientX, clientY }) => [clientX - frame.getBoundingClientRect().left, clientY - frame.getBoundingClientRect().top];
    frame.addEventListener(
      "wheel",
      (event) => {
        if (!event.ctrlKey) return; // also what a touchpad sends for a pinch
        event.preventDefault();
        this.zoom(Math.exp(-Math.max(-50, Math.min(50, event.deltaY)) / 100), ...at(event));
      },
      { passive: false },
    );
    this.drag(frame);
    this.pinch(frame, at);
  }

  drag(frame) {
    frame.addEventListener("pointerdown", (event) => {
      if (event.pointerType === "touch" || event.button !== 0) return;
      if (event.offsetX > frame.clientWidth || event.offsetY > frame.clientHeight) return; // on a scroll bar
      frame.setPointerCapture(event.pointerId);
      frame.classList.add("held");
    });
    frame.addEventListener("pointermove", (event) => {
      if (frame.classList.contains("held")) frame.scrollBy({ left: -event.movementX, top: -event.movementY, behavior: "instant" });
    });
    for (const end of ["pointerup", "pointercancel"]) frame.addEventListener(end, () => frame.classList.remove("held"));
  }

  pinch(frame, at) {
    let before = 0;
    const spread = ([one, other]) => Math.hypot(one.clientX - other.clientX, one.clientY - other.clientY);
    frame.addEventListener("touchstart", ({ touches }) => (before = touches.length === 2 ? spread(touches) : 0), { passive: true });
    frame.addEventListener(
      "touchmove",
      (event) => {
        if (event.touches.length !== 2 || !before) return;
        event.preventDefault();
        const [one, other] = event.touches;
        const middle = { clientX: (one.clientX + other.clientX) / 2, clientY: (one.clientY + other.clientY) / 2 };
        const now = spread(event.touches);
        this.zoom(now / before, ...at(middle));
        before = now;
      },
      { passive: false },
    );
  }
}
