// Runs the fuzzers of test/fuzz under libFuzzer (clang): see `npm run fuzz -- --help`. New inputs are kept in
// build/fuzz/corpus, and --merge adds a minimal set with the same coverage to the repository.

import { execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { basename, join, relative, resolve } from 'node:path';
import { parseArgs } from 'node:util';

const usage = `npm run fuzz -- [options] [NAME...]

  --minutes N     how long, in all and on all cores (default 5); the fuzzers take turns
  --seconds N     the same, shorter
  --merge         put what was found into test/fuzz/corpus, minimised
  --coverage      line coverage of native/wire and native/structures by test/fuzz/corpus
  --replay FILE   run one input again, such as one of build/fuzz/crashes
  --list          the names of the fuzzers`;

const root = resolve(import.meta.dirname, '..');
process.chdir(root);
const build = 'build/fuzz';
const binary = join(build, 'fuzz');
const found = join(build, 'corpus');
const crashes = join(build, 'crashes');
const kept = 'test/fuzz/corpus';
const turnSecondsMax = 60;
const inputSecondsMax = 10;
const inputBytesMax = 1_500;
const longSeeds = 60;
const cores = availableParallelism();
const openssl = ['-lssl', '-lcrypto'];
const warnings = [
  '-std=c++20',
  '-g',
  '-fno-exceptions',
  '-fno-rtti',
  '-Wall',
  '-Wextra',
  '-Wconversion',
  '-Wshadow',
  '-Werror',
];

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    minutes: { type: 'string' },
    seconds: { type: 'string' },
    merge: { type: 'boolean', default: false },
    coverage: { type: 'boolean', default: false },
    replay: { type: 'string' },
    list: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
if (values.help) console.log(usage);
else if (values.coverage) await coverage();
else {
  await compile();
  const names = chosenNames();
  if (values.list) console.log(names.join('\n'));
  else if (values.replay) replay(values.replay);
  else if (values.merge) await merge(names);
  else await fuzz(names);
}

// --- building -------------------------------------------------------------------------------------

function fuzzers() {
  return readdirSync('test/fuzz')
    .filter((file) => file.endsWith('.fuzz.cpp'))
    .map((file) => join('test/fuzz', file));
}

/** Source files besides headers. */
function librarySources() {
  return ['native/cluster', 'native/log', 'native/tls'].flatMap((folder) =>
    readdirSync(folder)
      .filter((file) => file.endsWith('.cpp'))
      .map((file) => join(folder, file)),
  );
}

async function compile() {
  const sources = [
    ...fuzzers(),
    ...librarySources(),
    'test/fuzz/libfuzzer.cpp',
    'test/native/hand-driven-broker.cpp',
  ];
  const sanitizers = ['-fsanitize=address,undefined', '-fno-sanitize-recover=all'];
  const objects = await compileAll(sources, build, ['-O1', '-fsanitize=fuzzer-no-link', ...sanitizers]);
  run('clang++', ['-fsanitize=fuzzer', ...sanitizers, '-o', binary, ...objects, ...openssl]);
}

/** Compiles files older than their source or any header; returns the objects. */
async function compileAll(sources, folder, flags) {
  mkdirSync(folder, { recursive: true });
  const newestMs = Math.max(...['native', 'test/native', 'test/fuzz'].flatMap(headersBelow).map(changedMs));
  const objects = sources.map((source) => join(folder, `${basename(source, '.cpp')}.o`));
  const stale = sources
    .map((source, at) => ({ source, object: objects[at] }))
    .filter(
      ({ source, object }) =>
        !existsSync(object) || changedMs(object) < Math.max(newestMs, changedMs(source)),
    );
  await inTurns(stale, ({ source, object }) =>
    start('clang++', [...warnings, ...flags, '-c', '-o', object, source]),
  );
  return objects;
}

function headersBelow(folder) {
  const files = readdirSync(folder, { recursive: true }).map((file) => join(folder, file));
  return files.filter((file) => file.endsWith('.h'));
}

function changedMs(file) {
  return statSync(file).mtimeMs;
}

// --- running --------------------------------------------------------------------------------------

function chosenNames() {
  const all = run(`./${binary}`, [], { FUZZER: 'list' }).trim().split('\n');
  const unknown = positionals.filter((name) => !all.includes(name));
  if (unknown.length > 0) fail(`there is no fuzzer ${unknown.join(', ')}; there are ${all.join(', ')}`);
  return positionals.length > 0 ? positionals : all;
}

/** All take turns, so that an early end skips none. */
async function fuzz(names) {
  const totalSeconds = Number(values.seconds ?? 60 * Number(values.minutes ?? 5));
  if (!(totalSeconds > 0)) fail('--minutes and --seconds take a number above 0');
  const shareSeconds = (totalSeconds * Math.min(cores, names.length)) / names.length;
  const rounds = Math.max(1, Math.ceil(shareSeconds / turnSecondsMax));
  const turnSeconds = Math.max(1, Math.floor(shareSeconds / rounds));
  const rows = new Map(names.map((name) => [name, { runs: 0, seconds: 0, inputs: 0, crashes: [] }]));
  mkdirSync(crashes, { recursive: true });
  for (let round = 0; round < rounds; round++) {
    await inTurns(names, (name) => takeTurn(name, turnSeconds, rows.get(name)));
  }
  report(rows);
}

async function takeTurn(name, seconds, row) {
  const own = join(found, name);
  mkdirSync(own, { recursive: true });
  const before = new Set(readdirSync(crashes));
  const folders = [own, join(kept, name)].filter((folder) => existsSync(folder));
  const { output, status } = await startFuzzer(name, [
    `-max_total_time=${seconds}`,
    '-print_final_stats=1',
    `-artifact_prefix=${crashes}/${name}-`,
    ...folders,
  ]);
  row.runs += Number(/number_of_executed_units: (\d+)/.exec(output)?.[1] ?? 0);
  row.seconds += seconds;
  row.inputs = readdirSync(own).length;
  const added = readdirSync(crashes).filter((file) => !before.has(file) && file.startsWith(`${name}-`));
  for (const file of added) row.crashes.push(join(crashes, file));
  if (status !== 0 && added.length === 0) fail(`${name} ended with ${status}:\n${output.slice(-4_000)}`);
}

function report(rows) {
  const line = (...cells) =>
    console.log(cells.map((cell, at) => (at === 0 ? cell.padEnd(18) : `${cell}`.padStart(10))).join(''));
  line('fuzzer', 'seconds', 'runs', 'runs/s', 'inputs', 'crashes');
  for (const [name, row] of rows) {
    line(name, row.seconds, row.runs, Math.round(row.runs / row.seconds), row.inputs, row.crashes.length);
  }
  const all = [...rows.values()].flatMap((row) => row.crashes);
  for (const file of all) console.log(`CRASH: npm run fuzz -- --replay ${file}`);
  process.exitCode = all.length > 0 ? 1 : 0;
}

function replay(file) {
  const name = chosenNames()
    .filter(
      (candidate) =>
        basename(file).startsWith(`${candidate}-`) || resolve(file, '..').endsWith(`/${candidate}`),
    )
    .sort((a, b) => b.length - a.length)[0];
  if (!name) fail(`which fuzzer is ${file} for? Its name does not begin so, and its folder has another.`);
  const child = spawn(`./${binary}`, [file], { env: { ...process.env, FUZZER: name }, stdio: 'inherit' });
  child.on('exit', (code) => {
    process.exitCode = code ?? 1;
  });
}

/** Parsers begin with golden frames, schedules with long ones. */
function isOfWire(name) {
  return readFileSync(join('test/fuzz', `${name}.fuzz.cpp`), 'utf8').startsWith('// native/wire/');
}

/** Rebuilds each corpus from kept inputs, new inputs and the golden frames. */
async function merge(names) {
  await inTurns(names, async (name) => {
    const folder = mkdtempSync(join(tmpdir(), 'corpus-'));
    const seeds = mkdtempSync(join(tmpdir(), 'seeds-'));
    writeSeeds(name, seeds);
    const sources = [join(kept, name), join(found, name), seeds].filter((source) => existsSync(source));
    const { output, status } = await startFuzzer(name, [
      '-set_cover_merge=1',
      '-use_counters=0',
      folder,
      ...sources,
    ]);
    if (status !== 0) fail(`${name} cannot be merged:\n${output.slice(-4_000)}`);
    rmSync(join(kept, name), { recursive: true, force: true });
    mkdirSync(join(kept, name), { recursive: true });
    for (const file of readdirSync(folder)) {
      writeFileSync(join(kept, name, file.slice(0, 12)), readFileSync(join(folder, file)));
    }
    const bytes = readdirSync(folder).reduce((sum, file) => sum + statSync(join(folder, file)).size, 0);
    console.log(`${name.padEnd(18)} ${readdirSync(folder).length} inputs, ${bytes} bytes`);
    for (const used of [folder, seeds]) rmSync(used, { recursive: true });
  });
}

// --- golden frames --------------------------------------------------------------------------------

/** The frames of test/fuzz/golden-frames.txt in the input format of the wire fuzzers: choices first, then bytes. */
function writeSeeds(name, folder) {
  const frames = readFileSync('test/fuzz/golden-frames.txt', 'utf8')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => Buffer.from(line.replaceAll(' ', ''), 'hex'));
  const inputs = frames.flatMap((frame) => seedsOf(name, frame));
  // Long schedules, which libFuzzer alone reaches late; the same each time.
  for (let at = 0; !isOfWire(name) && at < longSeeds; at++) {
    inputs.push(createHash('shake256', { outputLength: inputBytesMax }).update(`${name} ${at}`).digest());
  }
  for (const [at, input] of inputs.entries()) writeFileSync(join(folder, `${at}`), input);
}

