// Writes dist/README.md, with the picture inside it: VS Code shows no files of a package.
import { readFileSync, writeFileSync } from "node:fs";

const file = "../../docs/images/editor.png";
const data = `data:image/png;base64,${readFileSync(file, "base64")}`;
writeFileSync("dist/README.md", readFileSync("README.md", "utf8").replace(file, data));
