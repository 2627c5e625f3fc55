// Plays the first hour of a new user: `npm run test:first-hour` clones this repository into an empty folder and runs
// there, verbatim, the commands of README.md and docs/getting-started.md, their pages in Chromium, and the programs
// of docs/embedding.md and client/README.md in an empty project with both packages, on each version of Node.js. Then
// it runs the tests of later steps: code blocks, proxies, an operator's accidents. Each step is a line with its time,
// and the last line counts the steps that matched the documents.
//
// `--here` runs the commands and the pages in this folder, without cloning and installing: the quick part, used by
// `npm test`.
//
// It needs mosquitto-clients, curl and Chromium, and without `--here` also the npm registry, nginx, haproxy and
// caddy. Brokers and clients run in their own network or, where that is not available, on the ports 8080, 1883 and
// 8443. A block of `sh` is run line by line; long-running programs (a broker, a demo, a subscriber) run until another
// broker is started, or to the end.

import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { otherNodes } from './other-nodes.mjs';
import { ownNetwork } from './own-network.mjs';

const isHere = process.argv.includes('--here');
const source = resolve(import.meta.dirname, '..');
const scratch = mkdtempSync(join(tmpdir(), 'rallymq-first-hour-'));
const folder = isHere ? source : join(scratch, 'rallymq');
// Compiling takes that long on a busy machine.
const stepMs = 3_600_000;

const documents = ['README.md', 'docs/getting-started.md'];
/** Long-running programs, and how to tell that they run. */
const lasting = [
  [/npm start(?! --silent)/, /^ {2}Page /m],
  [/^npm run demo/, /\n/],
  [/^mosquitto_sub|npm start --silent -- sub/, undefined],
];
/** What a page shows after receiving the messages that the commands publish. */
const shown = '40-30';
/** Tests of a new user's later steps, by subject. */
const further = {
  'the code blocks of the documents': ['test/unit/docs/snippets', 'test/e2e/browser/docs'],
  'nginx, HAProxy and Caddy in front, as docs/proxies.md has them': ['test/e2e/clients/proxies'],
  'wrong flags, variables and files': ['test/e2e/command/wrong-use'],
  "an operator's accidents": ['test/e2e/command/accidents', 'test/fault/descriptors'],
};

/**
 * The oldest TypeScript named in client/README.md and docs/embedding.md; it is installed here because its 38 MB are too
 * large for everyone's `npm ci`. Both are strict, and also check the declarations of the packages.
 */
const pageOptions = { exactOptionalPropertyTypes: true, types: [], lib: ['es2022', 'dom'] };
const oldestTypescript = [
  {
    name: 'rallymq-client',
    version: '5.0.4',
    options: { ...pageOptions, module: 'nodenext', moduleResolution: 'nodenext' },
  },
  {
    name: 'rallymq-client',
    version: '5.0.4',
    options: { ...pageOptions, module: 'esnext', moduleResolution: 'bundler' },
  },
  {
    name: 'rallymq',
    version: '5.7.3',
    options: { types: ['node'], lib: ['es2023'], module: 'nodenext', moduleResolution: 'nodenext' },
  },
];
const embeddingTypes = `import { createBroker, type BrokerOptions } from 'rallymq';
  const options: BrokerOptions = { port: 0, authenticate: ({ username }) => username === 'umpire' };
  const broker = createBroker(options);
  await broker.start();
  broker.subscribe('scores/#', ({ topic, payload }) => console.log(topic, payload.length));
  const port: number = broker.address().port;
  await broker.stop();`;

const network = await ownNetwork();
// The user's own data remain untouched.
const env = isHere ? { ...process.env, RALLYMQ_DATA: join(scratch, 'data') } : process.env;
const running = [];
const pages = [];
let isInstalled = isHere;
let count = 0;
let done = 0;

try {
  if (!isHere) await step(`git clone`, () => run(`git clone --quiet ${source} ${folder}`, scratch));
  for (const document of documents) {
    await playDocument(document);
    await endAll();
  }
  if (!isHere) {
    const project = join(scratch, 'project');
    await step('both packages in an empty project', () => install(project));
    for (const typed of oldestTypescript)
      await step(
        `TypeScript ${typed.version}, ${typed.options.moduleResolution}: the types of ${typed.name}`,
        () => checkTypes(project, typed),
      );
    for (const { version, node } of [thisNode(), ...otherNodes()]) await playPrograms(project, version, node);
    for (const [name, tests] of Object.entries(further))
      await step(name, () => run(`node scripts/run-tests.mjs ${tests.join(' ')}`, folder));
  }
} catch (error) {
  console.error(`first-hour: ${error.stack}`);
  count++;
} finally {
  await endAll();
  network?.close();
  rmSync(scratch, { recursive: true, force: true });
  if (isHere) for (const made of madeHere()) rmSync(join(folder, made), { force: true });
}
console.log(`${done} of ${count}`);
process.exitCode = done === count ? 0 : 1;

