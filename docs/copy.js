// The copy button of a terminal session copies its commands, without prompts and output.
document.addEventListener(
  "click",
  (event) => {
    const button = event.target.closest("button[data-clipboard-target]");
    const code = button && document.querySelector(button.dataset.clipboardTarget);
    if (!code || !code.querySelector(".gp")) return;
    const commands = code.textContent.split("\n").filter((line) => line.startsWith("$ "));
    button.setAttribute("data-clipboard-text", commands.map((line) => line.slice(2)).join("\n"));
  },
  true, // before Material reads the button
);
