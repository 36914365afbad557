/** An element of the page by its id. */
const byId = (id) => document.getElementById(id);

/** A new element with attributes, listeners and children. Strings become text nodes, so that they cannot contain markup. */
function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (value === true) made.setAttribute(key, "");
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(key, value);
  }
  made.append(...children.flat(2).filter((child) => child !== null && child !== undefined));
  return made;
}

/**
 * A table with a caption.
 *
 * A column has a `name`, `show`: row → value, and optionally `right`, `code`, `wrap` for long strings,
 * or `head`: its cells are the headings of their rows.
 */
function grid(caption, columns, rows, foot = null) {
  const heads = columns.map((one) => element("th", { scope: "col", class: one.right ? "right" : null }, one.name));
  const body = rows.map((row) => element("tr", {}, columns.map((one) => cellOf(one, row))));
  return element(
    "table",
    { class: "grid" },
    element("caption", { class: "hidden" }, caption),
    element("thead", {}, element("tr", {}, heads)),
    element("tbody", {}, body),
    foot ? element("tfoot", {}, element("tr", {}, foot)) : null,
  );
}

/** Columns in which some row has a value. */
function used(columns, rows) {
  return columns.filter((one) => rows.some((row) => one.show(row) !== ""));
}

function cellOf(column, row) {
  const kind = [column.right && "right", column.code && "code", column.wrap && "wrap"].filter(Boolean).join(" ") || null;
  const shown = column.show(row);
  return column.head ? element("th", { scope: "row", class: kind }, shown) : element("td", { class: kind }, shown);
}

/** A table in a scrolling region. */
function scrolling(label, table) {
  return element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": label }, table);
}

/** Fill a select with groups of [value, text]. */
function fill(select, groups, value) {
  select.replaceChildren(
    ...groups.flatMap(([label, options]) => {
      const made = options.map(([one, text]) => element("option", { value: one }, text));
      return label && made.length ? [element("optgroup", { label }, made)] : made;
    }),
  );
  select.value = value;
}

/** Close a menu on Escape and on a click elsewhere. */
function closing(menu) {
  menu.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !menu.open) return;
    menu.open = false;
    menu.querySelector("summary").focus();
  });
  document.addEventListener("click", (event) => {
    if (!menu.contains(event.target)) menu.open = false;
  });
}

/** Call a function once it has not been requested for some milliseconds. */
function quietly(call, milliseconds) {
  let timer = 0;
  return () => {
    clearTimeout(timer);
    timer = setTimeout(call, milliseconds);
  };
}
