// Runs the compiled tests with node:test and prints failures, in full, and a summary; passing tests are silent.
// `node scripts/run-tests.mjs` runs all, `node scripts/run-tests.mjs test/unit test/e2e/page` those whose path begins
// with one of these; with `--together` first: only those that may run beside others, `--apart`: those that may run
// beside one other, `--alone`: those that may not. The list of tests comes from the sources, so that no stale test in
// dist/ is run and no uncompiled one is skipped.
//
// On a machine slowed down by others a test may wait in vain. In CI the files of a few failed tests are run once more;
// tests that pass then are still printed as FAILED, are counted as unsteady, and are faults to investigate.

import { existsSync, readdirSync } from 'node:fs';
import { resolve } from 'node:path';
import { run } from 'node:test';
import { inspect } from 'node:util';

const root = resolve(import.meta.dirname, '..');
const fileTimeoutMs = 450_000; // the soak takes more than a minute
// Tests that start browsers, fill both cores or measure run after the others ...
const apart = ['test/attack/', 'test/e2e/bench/', 'test/e2e/browser/', 'test/e2e/load/', 'test/e2e/web/'];
// ... two at a time, unless they measure time or fill both cores: these run one by one.
const alone = [
  'test/e2e/bench/scenarios',
  'test/e2e/load/',
  'test/e2e/web/budget',
  'test/e2e/web/current-cost',
  'test/e2e/web/dashboard-crowd',
  'test/e2e/web/push-or-poll',
];
// A minute of waiting for a throttled timer, which delays no other test.
const idle = ['test/e2e/browser/hidden-tab'];
// Most tests wait more than they compute.
const filesTogether = 3;
// These take minutes, and start before the others.
const long = ['test/soak/', 'test/fault/'];

const filesAgainMax = process.env.CI === 'true' ? 3 : 0;

// Test results, by source file.
const results = new Map();
let unsteady = 0;

const [first, ...rest] = process.argv.slice(2);
const parts = ['--together', '--apart', '--alone'];
const part = parts.includes(first) ? first : undefined;
const prefixes = part === undefined ? process.argv.slice(2) : rest;
const [separate, together] = partition(testSources(), beginsWith(apart));
const [last, others] = partition(separate, beginsWith(alone));
const runsIn = (name) => part === undefined || part === name;
const sources = [together, others, last].filter((_, index) => runsIn(parts[index])).flat();
if (sources.length === 0) fail(`no test begins with ${prefixes.join(' or ') || 'test/'}`);
const uncompiled = sources.filter((source) => !existsSync(compiledFrom(source)));
if (uncompiled.length > 0) fail(`not compiled, run npm run build first: ${uncompiled.join(' ')}`);

if (process.env.CI !== 'true') showSourceLines();
const startMs = performance.now();
if (runsIn('--together')) {
  const [longSources, shortSources] = partition(together, beginsWith(long));
  await runFiles([...longSources.toReversed(), ...shortSources], filesTogether);
}
if (runsIn('--apart')) {
  const [waiting, busy] = partition(others, beginsWith(idle));
  await Promise.all([runFiles(waiting, 1), runFiles(busy, 2)]);
}
if (runsIn('--alone')) await runFiles(last, 1);
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

/** In errors. To read the maps is a tenth of what the tests take, so in CI only what has failed shows them. */
function showSourceLines() {
  process.env.NODE_OPTIONS = `${process.env.NODE_OPTIONS ?? ''} --enable-source-maps`.trim();
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
  const waiting = [...files];
  const runNext = async () => {
    for (let source = waiting.shift(); source !== undefined; source = waiting.shift()) await runFile(source);
  };
  await Promise.all(Array.from({ length: concurrency }, runNext));
}

/** Its tests may be defined in other files, of which alone the events tell. */
async function runFile(source) {
  const printed = [];
  const names = [];
  for await (const { type, data } of run({ files: [compiledFrom(source)], timeout: fileTimeoutMs })) {
    if (type === 'test:stdout' || type === 'test:stderr') printed.push(data.message);
    else if (type === 'test:start') names.splice(data.nesting, names.length, data.name);
    else if (type === 'test:pass' || type === 'test:fail') count(source, type, data, names, printed);
  }
}

async function runFailedAgain() {
  const failed = sources.filter((source) => (results.get(source)?.fail ?? 0) > 0);
  if (failed.length > filesAgainMax) return;
  showSourceLines();
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

function count(source, type, data, names, printed) {
  // A suite counts only if it fails by itself, not because of its tests.
  const isSuite = data.details.type === 'suite';
  const failedBelow = data.details.error?.failureType === 'subtestsFailed';
  if (isSuite && (type === 'test:pass' || failedBelow)) return;
  const counts = results.get(source) ?? { tests: 0, pass: 0, fail: 0, skipped: 0, todo: 0 };
  results.set(source, counts);
  counts.tests += 1;
  // A file that passes, or fails as a whole, such as by a timeout, is a test with the file's name.
  const isFile = data.nesting === 0 && data.name === compiledFrom(source);
  if (data.skip !== undefined) counts.skipped += 1;
  else if (data.todo !== undefined) counts.todo += 1;
  else if (type === 'test:pass' && !isFile) counts.pass += 1;
  else {
    counts.fail += 1;
    report(source, data, names, printed.splice(0).join(''));
  }
}

function report(source, data, names, printed) {
  const path = [...names.slice(0, data.nesting), data.name].join(' > ');
  const error = data.details.error?.cause ?? data.details.error ?? 'has no test';
  console.log(`\nFAILED ${path}\n  in ${source}`);
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
