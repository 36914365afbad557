function button(text, press, attributes = {}) {
  return element("button", { type: "button", onclick: press, ...attributes }, text);
}

/** A button that copies a text; where the clipboard is closed, it selects the element that shows it. */
function copying(name, text, shown = null) {
  const made = button(name, async () => {
    try {
      await navigator.clipboard.writeText(text);
      made.textContent = "Copied";
    } catch {
      if (shown) getSelection().selectAllChildren(shown);
      made.textContent = shown ? "Selected" : "The clipboard is closed; see diagram.mmd";
    }
  });
  return made;
}

/** A text with a button that copies it. */
function copied(label, text) {
  const shown = element("pre", { tabindex: "0", role: "region", "aria-label": label }, text);
  return element("div", { class: "copied" }, shown, copying("Copy", text, shown));
}
