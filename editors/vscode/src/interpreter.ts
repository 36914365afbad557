import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { Uri, extensions, workspace } from "vscode";

/** What is used here of the Python extension's interface. */
interface PythonExtension {
  environments: {
    getActiveEnvironmentPath(resource?: Uri): { path: string };
    resolveEnvironment(environment: { path: string }): Promise<{ executable: { uri?: Uri } } | undefined>;
    onDidChangeActiveEnvironmentPath(listener: () => void): { dispose(): void };
  };
}

/** The Python extension, or undefined if it is not installed. */
export async function pythonExtension(): Promise<PythonExtension | undefined> {
  return extensions.getExtension<PythonExtension>("ms-python.python")?.activate();
}

/** The Python that runs the assembler: that of the setting, else the Python extension's, else `python3`. */
export async function interpreter(folder?: Uri): Promise<string> {
  const chosen = workspace.getConfiguration("assembler", folder).get<string>("interpreter");
  if (chosen) return chosen.replace("${workspaceFolder}", folder?.fsPath ?? "");
  const environments = (await pythonExtension())?.environments;
  const active = environments?.getActiveEnvironmentPath(folder);
  const found = active && (await environments?.resolveEnvironment(active));
  return found?.executable.uri?.fsPath ?? "python3";
}

const MISSING =
  "from importlib.util import find_spec as f; print('the assembler' if not f('assembler') else '' if f('pygls') else 'pygls')";

/** Why this Python cannot run the language server, in one line, or undefined if it can. */
export async function whatIsWrong(python: string, cwd?: string): Promise<string | undefined> {
  try {
    const { stdout } = await promisify(execFile)(python, ["-c", MISSING], { cwd });
    const missing = stdout.trim();
    return missing && `${python} does not have ${missing}; install assembler[editor] there, or choose another interpreter.`;
  } catch {
    return `${python} is not a Python that runs; choose another interpreter.`;
  }
}