function seedsOf(name, frame) {
  const type = frame[0] >> 4;
  const body = frame.subarray(2);
  const versions = [0, 1, 2]; // 3.1, 3.1.1 and 5
  if (name === 'publish' && type === 3)
    return versions.map((version) => Buffer.from([version, frame[0] & 15, ...body]));
  if (name === 'acknowledgement' && type >= 4 && type <= 7) {
    return versions.map((version) => Buffer.from([version, type - 4, 0, ...body]));
  }
  if (name === 'input')
    return [Buffer.from([99, 0, 0, ...frame]), Buffer.from([0, 200, 0, ...frame, ...frame])];
  if (name === 'varint') return [Buffer.from([4, 0, 3, 1, 4, ...frame])];
  if (name === 'websocket') return [Buffer.from([0, 0x82, 0x80 | frame.length, 1, 2, 3, 4, ...frame])];
  if (name === 'topic') return [Buffer.from([9, ...body.subarray(2)])];
  if (name === 'utf8') return [body];
  return [];
}

// --- coverage -------------------------------------------------------------------------------------

/** Clang's source-based coverage of the replay that the tests run. */
async function coverage() {
  const folder = join(build, 'coverage');
  const sources = [
    ...fuzzers(),
    ...librarySources(),
    'test/fuzz/replay.cpp',
    'test/native/main.cpp',
    'test/native/hand-driven-broker.cpp',
  ];
  const flags = ['-fprofile-instr-generate', '-fcoverage-mapping'];
  const objects = await compileAll(sources, folder, ['-O0', ...flags]);
  const program = join(folder, 'replay');
  run('clang++', [...flags, '-o', program, ...objects, ...openssl]);
  const raw = join(folder, 'raw');
  const profile = join(folder, 'profile');
  run(`./${program}`, ['fuzz: '], { LLVM_PROFILE_FILE: raw });
  run('llvm-profdata-14', ['merge', '-o', profile, raw]);
  const summary = JSON.parse(
    run('llvm-cov-14', ['export', '-summary-only', `-instr-profile=${profile}`, program]),
  );
  printCoverage(summary.data[0].files);
}

