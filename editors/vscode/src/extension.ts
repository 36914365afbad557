import { type ExtensionContext, type Uri, LanguageStatusSeverity, commands, languages, window, workspace } from "vscode";
import { LanguageClient } from "vscode-languageclient/node";
import { interpreter, pythonExtension, whatIsWrong } from "./interpreter";
import { runInTerminal } from "./tasks";

const FILES = [{ scheme: "file", language: "yaml" }];
const output = window.createOutputChannel("Assembler", { log: true });
const status = languages.createLanguageStatusItem("assembler", FILES);
status.command = { title: "Output", command: "assembler.output" };

let client: LanguageClient | undefined;
let restarts = Promise.resolve();

export async function activate(context: ExtensionContext): Promise<void> {
  context.subscriptions.push(
    output,
    status,
    commands.registerCommand("assembler.restart", restart),
    commands.registerCommand("assembler.output", () => output.show()),
    workspace.onDidGrantWorkspaceTrust(restart),
    workspace.onDidChangeConfiguration((event) => event.affectsConfiguration("assembler.interpreter") && restart()),
  );
  const python = await pythonExtension();
  if (python) context.subscriptions.push(python.environments.onDidChangeActiveEnvironmentPath(restart));
  await restart();
}

export async function deactivate(): Promise<void> {
  await client?.dispose();
}

/** Stop the server if it runs, and start it with the interpreter of this moment; one restart after the other. */
function restart(): Promise<void> {
  restarts = restarts.then(startServer).catch((error) => report(`The language server does not start: ${error}`));
  return restarts;
}

async function startServer(): Promise<void> {
  if (client?.needsStop()) await client.dispose();
  if (!workspace.isTrusted) return;
  const folder = workspace.workspaceFolders?.[0]?.uri;
  status.busy = true;
  const python = await interpreter(folder);
  const wrong = await whatIsWrong(python, folder?.fsPath);
  if (wrong) return report(wrong);
  client = new LanguageClient("assembler", "Assembler", server(python, folder), {
    documentSelector: FILES,
    outputChannel: output,
    initializationOptions: { runsCommands: true },
    middleware: { executeCommand: runInTerminal }, // the client registers the commands that the server has
  });
  await client.start();
  show("Assembler", LanguageStatusSeverity.Information, python);
}

function server(python: string, folder?: Uri) {
  return { command: python, args: ["-m", "assembler", "lsp"], options: { cwd: folder?.fsPath } };
}

function show(text: string, severity: LanguageStatusSeverity, detail: string): void {
  Object.assign(status, { text, severity, detail, busy: false });
}

/** One line in the status, in the output channel and in a message that leads to the setting. */
function report(line: string): void {
  output.error(line);
  show("Assembler does not run", LanguageStatusSeverity.Error, line);
  const settings = "Choose Interpreter";
  void window.showErrorMessage(line, settings).then((choice) => {
    if (choice) void commands.executeCommand("workbench.action.openSettings", "assembler.interpreter");
  });
}