/** A failure is reported, and the remaining steps still run. */
async function step(name, play) {
  count++;
  const startedMs = performance.now();
  let fault;
  try {
    await play();
    done++;
  } catch (error) {
    fault = error.message;
  }
  const seconds = ((performance.now() - startedMs) / 1_000).toFixed(1).padStart(6);
  console.log(`${seconds} s  ${fault === undefined ? '' : 'FAILED '}${name}`);
  if (fault !== undefined) console.log(fault);
}

function blocks(document) {
  const text = readFileSync(join(folder, document), 'utf8');
  return [...text.matchAll(/^```(\w+)\n([\s\S]*?)^```/gm)].map(([, language, code]) => ({ language, code }));
}

async function playDocument(document) {
  for (const { language, code } of blocks(document)) {
    if (language === 'json' && code.includes('"roles"')) writeFileSync(join(folder, 'rules.json'), code);
    if (language === 'html') openPage(document, code);
    if (language !== 'sh') continue;
    for (const line of code.trim().split('\n')) await playLine(line);
  }
}

async function playLine(line) {
  if (line.startsWith('npm ci && ')) {
    // Both documents begin with it: once is enough.
    if (!isInstalled) await step('$ npm ci', () => run('npm ci', folder, { isOutside: true }));
    isInstalled = true;
    await playLine(line.replace('npm ci && ', ''));
    return;
  }
  if (line.includes('npm start') && !line.includes('--silent')) await endAll();
  await step(`$ ${line}`, async () => {
    const found = lasting.find(([command]) => command.test(line));
    if (found !== undefined) {
      await startLasting(isHere ? line.replace('/tmp/rallymq-data', join(scratch, 'kept')) : line, found[1]);
      return;
    }
    // Without a terminal `passwd` cannot prompt for the password.
    const asks = line.includes('passwd') && !line.includes('--batch');
    const printed = run(asks ? `${line} --batch` : line, folder, { input: 'a long password\n' });
    if (line.startsWith('curl') && !printed.includes('{"status":"ok"}'))
      throw new Error(`It printed ${printed}`);
  });
}

