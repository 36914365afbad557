const OPEN = 30; // blocks are unfolded as deep as their rows stay within this number

const MOST = 500; // rows that are shown until more are asked for

const LONG = 28; // characters of a shape that are shown; its tooltip has all

const LAYER = { level: 0, name: 1, times: 2, arguments: 3, input: 4, output: 5, layers: 6, parameters: 7, macs: 8, memory: 9, path: 10 };

/** The columns after the name; those with a total are numbers. */
const FIGURES = [
  { name: "parameters", at: LAYER.parameters, total: "parameters", share: true, show: shown },
  { name: "MACs", at: LAYER.macs, total: "macs", share: true, show: shown },
  { name: "memory", at: LAYER.memory, total: "memory", show: bytes },
  { name: "output", at: LAYER.output, total: "output", show: shown },
  { name: "input", at: LAYER.input, total: "input", show: shown },
  { name: "path", at: LAYER.path, show: shown },
];

/** A row of the table with the rows in it. */
class Layer {
  constructor(values, at) {
    Object.assign(this, { values, at, around: null, inside: [], open: false, isFound: true, leads: false });
  }

  get level() {
    return this.values[LAYER.level];
  }

  get words() {
    return (this.text ??= [LAYER.name, LAYER.arguments, LAYER.input, LAYER.output, LAYER.path].map((at) => this.values[at] ?? "").join("\n").toLowerCase());
  }

  /** Whether a row around this one is what was searched for. */
  get isBelow() {
    return this.around !== null && (this.around.isFound || this.around.isBelow);
  }
}

/** Rows in reading order, each with its level → the rows of the first level. */
function grown(rows) {
  const path = [];
  const top = [];
  rows.forEach((values, at) => {
    const one = new Layer(values, at);
    path.length = one.level;
    one.around = path.at(-1) ?? null;
    (one.around?.inside ?? top).push(one);
    path.push(one);
  });
  return top;
}

function* walked(layers) {
  for (const one of layers) {
    yield one;
    yield* walked(one.inside);
  }
}

/** The layers of a model as a table: blocks that fold, or all layers; sums, shares, search and order. */
class LayerTable {
  constructor(run) {
    this.sums = run.sums ?? {};
    this.trees = new Map();
    if (run.tree?.some((row) => row[LAYER.level] > 0 || row[LAYER.times] > 1)) this.trees.set("blocks", grown(run.tree));
    this.trees.set("layers", grown(run.layers));
    this.tree = this.trees.values().next().value;
    Object.assign(this, { many: run.layers.length, text: "", sort: null, down: false, most: MOST, pointed: new Set() });
    this.levels = [...walked(this.tree)].reduce((levels, { level }) => ((levels[level] = (levels[level] ?? 0) + 1), levels), []);
    this.unfold(this.fitting());
    this.body = element("tbody", {});
    this.heads = [{ name: "layer", at: LAYER.name }, ...FIGURES].map((one) => this.head(one));
    const table = element("table", { class: "grid layers" }, element("caption", { class: "hidden" }, "Layers"), element("thead", {}, element("tr", {}, this.heads), this.totals()), this.body);
    this.told = element("p", { role: "status", "aria-live": "polite" });
    this.more = button("", () => ((this.most = Infinity), this.draw()));
    this.element = element("div", { class: "layer-table" }, this.controls(), scrolling("Layers", table), this.more);
    table.addEventListener("keydown", (event) => this.press(event));
    this.draw();
  }

  /** Take over what the reader of an earlier plan's table chose. */
  resume(before) {
    const key = ({ values }) => JSON.stringify([LAYER.level, LAYER.name, LAYER.path].map((at) => values[at]));
    const isOpen = (one) => before.opened?.includes(one) ?? one.open; // a search opens others for a while
    const known = new Map([...walked(before.trees.get("blocks") ?? [])].map((one) => [key(one), isOpen(one)]));
    for (const one of walked(this.trees.get("blocks") ?? [])) one.open = known.get(key(one)) ?? one.open;
    const name = [...before.trees.keys()].find((one) => before.trees.get(one) === before.tree);
    Object.assign(this, { sort: before.sort, down: before.down, most: before.most, tree: this.trees.get(name) ?? this.tree });
    this.element.querySelector("input").value = before.text;
    this.search(before.text);
  }

