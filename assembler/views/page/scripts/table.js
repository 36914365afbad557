const ALL = 200; // up to so many rows are all in the page, where the browser's search finds them; of more, those in view

const BESIDE = 15; // rows above and below the view

let listed = []; // the jobs or groups of the table, in order

let rowHeight = 0;

/** The head of the table, with a button per column that sorts by it. */
function drawHead() {
  const columns = tableColumns();
  const heads = columns.map((column) => {
    const name = element("span", { class: "name" }, state.of === "groups" && column.kind === "job" ? "group" : column.title);
    const button = element("button", { type: "button", "data-column": column.name, title: column.name }, name);
    return element("th", { scope: "col", class: column.numeric ? "right" : null }, button);
  });
  const caption = element("caption", { class: "hidden" }, `${state.of === "groups" ? "Groups" : "Jobs"}: one row each. The buttons in the head sort; the button in a row opens its details.`);
  byId("table").replaceChildren(caption, widths(columns), element("thead", {}, element("tr", {}, heads)), element("tbody"));
  for (const item of items()) item.node = null;
  rowHeight = 0;
  markSorted();
}

/** Columns are as wide as their widest value, so that they do not move when rows are sorted or filtered. */
function widths(columns) {
  const group = element("colgroup");
  for (const column of columns) {
    const one = element("col");
    one.style.width = `calc(${Math.min(column.width(items(), (item) => (column.kind === "status" ? `… ${statusOf(item)}` : item.show(column))), 34)}ch + 1.7rem)`;
    group.append(one);
  }
  return group;
}

function tableColumns() {
  const chosen = new Set(state.columns);
  return COLUMNS.filter((column) => chosen.has(column.name) && usable(column));
}

function markSorted() {
  const by = state.sort.replace(/^-/, "");
  for (const button of byId("table").querySelectorAll("thead button")) {
    const sorted = button.dataset.column === by && (state.sort.startsWith("-") ? "descending" : "ascending");
    if (sorted) button.parentElement.setAttribute("aria-sort", sorted);
    else button.parentElement.removeAttribute("aria-sort");
  }
}

/** The rows of jobs or groups, in order: those in view, and some beside them. */
function drawRows(some) {
  listed = some;
  byId("jobs").scrollTop = 0;
  drawView();
  byId("table").ariaRowCount = some.length + 1;
  byId("none").hidden = some.length > 0;
}

/** Put the rows in view into the table. Margins stand for the others, and each row is made once and kept. */
function drawView(all = listed.length <= ALL) {
  const box = byId("jobs");
  const table = byId("table");
  if (!rowHeight && listed.length) {
    place(listed.slice(0, 2), 0); // the last row has no line below it
    rowHeight = table.tBodies[0].rows[0].getBoundingClientRect().height || 30;
  }
  const from = all ? 0 : Math.max(0, Math.min(Math.floor(box.scrollTop / rowHeight) - BESIDE, listed.length));
  const to = all ? listed.length : Math.min(listed.length, Math.ceil((box.scrollTop + box.clientHeight) / rowHeight) + BESIDE);
  place(listed.slice(from, to), from);
  table.style.marginTop = `${from * rowHeight}px`;
  table.style.marginBottom = `${(listed.length - to) * rowHeight}px`;
}

/** Make these the rows of the table; those that stay are not moved, so that they keep the focus. */
function place(some, from) {
  const columns = tableColumns();
  const body = byId("table").tBodies[0];
  const wanted = new Set(some.map((item) => (item.node ??= rowOf(item, columns))));
  for (const row of [...body.rows]) if (!wanted.has(row)) row.remove();
  some.forEach((item, at) => {
    item.node.ariaRowIndex = from + at + 2;
    if (body.rows[at] !== item.node) body.insertBefore(item.node, body.rows[at] ?? null);
  });
}

function rowOf(job, columns) {
  const row = element("tr", { "data-name": job.name });
  for (const column of columns) row.append(jobCell(job, column));
  return row;
}

function jobCell(job, column) {
  if (column.kind === "job") {
    const button = element("button", { type: "button", class: "link", "aria-haspopup": "dialog", "aria-label": state.of === "groups" ? `Group ${job.label}` : `Job ${job.name}` }, job.name);
    return element("th", { scope: "row" }, button);
  }
  const cell = document.createElement("td");
  const text = job.show(column);
  if (column.kind === "status") cell.append(badge(job.status, statusOf(job)));
  else cell.textContent = text;
  if (column.numeric) cell.className = "right";
  if (column.kind === "text" && text) {
    cell.className = "long";
    cell.title = text;
  }
  return cell;
}

/** The status of a job; of a group, how many of its jobs have its status: `5 passed`, `1 of 5 failed`. */
function statusOf(item) {
  if (!(item instanceof Group)) return item.status;
  const all = item.jobs.length;
  if (item.failed) return `${item.failed} of ${all} failed`;
  return item.pending ? `${item.pending} of ${all} pending` : `${all} passed`;
}

/** Clicks on the table: a head sorts, a row opens the job. */
function listenToTable(sorted, open) {
  byId("table").addEventListener("click", (event) => {
    const head = event.target.closest("thead button");
    if (head) {
      const name = head.dataset.column;
      state.sort = state.sort === name ? `-${name}` : state.sort === `-${name}` ? "" : name;
      markSorted();
      sorted();
    }
    const row = event.target.closest("tbody tr");
    if (row && getSelection().isCollapsed) open(state.of === "groups" ? GROUPS[row.dataset.name] : JOB.get(row.dataset.name));
  });
  let waits = false;
  byId("jobs").addEventListener("scroll", () => {
    if (waits) return;
    waits = true;
    requestAnimationFrame(() => ((waits = false), drawView()));
  });
  addEventListener("resize", () => drawView());
  addEventListener("beforeprint", () => drawView(listed.length <= 5 * ALL));
}