/** Like a visitor who opens the file from disk, and waits for the published message. */
function openPage(document, code) {
  const file = join(scratch, 'try.html');
  writeFileSync(file, code);
  const program = `import { chromium } from 'playwright-core';
    const args = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-background-networking', '--no-first-run'];
    const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args });
    const page = await browser.newPage();
    await page.goto(${JSON.stringify(`file://${file}`)});
    await page.getByText(${JSON.stringify(shown)}).first().waitFor({ timeout: 60_000 });
    await browser.close();`;
  const child = spawnInside('node', ['--input-type=module', '--eval', program]);
  pages.push({ document, ended: endOf(child) });
}

async function startLasting(line, sign) {
  const child = spawnInside('bash', ['-c', line]);
  const end = endOf(child);
  running.push({ line, child, end });
  const endMs = performance.now() + stepMs;
  while (sign !== undefined && !sign.test(end.printed)) {
    if (child.exitCode !== null || performance.now() > endMs)
      throw new Error(`It did not start:\n${end.printed}`);
    await new Promise((goOn) => setTimeout(goOn, 50));
  }
}

/** Before a broker ends, its pages must have shown the expected output. */
async function endAll() {
  for (const { document, ended } of pages.splice(0))
    await step(`the page of ${document} in Chromium shows ${shown}`, async () => {
      if ((await ended.code) !== 0) throw new Error(ended.printed);
    });
  // The broker last: programs started after it then lose their connection.
  for (const { line, child, end } of running.splice(0).reverse()) {
    // The page has shown the expected output of a subscriber.
    const isSilent = /^mosquitto_sub|-- sub/.test(line) && !end.printed.includes(shown);
    if (child.exitCode === null) process.kill(-child.pid, 'SIGTERM');
    else await step(`${line} goes on`, () => Promise.reject(new Error(`It has ended:\n${end.printed}`)));
    if (isSilent) await step(`${line} prints ${shown}`, () => Promise.reject(new Error('It does not.')));
    await end.code;
  }
}

function spawnInside(command, args) {
  const [program, ...rest] = [...(network?.command ?? []), command, ...args];
  return spawn(program, rest, { cwd: folder, env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
}

function endOf(child) {
  const end = { printed: '', code: new Promise((ended) => child.once('close', ended)) };
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text) => (end.printed += text));
  return end;
}

/** `isOutside`: with access to the registry, which our own network lacks. */
function run(line, cwd, { input = '', isOutside = false } = {}) {
  const [program, ...args] = [...(isOutside ? [] : (network?.command ?? [])), 'bash', '-c', line];
  const { status, stdout, stderr } = spawnSync(program, args, {
    cwd,
    env,
    input,
    encoding: 'utf8',
    timeout: stepMs,
  });
  if (status !== 0) throw new Error(`It ended with ${status}:\n${stdout}${stderr}`);
  return stdout;
}

function install(project) {
  const settings = '{ "private": true, "type": "module" }';
  run(`mkdir -p ${project} && echo '${settings}' > ${project}/package.json`, scratch);
  for (const workspace of ['', '--workspace client'])
    run(`npm pack --silent ${workspace} --pack-destination ${scratch}`, folder, { isOutside: true });
  const packages = `${scratch}/rallymq-0.1.0.tgz ${scratch}/rallymq-client-0.1.0.tgz`;
  run(`npm install --silent --no-audit --no-fund ws ${packages}`, project, { isOutside: true });
}

function checkTypes(project, { name, version, options }) {
  const shared = { strict: true, skipLibCheck: false, noEmit: true, target: 'es2022' };
  const settings = { compilerOptions: { ...shared, ...options }, files: ['typed.ts'] };
  writeFileSync(join(project, 'tsconfig.json'), JSON.stringify(settings));
  const page = readFileSync(join(folder, 'test/e2e/packages/page.ts.txt'), 'utf8');
  writeFileSync(join(project, 'typed.ts'), name === 'rallymq' ? embeddingTypes : page);
  const { devDependencies } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  const needed = `typescript@${version} @types/node@${devDependencies['@types/node']}`;
  run(`npm install --silent --no-save --no-audit --no-fund ${needed}`, project, { isOutside: true });
  const printed = run('node_modules/.bin/tsc --version', project);
  if (printed !== `Version ${version}\n`) throw new Error(`It is ${printed}`);
  run('node_modules/.bin/tsc --project .', project);
}

function thisNode() {
  return { version: process.versions.node, node: process.execPath };
}

/** The programs in docs/embedding.md and client/README.md, and the command of the package. */
async function playPrograms(project, version, node) {
  const programs = blocks('docs/embedding.md').filter(({ language }) => language === 'js');
  const [expected] = blocks('docs/embedding.md').filter(({ language }) => language === 'text');
  for (const [index, { code }] of programs.entries())
    await step(`Node.js ${version}: docs/embedding.md, program ${index + 1}`, () => {
      const ends = index === 0 ? "\nprocess.kill(process.pid, 'SIGINT');\n" : '';
      writeFileSync(join(project, 'example.mjs'), code + ends);
      const printed = run(`${node} example.mjs`, project);
      if (index === 0 && printed !== expected.code)
        throw new Error(`The document says\n${expected.code}not\n${printed}`);
    });
  await step(`Node.js ${version}: client/README.md`, () => {
    const [{ code }] = blocks('client/README.md').filter(({ language }) => language === 'js');
    const program = `import { createBroker } from 'rallymq';
      const broker = createBroker();
      await broker.start();
      globalThis.WebSocket ??= (await import('ws')).WebSocket;
      ${code}
      await rally.close();
      await broker.stop();`;
    writeFileSync(join(project, 'client.mjs'), program);
    const printed = run(`${node} client.mjs`, project);
    if (!printed.includes('scores/court/1')) throw new Error(`It printed ${printed}`);
  });
  await step(`Node.js ${version}: rallymq of the package starts, takes a message and stops`, async () => {
    const command = `${node} ${project}/node_modules/.bin/rallymq --data none`;
    try {
      await startLasting(`exec ${command}`, /^ {2}Page /m);
      run(
        "curl --silent --fail http://127.0.0.1:8080/healthz && mosquitto_pub -t scores/court/1 -m '40-30' -q 1",
        project,
      );
    } finally {
      await endAll();
    }
  });
}

/** By command, in the folder where they run. */
function madeHere() {
  return ['rules.json', 'users.txt', 'dev-cert.pem', 'dev-key.pem', 'dev-ca.pem', 'dev-ca-key.pem'];
}
