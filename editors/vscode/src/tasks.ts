import { ProcessExecution, Task, TaskScope, Uri, tasks, window, workspace } from "vscode";
import { interpreter } from "./interpreter";

/** What a recipe can be given to: `python -m assembler run FILE`. The server's code lens names these commands. */
export const TASKS = ["run", "plan", "bench"] as const;

/** Do one of them in a terminal, with the file that the code lens names, or the one in the active editor. */
export async function start(name: string, file = window.activeTextEditor?.document.fileName): Promise<void> {
  if (!file) return;
  const folder = workspace.getWorkspaceFolder(Uri.file(file));
  const open = workspace.textDocuments.find((document) => document.fileName === file);
  await open?.save();
  const command = ["-m", "assembler", name, file];
  const process = new ProcessExecution(await interpreter(folder?.uri), command, { cwd: folder?.uri.fsPath });
  const title = `${name} ${workspace.asRelativePath(file)}`;
  await tasks.executeTask(new Task({ type: "assembler" }, folder ?? TaskScope.Workspace, title, "assembler", process));
}
