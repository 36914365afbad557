/*
 * The fewest edits that lead from one model to another, as assembler/views/diff/script.py finds them; a test compares
 * the two. A part is removed or added at a cost by its size, replaced at a cost by both sizes, or changed.
 */
const ONE_SIDED = 4;
const REPLACED = 3;
const TEXT = 4;
const MAX_PAIRS = 1e6; // of parts that are compared to align two lists; in longer ones, parts are paired by position

/** Rows of parts in reading order → the parts of the first level. Parts that are written alike have the same key. */
function partsOf(rows, keys) {
  const top = [];
  const path = [];
  for (const [level, kind, text, where, parameters, macs] of rows) {
    const part = { kind, text, path: where, own: [Number(parameters), Number(macs)], inside: [] };
    path.length = Math.min(level, path.length);
    (path.at(-1)?.inside ?? top).push(part);
    path.push(part);
  }
  top.forEach((part) => weighed(part, keys));
  return top;
}

/** Give a part its key, its size and its costs, which include those of the parts in it. */
function weighed(part, keys) {
  part.inside.forEach((one) => weighed(one, keys));
  const about = JSON.stringify([part.kind, part.text, part.inside.map(({ key }) => key)]);
  if (!keys.has(about)) keys.set(about, keys.size);
  part.key = keys.get(about);
  part.size = 1 + part.inside.reduce((sum, one) => sum + one.size, 0);
  part.all = part.own.map((own, at) => own + part.inside.reduce((sum, one) => sum + one.all[at], 0));
}

/** The edits between two lists of parts; equal ones are one. `redefined`: the blocks that are defined otherwise. */
function edits(before, after, redefined) {
  const found = new Map();
  for (const one of new Aligner(redefined).edits(before, after)) {
    const whole = !one.before || !one.after;
    const key = JSON.stringify([one.before, one.after].map((part) => part && (whole ? part.key : [part.kind, part.text])));
    const first = found.get(key);
    if (!first) found.set(key, one);
    else {
      first.times += 1;
      first.cost = first.cost.map((sum, at) => sum + one.cost[at]);
    }
  }
  return [...found.values()];
}

function edit(before, after, own = false) {
  const side = (part) => (part ? (own ? part.own : part.all) : [0, 0]);
  return { before, after, times: 1, path: (after ?? before).path, cost: [0, 1].map((at) => side(after)[at] - side(before)[at]) };
}

class Aligner {
  constructor(redefined) {
    Object.assign(this, { redefined, costs: new Map() });
  }

  *edits(before, after) {
    for (const [old, now] of this.aligned(before, after)) {
      if (!old || !now || !this.isSame(old, now)) yield edit(old, now);
      else if (old.key !== now.key) yield* this.changed(old, now);
    }
  }

  *changed(old, now) {
    const follows = this.follows(old, now);
    if (old.text !== now.text) yield edit(old, now, !follows);
    if (!follows) yield* this.edits(old.inside, now.inside);
  }

  /** Whether all that differs inside follows from the arguments of a block. */
  follows(old, now) {
    return old.kind.startsWith("block ") && old.text !== now.text && !this.redefined.has(old.kind.slice(6));
  }

  isSame(old, now) {
    return old.kind === now.kind && this.innerCost(old, now) <= REPLACED * (old.size + now.size);
  }

  cost(old, now) {
    if (old.key === now.key) return 0;
    const key = `${old.key} ${now.key}`;
    if (!this.costs.has(key)) {
      const replaced = REPLACED * (old.size + now.size);
      this.costs.set(key, old.kind === now.kind ? Math.min(replaced, this.innerCost(old, now)) : replaced);
    }
    return this.costs.get(key);
  }

  innerCost(old, now) {
    const own = old.text === now.text ? 0 : TEXT;
    if (this.follows(old, now)) return own;
    return this.aligned(old.inside, now.inside).reduce((sum, pair) => sum + this.pairCost(...pair), own);
  }

  pairCost(old, now) {
    return old && now ? this.cost(old, now) : ONE_SIDED * (old ?? now).size;
  }

  /** Pairs of parts in order, by the least cost; null where a part has no other. */
  aligned(before, after) {
    const shorter = Math.min(before.length, after.length);
    let head = 0;
    while (head < shorter && before[head].key === after[head].key) head += 1;
    let tail = 0;
    while (tail < shorter - head && before.at(-1 - tail).key === after.at(-1 - tail).key) tail += 1;
    const middle = this.least(before.slice(head, before.length - tail), after.slice(head, after.length - tail));
    const pairs = (from, to, start) => before.slice(from, to).map((old, at) => [old, after[start + at]]);
    return [...pairs(0, head, 0), ...middle, ...pairs(before.length - tail, before.length, after.length - tail)];
  }

  least(before, after) {
    if (before.length * after.length > MAX_PAIRS) return Array.from({ length: Math.max(before.length, after.length) }, (_, at) => [before[at] ?? null, after[at] ?? null]);
    const least = Array.from({ length: before.length + 1 }, () => new Array(after.length + 1).fill(0)); // what the parts from i and j on cost
    for (let i = before.length - 1; i >= 0; i--) least[i][after.length] = least[i + 1][after.length] + ONE_SIDED * before[i].size;
    for (let j = after.length - 1; j >= 0; j--) least[before.length][j] = least[before.length][j + 1] + ONE_SIDED * after[j].size;
    for (let i = before.length - 1; i >= 0; i--) {
      for (let j = after.length - 1; j >= 0; j--) {
        const paired = this.cost(before[i], after[j]) + least[i + 1][j + 1];
        least[i][j] = Math.min(paired, ONE_SIDED * before[i].size + least[i + 1][j], ONE_SIDED * after[j].size + least[i][j + 1]);
      }
    }
    return [...this.walked(before, after, least)];
  }

  /** The pairs of the least cost. Of equal costs, parts are paired first. */
  *walked(before, after, least) {
    let [i, j] = [0, 0];
    while (i < before.length || j < after.length) {
      if (i < before.length && j < after.length && least[i][j] === this.cost(before[i], after[j]) + least[i + 1][j + 1]) yield [before[i++], after[j++]];
      else if (i < before.length && least[i][j] === ONE_SIDED * before[i].size + least[i + 1][j]) yield [before[i++], null];
      else yield [null, after[j++]];
    }
  }
}
