const PAGE = 1000; // rows; more are drawn on request

const AT_ONCE = 40; // rows that are drawn first; the others follow while the browser is idle

const whenIdle = window.requestIdleCallback ?? ((call) => setTimeout(call, 20));

let limit = PAGE;

let drawing = 0; // increases with each drawing, so that an unfinished one stops when the next begins

/** The head of the table, with a button per column that sorts by it. */
function drawHead() {
  const columns = tableColumns();
  const heads = columns.map((column) => {
    const button = element("button", { type: "button", "data-column": column.name, title: column.name }, nameOf(column));
    return element("th", { scope: "col", class: column.numeric ? "right" : null }, button);
  });
  const caption = element("caption", { class: "hidden" }, "Jobs: one row each. The buttons in the head sort; the button in a row opens its job.");
  byId("table").replaceChildren(caption, widths(columns), element("thead", {}, element("tr", {}, heads)), element("tbody"));
  for (const job of JOBS) job.node = null;
  markSorted();
}

/** Columns are as wide as their widest value, so that they do not move when rows are sorted or filtered. */
function widths(columns) {
  const group = element("colgroup");
  for (const column of columns) {
    const one = element("col");
    one.style.width = `calc(${Math.min(column.width, 34)}ch + 1.7rem)`;
    group.append(one);
  }
  return group;
}

/** A name in two lines: its prefix, and its last part. */
function nameOf(column) {
  const prefix = column.prefix ? element("span", { class: "prefix" }, `${column.prefix}.`) : null;
  return [prefix, element("span", { class: "name" }, column.short)];
}

function tableColumns() {
  const chosen = new Set(state.columns);
  return COLUMNS.filter((column) => chosen.has(column.name));
}

function markSorted() {
  const by = state.sort.replace(/^-/, "");
  for (const button of byId("table").querySelectorAll("thead button")) {
    const sorted = button.dataset.column === by && (state.sort.startsWith("-") ? "descending" : "ascending");
    if (sorted) button.parentElement.setAttribute("aria-sort", sorted);
    else button.parentElement.removeAttribute("aria-sort");
  }
}

/** The rows of jobs, in order. Each is made once and then moved. While rows are missing, the table is marked busy. */
function drawRows(jobs) {
  const columns = tableColumns();
  const some = jobs.slice(0, limit);
  const body = byId("table").tBodies[0];
  const turn = ++drawing;
  const append = (from, to) => {
    for (let at = from; at < to; at++) some[at].node ??= rowOf(some[at], columns);
    for (let at = from; at < to; at++) some[at].node.ariaRowIndex = at + 2;
    const nodes = some.slice(from, to).map((job) => job.node);
    if (from) body.append(...nodes);
    else body.replaceChildren(...nodes);
    byId("table").ariaBusy = to < some.length;
    if (to < some.length) whenIdle(() => turn === drawing && append(to, Math.min(to + AT_ONCE, some.length)));
  };
  append(0, Math.min(AT_ONCE, some.length));
  byId("table").ariaRowCount = jobs.length + 1;
  byId("none").hidden = jobs.length > 0;
  byId("more").hidden = jobs.length <= limit;
  byId("more").textContent = `Show ${count(Math.min(PAGE, jobs.length - limit), "more job")}`;
}

function rowOf(job, columns) {
  const row = element("tr", { "data-job": job.name });
  for (const column of columns) row.append(jobCell(job, column));
  return row;
}

function jobCell(job, column) {
  const value = job.get(column);
  if (column.kind === "job") {
    const button = element("button", { type: "button", class: "link", "aria-haspopup": "dialog", "aria-label": `Job ${job.name}` }, job.name);
    return element("th", { scope: "row" }, button);
  }
  const cell = document.createElement("td");
  if (column.kind === "status") cell.append(badge(job.status));
  else cell.textContent = column.show(value);
  if (column.numeric) cell.className = "right";
  if (column.kind === "text" && value) {
    cell.className = "long";
    cell.title = value;
  }
  return cell;
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
    if (row && getSelection().isCollapsed) open(JOB.get(row.dataset.job));
  });
}
