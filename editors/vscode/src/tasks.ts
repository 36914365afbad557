import { ProcessExecution, Task, TaskScope, Uri, tasks, window, workspace } from "vscode";
import type { ExecuteCommandSignature } from "vscode-languageclient/node";

/** What the server answers to `assembler.plan`: the command line, which it leaves to the editor to run. */
interface CommandLine {
  command: [string, ...string[]];
  cwd: string;
}

/**
 * Run a command of the code lens in a terminal, on the file that it names or, from the palette, the active one.
 *
 * `assembler.page` has no command line: the server serves the page, which shows texts that are not saved.
 */
export async function runInTerminal(name: string, files: string[], ask: ExecuteCommandSignature): Promise<void> {
  const file = files[0] ?? window.activeTextEditor?.document.uri.toString();
  if (!file) return;
  if (name !== "assembler.page") await workspace.textDocuments.find((document) => document.uri.toString() === file)?.save();
  const line: CommandLine | null = await ask(name, [file]);
  if (!line) return;
  const [program, ...words] = line.command;
  const title = `${name.replace(".", " ")} ${workspace.asRelativePath(Uri.parse(file))}`;
  const folder = workspace.getWorkspaceFolder(Uri.parse(file)) ?? TaskScope.Workspace;
  const process = new ProcessExecution(program, words, { cwd: line.cwd });
  await tasks.executeTask(new Task({ type: "assembler" }, folder, title, "assembler", process));
}
