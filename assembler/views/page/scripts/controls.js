/** The number of jobs of each status: a bar, and buttons that filter by status. */
function drawCounts(changed) {
  const tally = new Map([...Object.keys(STATUSES), ...JOBS.map((job) => job.status)].map((status) => [status, 0]));
  for (const job of JOBS) tally.set(job.status, tally.get(job.status) + 1);
  const some = [...tally].filter(([, many]) => many);
  byId("share").append(
    ...some.map(([status, many]) => {
      const part = element("span", { class: Object.hasOwn(STATUSES, status) ? status : "pending" });
      part.style.flexGrow = many;
      return part;
    }),
  );
  const all = element("li", { class: "all" }, element("strong", {}, GROUPED.format(JOBS.length)), JOBS.length === 1 ? " job" : " jobs", GROUPS.length ? ` in ${count(GROUPS.length, "group")}` : "");
  const buttons = some.map(([status, many]) => {
    const press = () => {
      state.status = state.status.includes(status) ? state.status.filter((one) => one !== status) : [...state.status, status];
      changed();
    };
    const button = element("button", { type: "button", "data-status": status, onclick: press }, element("strong", {}, GROUPED.format(many)), " ", badge(status));
    return element("li", {}, button);
  });
  byId("counts").append(all, ...buttons);
}

/** A select for each override with few values. */
function drawChoices(changed) {
  const chosen = OVERRIDES.filter((column) => column.distinct.length > 1 && column.distinct.length <= MANY);
  byId("choices").append(
    ...chosen.map((column) => {
      const select = element("select", { "data-column": column.name });
      fill(select, [["", [["", "all"], ...column.distinct.map((value) => [`=${value}`, value])]]], "");
      select.addEventListener("change", () => {
        if (select.value) state.only[column.name] = select.value.slice(1);
        else delete state.only[column.name];
        changed();
      });
      return element("label", { class: "field", title: column.name, "data-of": column.name }, element("span", {}, column.label), select);
    }),
  );
}

/** Checkboxes for columns; columns without values are omitted. */
function drawTicks(id, columns, key, changed) {
  const boxes = columns.map((column) => {
    const box = element("input", { type: "checkbox", value: column.name });
    box.addEventListener("change", () => {
      const chosen = new Set(state[key]);
      if (box.checked) chosen.add(column.name);
      else chosen.delete(column.name);
      state[key] = COLUMNS.map(({ name }) => name).filter((name) => chosen.has(name));
      changed();
    });
    return element("label", { class: "tick", title: column.name, "data-of": column.name }, box, element("span", {}, column.label));
  });
  byId(id).append(...boxes);
}

/** The values that all jobs share. */
function drawCommon() {
  const same = COLUMNS.filter((column) => column.constant && column.kind !== "status" && column.kind !== "text");
  const overrides = same.filter((column) => column.kind === "override");
  if (!overrides.length) return;
  byId("common").append("All with ", ...overrides.flatMap((column) => [element("code", {}, `${column.name}=${column.distinct[0]}`), " "]));
  byId("common").hidden = false;
}

/** Update the controls to the state. */
function showChosen() {
  byId("text").value = state.text;
  for (const button of byId("of").querySelectorAll("button")) button.setAttribute("aria-pressed", button.value === state.of);
  const over = DATA.groups?.over.map((key) => COLUMN.get(key).label).join(", ");
  byId("jobs-title").textContent = state.of === "groups" ? (over ? `Groups over ${over}` : "Groups") : "Jobs";
  byId("statistic").value = state.statistic;
  byId("statistic-field").hidden = state.of !== "groups";
  for (const one of document.querySelectorAll("[data-of]")) one.hidden = !usable(COLUMN.get(one.dataset.of));
  for (const select of byId("choices").querySelectorAll("select")) {
    const value = state.only[select.dataset.column];
    select.value = value === undefined ? "" : `=${value}`;
  }
  for (const button of byId("counts").querySelectorAll("button")) {
    button.setAttribute("aria-pressed", state.status.includes(button.dataset.status));
  }
  for (const [id, key] of [["columns-ticks", "columns"], ["axes-ticks", "axes"]]) {
    for (const box of byId(id).querySelectorAll("input")) box.checked = state[key].includes(box.value);
  }
  for (const [id, key] of SELECTS) byId(id).value = state[key];
  for (const [id, key] of TICKS) byId(id).checked = state[key];
}

const SELECTS = [["x", "x"], ["y", "y"], ["colour", "colour"], ["x-best", "xbest"], ["y-best", "ybest"], ["parallel-colour", "line"]];

const TICKS = [["x-log", "xlog"], ["y-log", "ylog"], ["only-front", "front"]];

/** The choice between groups and jobs, and between the statistics of groups. */
function drawGroupControls(switched, changed) {
  byId("of").hidden = !GROUPS.length;
  for (const button of byId("of").querySelectorAll("button")) {
    button.addEventListener("click", () => {
      state.of = button.value;
      switched();
    });
  }
  fill(byId("statistic"), [["", STATISTICS]], state.statistic);
  byId("statistic").addEventListener("change", () => {
    state.statistic = byId("statistic").value;
    changed();
  });
}

/** The columns that the selects of the plots offer. What groups do not have is replaced. */
function fillPlotControls() {
  const named = (columns) => columns.filter((column) => !column.empty && usable(column)).map((column) => [column.name, column.label]);
  for (const key of ["x", "y", "colour", "line"]) if (state[key] && !usable(COLUMN.get(state[key]))) state[key] = START[key];
  const groups = [["metrics", named(METRICS)], ["overrides", named(OVERRIDES)]];
  fill(byId("x"), groups, state.x);
  fill(byId("y"), groups, state.y);
  for (const id of ["colour", "parallel-colour"]) fill(byId(id), [["", [["status", "status"]]], groups[1], groups[0]], "");
}

/** The selects and boxes of the plots. */
function drawPlotControls(changed) {
  fillPlotControls();
  for (const id of ["x-best", "y-best"]) fill(byId(id), [["", [["min", "less"], ["max", "more"]]]], "min");
  for (const [id, key] of SELECTS) {
    byId(id).addEventListener("change", () => {
      state[key] = byId(id).value;
      if (key === "x" || key === "y") {
        const column = COLUMN.get(state[key]);
        Object.assign(state, { [`${key}best`]: bestOf(column), [`${key}log`]: column.decades });
      }
      changed();
    });
  }
  for (const [id, key] of TICKS) {
    byId(id).addEventListener("change", () => {
      state[key] = byId(id).checked;
      changed();
    });
  }
}
