/* Elements from data. Text goes in as text: nothing here makes HTML of a string. */

const DATA = JSON.parse(document.getElementById("data").textContent);

const byId = (id) => document.getElementById(id);

/** An element. `attributes` may hold `on`, listeners by event; null and false leave an attribute out. */
function el(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "on") {
      for (const [event, listener] of Object.entries(value)) made.addEventListener(event, listener);
    } else if (value !== null && value !== undefined && value !== false) {
      made.setAttribute(name, value === true ? "" : value);
    }
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return made;
}

/** A labelled select. `options` are pairs of value and text; a third part groups them. */
function select(label, options, value, changed) {
  const groups = new Map();
  for (const [option, text, group = ""] of options) {
    if (!groups.has(group)) groups.set(group, []);
    groups.get(group).push(el("option", { value: option, selected: option === value }, text));
  }
  const inside = [...groups].flatMap(([group, made]) => (group ? [el("optgroup", { label: group }, made)] : made));
  const control = el("select", { on: { change: () => changed(control.value) } }, inside);
  return el("label", { class: "field" }, el("span", {}, label), control);
}

/** A labelled checkbox. */
function tick(label, checked, changed) {
  const control = el("input", { type: "checkbox", checked, on: { change: () => changed(control.checked) } });
  return el("label", { class: "tick" }, control, el("span", {}, label));
}

/** A table whose `columns` are pairs of heading and class. A cell is a text or an element. */
function grid(caption, columns, rows) {
  const head = columns.map(([name, kind]) => el("th", { scope: "col", class: kind }, name || el("span", { class: "hidden" }, "verdict")));
  const body = rows.map((cells) =>
    el("tr", {}, cells.map((cell, at) => el(at ? "td" : "th", { class: columns[at][1], scope: at ? null : "row" }, cell ?? ""))));
  const table = el("table", {}, el("caption", { class: "hidden" }, caption),
    el("thead", {}, el("tr", {}, head)), el("tbody", {}, body));
  return el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": `${caption}, scrollable` }, table);
}

/** A button that copies a text, and says so. */
function copyButton(text) {
  const button = el("button", { type: "button", class: "quiet", on: { click: copy } }, "Copy");
  async function copy() {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      const area = el("textarea", { "aria-hidden": "true", class: "away" });
      area.value = text;
      button.after(area);
      area.select();
      document.execCommand("copy");
      area.remove();
      button.focus();
    }
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  }
  return button;
}

/** Close menus upon Escape and upon a click elsewhere. */
function tameMenus() {
  const menus = [...document.querySelectorAll("details.menu")];
  document.addEventListener("click", (event) => {
    for (const menu of menus) if (!menu.contains(event.target)) menu.open = false;
  });
  for (const menu of menus) {
    menu.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      menu.open = false;
      menu.querySelector("summary").focus();
    });
  }
}
