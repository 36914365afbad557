/* The Pareto front: the points that no other is better than in one figure and at least as good as in the other. */

/** The numbers of those on the front, by the first figure. `points` are triples of a number and two figures. */
function paretoFront(points, first, second) {
  const turned = points.map(([at, x, y]) => [at, first === "max" ? -x : x, second === "max" ? -y : y]);
  turned.sort((one, other) => one[1] - other[1] || one[2] - other[2] || one[0] - other[0]);
  const front = [];
  let best = Infinity; // the least of the second figure so far
  let [lastX, lastY] = [NaN, NaN];
  for (const [at, x, y] of turned) {
    if (y < best || (x === lastX && y === lastY)) {
      front.push(at);
      [best, lastX, lastY] = [y, x, y];
    }
  }
  return front;
}