function printCoverage(files) {
  const line = (name, { covered, count }) =>
    console.log(
      `${name.padEnd(36)}${`${covered}`.padStart(6)} of ${`${count}`.padStart(4)} lines${((100 * covered) / count).toFixed(1).padStart(8)} %`,
    );
  for (const folder of ['native/wire/', 'native/structures/']) {
    const sum = { covered: 0, count: 0 };
    for (const file of files) {
      const name = relative(root, file.filename);
      if (!name.startsWith(folder)) continue;
      line(name, file.summary.lines);
      sum.covered += file.summary.lines.covered;
      sum.count += file.summary.lines.count;
    }
    line(folder, sum);
  }
}

// --- processes ------------------------------------------------------------------------------------

function startFuzzer(name, flags) {
  const bounds = [
    '-len_control=0',
    `-timeout=${inputSecondsMax}`,
    `-max_len=${inputBytesMax}`,
    '-rss_limit_mb=1500',
  ];
  return start(`./${binary}`, [...bounds, ...flags], { FUZZER: name }, true);
}

/** Runs a program without blocking others; returns its output. */
function start(program, flags, environment = {}, mayFail = false) {
  return new Promise((done) => {
    const child = spawn(program, flags, {
      env: { ...process.env, ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (text) => {
        output = (output + text).slice(-200_000);
      });
    }
    child.on('error', (error) =>
      fail(`${program} cannot be run: ${error.message}; see scripts/debian-packages.sh`),
    );
    child.on('close', (status) => {
      if (status !== 0 && !mayFail) fail(`${program} ${flags.join(' ')}\n${output}`);
      done({ output, status });
    });
  });
}

function run(program, flags, environment = {}) {
  try {
    return execFileSync(program, flags, {
      env: { ...process.env, ...environment },
      encoding: 'utf8',
      maxBuffer: 1 << 28,
    });
  } catch (error) {
    return fail(`${program}: ${error.message}; see scripts/debian-packages.sh\n${error.stdout ?? ''}`);
  }
}

/** As many at once as there are cores. */
async function inTurns(items, work) {
  const left = [...items];
  await Promise.all(
    Array.from({ length: cores }, async () => {
      for (let item = left.shift(); item !== undefined; item = left.shift()) await work(item);
    }),
  );
}

function fail(message) {
  console.error(`fuzz: ${message}`);
  process.exit(1);
}
