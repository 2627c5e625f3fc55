// Runs the compiled tests with node:test and prints what fails, in full, and a summary; what passes is
// silent. `node scripts/run-tests.mjs` runs all, `node scripts/run-tests.mjs test/unit test/e2e/page` those
// whose path begins with one of these; `--together` first: only those of them that may run beside others, `--alone`:
// only those that may not. The sources say which tests there are, so that no stale one in dist/ is run and none that
// was not compiled is left out.
//
// On a machine that others slow down a test may wait in vain. In CI the files of a few failed tests are run
// once more; what passes then is still printed as FAILED, is counted as unsteady, and is a fault to be found.

import { existsSync, readdirSync } from 'node:fs';
import { relative, resolve } from 'node:path';
import { run } from 'node:test';
import { inspect } from 'node:util';

const root = resolve(import.meta.dirname, '..');
const fileTimeoutMs = 450_000; // the soak plays two minutes, behind a build of its own
// Those that start browsers, fill both cores or measure run after the others ...
const alone = ['test/attack/', 'test/e2e/bench/', 'test/e2e/browser/', 'test/e2e/load/', 'test/e2e/web/'];
// ... two at a time, unless they measure time or fill both cores: these run one by one.
const oneByOne = [
  'test/e2e/bench/scenarios',
  'test/e2e/load/',
  'test/e2e/web/budget',
  'test/e2e/web/current-cost',
  'test/e2e/web/dashboard-crowd',
  'test/e2e/web/push-or-poll',
];
// A minute of waiting for a throttled timer, which holds up nobody.
const idle = ['test/e2e/browser/hidden-tab'];
// Most tests wait more than they compute.
const filesTogether = 3;
// These take minutes, and begin before the others.
const long = ['test/soak/', 'test/fault/'];

const filesAgainMax = process.env.CI === 'true' ? 3 : 0;

// What became of the tests, by source file.
const results = new Map();
let unsteady = 0;

const [first, ...rest] = process.argv.slice(2);
const part = first === '--together' || first === '--alone' ? first : undefined;
const prefixes = part === undefined ? process.argv.slice(2) : rest;
const [aloneSources, togetherSources] = partition(testSources(), beginsWith(alone));
const sources = [
  ...(part === '--alone' ? [] : togetherSources),
  ...(part === '--together' ? [] : aloneSources),
];
if (sources.length === 0) fail(`no test begins with ${prefixes.join(' or ') || 'test/'}`);
const uncompiled = sources.filter((source) => !existsSync(compiledFrom(source)));
if (uncompiled.length > 0) fail(`not compiled, run npm run build first: ${uncompiled.join(' ')}`);

// Each file is a process of its own, whose errors should show the lines of the sources.
process.env.NODE_OPTIONS = `${process.env.NODE_OPTIONS ?? ''} --enable-source-maps`.trim();
const startMs = performance.now();
if (part !== '--alone') {
  const [longSources, shortSources] = partition(togetherSources, beginsWith(long));
  await runFiles([...longSources.toReversed(), ...shortSources], filesTogether);
}
if (part !== '--together') {
  const [last, others] = partition(aloneSources, beginsWith(oneByOne));
  const [waiting, busy] = partition(others, beginsWith(idle));
  await Promise.all([runFiles(waiting, 1), runFiles(busy, 2)]);
  await runFiles(last, 1);
}
await runFailedAgain();
const counts = totals();
summarise();
process.exitCode = counts.fail > 0 || counts.tests === 0 ? 1 : 0;

function testSources() {
  return readdirSync(resolve(root, 'test'), { recursive: true })
    .map((path) => `test/${path}`)
    .filter((path) => path.endsWith('.test.ts'))
    .filter((path) => prefixes.length === 0 || prefixes.some((prefix) => path.startsWith(prefix)))
    .sort();
}

function compiledFrom(source) {
  return resolve(root, 'dist', source.replace(/\.ts$/, '.js'));
}

function beginsWith(folders) {
  return (source) => folders.some((folder) => source.startsWith(folder));
}

function partition(values, condition) {
  return [values.filter(condition), values.filter((value) => !condition(value))];
}

async function runFiles(files, concurrency) {
  if (files.length === 0) return;
  const output = new Map();
  const names = [];
  const events = run({ files: files.map(compiledFrom), concurrency, timeout: fileTimeoutMs });
  for await (const { type, data } of events) {
    if (type === 'test:stdout' || type === 'test:stderr') {
      output.set(data.file, (output.get(data.file) ?? '') + data.message);
    } else if (type === 'test:start') {
      names.splice(data.nesting, names.length, data.name);
    } else if (type === 'test:pass' || type === 'test:fail') {
      count(type, data, names, output);
    }
  }
}

async function runFailedAgain() {
  const failed = sources.filter((source) => (results.get(source)?.fail ?? 0) > 0);
  if (failed.length > filesAgainMax) return;
  for (const source of failed) {
    const before = results.get(source).fail;
    results.delete(source);
    console.log(`\nrun again: ${source}`);
    await runFiles([source], 1);
    if ((results.get(source)?.fail ?? 0) === 0) unsteady += before;
  }
}

function totals() {
  const sum = { tests: 0, pass: 0, fail: 0, skipped: 0, todo: 0 };
  for (const result of results.values()) for (const name of Object.keys(sum)) sum[name] += result[name];
  return sum;
}

function resultsOf(data) {
  const source = sourceOf(data);
  const known = results.get(source) ?? { tests: 0, pass: 0, fail: 0, skipped: 0, todo: 0 };
  results.set(source, known);
  return known;
}

/** A file that fails as a whole, such as one that takes too long, is a test with the file's name. */
function sourceOf(data) {
  return relative(root, data.file ?? data.name)
    .replace(/^dist\//, '')
    .replace(/\.js$/, '.ts');
}

function count(type, data, names, output) {
  // A suite counts only where it fails by itself, not for the tests in it.
  const isSuite = data.details.type === 'suite';
  const failedBelow = data.details.error?.failureType === 'subtestsFailed';
  if (isSuite && (type === 'test:pass' || failedBelow)) return;
  const counts = resultsOf(data);
  counts.tests += 1;
  // A file that passes under its own name has no test in it.
  const isEmptyFile = type === 'test:pass' && data.nesting === 0 && data.name === data.file;
  if (isEmptyFile) report(data, names, output);
  else if (data.skip !== undefined) counts.skipped += 1;
  else if (data.todo !== undefined) counts.todo += 1;
  else if (type === 'test:pass') counts.pass += 1;
  else report(data, names, output);
}

function report(data, names, output) {
  resultsOf(data).fail += 1;
  const file = data.file ?? data.name;
  const path = [...names.slice(0, data.nesting), data.name].join(' > ');
  const error = data.details.error?.cause ?? data.details.error ?? 'has no test';
  const printed = output.get(file);
  output.delete(file);
  console.log(`\nFAILED ${path}\n  in ${sourceOf(data)}`);
  console.log(indent(inspect(error, { depth: 8, maxArrayLength: 200, maxStringLength: 4_000 })));
  if (printed) console.log(`  It printed:\n${indent(printed.trimEnd())}`);
}

function indent(text) {
  return text.replace(/^/gm, '    ');
}

function summarise() {
  const durationMs = Math.round(performance.now() - startMs);
  const shown = { ...counts, ...(unsteady > 0 ? { unsteady } : {}), duration_ms: durationMs };
  for (const [name, value] of Object.entries(shown)) console.log(`# ${name} ${value}`);
}

function fail(message) {
  console.error(`run-tests: ${message}`);
  process.exit(1);
}