  /** Mark the rows of layers by their paths, and folded blocks that contain one. */
  point(paths) {
    this.pointed = new Set(paths);
    this.draw();
  }

  isPointed(one) {
    return one.inside.length ? !one.open && one.inside.some((inner) => this.isPointed(inner)) : this.pointed.has(one.values[LAYER.path]);
  }

  /** As many levels as fit. */
  fitting() {
    let rows = 0;
    const deepest = this.levels.findIndex((many, level) => (rows += many) > OPEN && level > 0);
    return deepest < 0 ? this.levels.length : deepest;
  }

  controls() {
    const search = element("input", { type: "search", placeholder: "name, shape or path", autocomplete: "off", spellcheck: "false", oninput: () => this.search(search.value) });
    const group = (label, buttons, kind = "buttons") => element("div", { class: kind, role: "group", "aria-label": label }, buttons);
    this.views = [...this.trees.keys()].map((name) => button(name === "blocks" ? "Blocks" : `All ${count(this.many, "layer")}`, () => this.view(name)));
    this.depths = this.levels.map((_, at) => button(String(at + 1), () => (this.unfold(at + 1), this.draw()), { "aria-label": `Depth ${at + 1} of ${this.levels.length}` }));
    this.depth = this.depths.length > 1 ? group("Depth of the table", [element("span", {}, "Depth"), this.depths]) : null;
    return element(
      "div",
      { class: "tools" },
      element("label", { class: "field wide" }, element("span", {}, "Search layers"), search),
      this.views.length > 1 ? group("Rows", this.views, "switch") : null,
      this.depth,
      this.told,
    );
  }

  head(column) {
    const sort = button("", () => this.order(column.at), { class: "name" });
    sort.append(column.name);
    return element("th", { scope: "col", class: isNumber(column) ? "right" : null }, sort);
  }

  /** The row of the whole model, which stays in sight. */
  totals() {
    const all = FIGURES.map((one) => this.cell(one, this.sums[one.total] ?? ""));
    return element("tr", { class: "all" }, element("th", { scope: "row" }, `all ${count(this.many, "layer")}`), all);
  }

  view(name) {
    this.tree = this.trees.get(name);
    this.search(this.text);
  }

  unfold(levels) {
    for (const one of walked(this.trees.get("blocks") ?? [])) one.open = one.level + 1 < levels;
  }

  /** Find rows by words, each of which has to be in one of their texts; what is around them is unfolded. */
  search(text) {
    const words = text.toLowerCase().split(/\s+/).filter(Boolean);
    if (words.length && !this.text) this.opened = [...walked(this.trees.get("blocks") ?? [])].filter((one) => one.open);
    this.text = words.length ? text : "";
    const all = [...walked(this.tree)];
    for (const one of all) Object.assign(one, { isFound: words.every((word) => one.words.includes(word)), leads: false });
    if (words.length) {
      for (const one of all.filter(({ isFound }) => isFound)) for (let up = one.around; up && !up.leads; up = up.around) up.leads = up.open = true;
    } else if (this.opened) {
      this.unfold(0);
      for (const one of this.opened) one.open = true;
      this.opened = null;
    }
    this.draw();
  }

  /** Order the rows by a column: numbers and then texts, the other way round, and as in the model. */
  order(at) {
    const first = FIGURES.some((one) => one.at === at && isNumber(one));
    if (this.sort !== at) Object.assign(this, { sort: at, down: first });
    else if (this.down === first) this.down = !first;
    else this.sort = null;
    this.draw();
  }

  ordered(layers) {
    if (this.sort === null) return layers;
    const sign = this.down ? -1 : 1;
    const value = ({ values }) => values[this.sort] ?? "";
    const less = (one, other) => (typeof one === "number" && typeof other === "number" ? one - other : ORDER.compare(String(one), String(other)));
    return [...layers].sort((one, other) => sign * less(value(one), value(other)));
  }

  *visible(layers) {
    for (const one of this.ordered(layers)) {
      if (!(one.isFound || one.leads || one.isBelow)) continue;
      yield one;
      if (one.open) yield* this.visible(one.inside);
    }
  }

  draw() {
    const rows = [...this.visible(this.tree)];
    const focus = document.activeElement?.closest?.("tr[data-at]")?.dataset.at;
    this.body.replaceChildren(...rows.slice(0, this.most).map((one) => this.row(one)));
    if (focus !== undefined) this.body.querySelector(`tr[data-at="${focus}"] button`)?.focus();
    this.heads.forEach((head, at) => {
      const isSorted = this.sort === [LAYER.name, ...FIGURES.map((one) => one.at)][at];
      if (isSorted) head.setAttribute("aria-sort", this.down ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    });
    const isBlocks = this.tree === this.trees.get("blocks");
    this.views.forEach((one, at) => one.setAttribute("aria-pressed", String([...this.trees.values()][at] === this.tree)));
    if (this.depth) this.depth.hidden = !isBlocks;
    const open = [...walked(this.tree)].filter((one) => one.inside.length);
    this.depths.forEach((one, at) => one.setAttribute("aria-pressed", String(open.every((layer) => layer.open === layer.level < at))));
    this.more.hidden = rows.length <= this.most;
    this.more.textContent = `Show ${GROUPED.format(rows.length - this.most)} more rows`;
    const found = this.text ? [...walked(this.tree)].filter((one) => one.isFound).length : 0;
    this.told.textContent = this.text ? (found ? `${count(found, "row")} found` : `nothing found${isBlocks ? "; All layers shows each path" : ""}`) : "";
  }

  row(one) {
    const { values } = one;
    const name = one.inside.length
      ? button(shown(values[LAYER.name]), () => ((one.open = !one.open), this.draw()), { class: "fold", "aria-expanded": String(one.open) })
      : element("span", { class: "leaf" }, shown(values[LAYER.name]));
    const times = values[LAYER.times] > 1 ? element("span", { class: "times" }, ` × ${GROUPED.format(values[LAYER.times])}`) : null;
    const written = values[LAYER.arguments] ? element("code", {}, shown(values[LAYER.arguments])) : null;
    const head = element("th", { scope: "row", style: `--level: ${one.level}` }, name, times, written && " ", written);
    return element("tr", { "data-at": one.at, class: one.inside.length ? "block" : null, "aria-current": this.isPointed(one) ? "location" : null }, head, FIGURES.map((column) => this.cell(column, values[column.at])));
  }

  cell(column, value) {
    const whole = this.sums[column.total];
    const hasShare = column.share && typeof value === "number" && typeof whole === "number" && value > 0 && whole > 0;
    const part = hasShare ? value / whole : 0;
    const share = column.share ? element("span", { class: "share-of" }, hasShare ? percent(part) : "") : null;
    const kind = value === 0 ? `${kindOf(column)} zero` : kindOf(column);
    const title = typeof value === "string" && value.length > LONG ? value : null;
    return element("td", { class: kind, title, style: hasShare ? `--part: ${part.toFixed(4)}` : null }, column.show(value), share);
  }

  /** Arrow keys, as in any tree: right unfolds, left folds or leads to what is around, up and down lead on. */
  press(event) {
    const row = event.target.closest?.("tr[data-at]");
    const one = row && [...walked(this.tree)].find(({ at }) => String(at) === row.dataset.at);
    if (!one || event.ctrlKey || event.metaKey || event.altKey) return;
    const buttons = [...this.body.querySelectorAll("button.fold")];
    const lead = (other) => other?.focus();
    const keys = {
      ArrowRight: () => (one.open ? lead(buttons[buttons.indexOf(event.target) + 1]) : ((one.open = true), this.draw())),
      ArrowLeft: () => (one.open ? ((one.open = false), this.draw()) : one.around && lead(this.body.querySelector(`tr[data-at="${one.around.at}"] button`))),
      ArrowDown: () => lead(buttons[buttons.indexOf(event.target) + 1]),
      ArrowUp: () => lead(buttons[buttons.indexOf(event.target) - 1]),
    };
    if (!keys[event.key]) return;
    event.preventDefault();
    keys[event.key]();
  }
}

function isNumber(column) {
  return [LAYER.parameters, LAYER.macs, LAYER.memory].includes(column.at);
}

function kindOf(column) {
  return isNumber(column) ? (column.share ? "right part" : "right") : "code";
}

function percent(part) {
  return part < 0.001 ? "<0.1 %" : `${(100 * part).toFixed(1)} %`;
}
