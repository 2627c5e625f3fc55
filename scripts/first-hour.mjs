// Plays the first hour of a new user: `npm run test:first-hour` clones this repository into an empty folder, and runs the
// commands of README.md and docs/getting-started.md as they are written, and the programs of docs/embedding.md and
// client/README.md in empty projects with both packages, on this version of Node.js and on others. `--here` plays in this folder, without cloning and
// installing, `--no-packages` leaves out the projects, which need the registry, and
// `--only-packages` plays nothing else.
//
// It needs the ports 8080, 1883 and 8443, mosquitto-clients and curl. A block of `sh` is run line by line; what goes on
// (a broker, a demo, a subscriber) goes on until another broker is started, or to the end.

import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { otherNodes } from './other-nodes.mjs';

const isHere = process.argv.includes('--here');
const playsPackages = !process.argv.includes('--no-packages');
const source = resolve(import.meta.dirname, '..');
const scratch = mkdtempSync(join(tmpdir(), 'rallymq-first-hour-'));
const folder = isHere ? source : join(scratch, 'rallymq');
const stepMs = 600_000;
/** What goes on, and by what one sees that it runs. */
const lasting = [
  [/npm start(?! --silent)/, /^ {2}Page /m],
  [/^npm run demo/, undefined],
  [/^mosquitto_sub/, undefined],
];

const running = [];
// The data of whoever works here stay as they are.
const env = isHere ? { ...process.env, RALLYMQ_DATA: join(scratch, 'data') } : process.env;
let count = 0;

try {
  if (!isHere) run(`git clone --quiet ${source} ${folder}`, scratch);
  if (!process.argv.includes('--only-packages'))
    for (const document of ['README.md', 'docs/getting-started.md']) await playCommands(document);
  await endAll();
  if (playsPackages) packages();
  console.log(`The first hour has passed: ${count} commands and programs did what the documents say.`);
} catch (error) {
  console.error(`first-hour: ${error.message}`);
  process.exitCode = 1;
} finally {
  await endAll();
  rmSync(scratch, { recursive: true, force: true });
  if (isHere)
    for (const made of [
      'rules.json',
      'users.txt',
      'dev-cert.pem',
      'dev-key.pem',
      'dev-ca.pem',
      'dev-ca-key.pem',
    ])
      rmSync(join(folder, made), { force: true });
}

function blocks(document) {
  const text = readFileSync(join(folder, document), 'utf8');
  return [...text.matchAll(/^```(\w+)\n([\s\S]*?)^```/gm)].map(([, language, code]) => ({ language, code }));
}

async function playCommands(document) {
  for (const { language, code } of blocks(document)) {
    if (language === 'json' && code.includes('"roles"')) writeFileSync(join(folder, 'rules.json'), code);
    if (language !== 'sh') continue;
    for (const line of code.trim().split('\n')) await play(line);
  }
}

async function play(line) {
  console.log(`$ ${line}`);
  count++;
  const found = lasting.find(([command]) => command.test(line));
  if (found === undefined) {
    // Without a terminal `passwd` cannot ask for the password.
    const asks = line.includes('passwd') && !line.includes('--batch');
    const printed = run(asks ? `${line} --batch` : line, folder, 'a long password\n');
    if (line.startsWith('curl') && !printed.includes('{"status":"ok"}'))
      throw new Error(`${line} printed ${printed}`);
    return;
  }
  if (line.includes('npm start')) await endAll();
  await startLasting(isHere ? asHere(line) : line, found[1]);
}

/** It is installed, and somebody else may play it at the same time. */
function asHere(line) {
  return line.replace('npm ci && ', '').replace('/tmp/rallymq-data', join(scratch, 'kept'));
}

async function startLasting(line, sign) {
  const child = spawn('bash', ['-c', line], {
    cwd: folder,
    env,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let printed = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (printed += text));
  running.push(child);
  const endMs = performance.now() + stepMs;
  while (sign !== undefined && !sign.test(printed)) {
    if (child.exitCode !== null || performance.now() > endMs)
      throw new Error(`${line} did not start:\n${printed}`);
    await new Promise((done) => setTimeout(done, 50));
  }
}

async function endAll() {
  for (const child of running.splice(0)) {
    if (child.exitCode !== null) continue;
    const ended = new Promise((done) => child.once('close', done));
    process.kill(-child.pid, 'SIGTERM');
    await ended;
  }
}

function run(line, cwd, input = '') {
  const { status, stdout, stderr } = spawnSync('bash', ['-c', line], {
    cwd,
    env,
    input,
    encoding: 'utf8',
    timeout: stepMs,
  });
  if (status !== 0) throw new Error(`${line} ended with ${status}:\n${stdout}${stderr}`);
  return stdout;
}

/** Both packages in an empty project, with what the documents run in one. */
function packages() {
  const project = join(scratch, 'project');
  run(
    `mkdir -p ${project} && echo '{ "private": true, "type": "module" }' > ${project}/package.json`,
    scratch,
  );
  console.log('both packages in an empty project');
  for (const workspace of ['', '--workspace client'])
    run(`npm pack --silent ${workspace} --pack-destination ${scratch}`, folder);
  run(
    `npm install --silent --no-audit --no-fund ws ${scratch}/rallymq-0.1.0.tgz ${scratch}/rallymq-client-0.1.0.tgz`,
    project,
  );
  for (const { version, node } of [
    { version: process.versions.node, node: process.execPath },
    ...otherNodes(),
  ]) {
    console.log(`on Node.js ${version}`);
    playPrograms(project, node);
  }
}

/** What docs/embedding.md and client/README.md show. */
function playPrograms(project, node) {
  const programs = blocks('docs/embedding.md').filter(({ language }) => language === 'js');
  const [expected] = blocks('docs/embedding.md').filter(({ language }) => language === 'text');
  for (const [index, { code }] of programs.entries()) {
    count++;
    const ends = index === 0 ? "\nprocess.kill(process.pid, 'SIGINT');\n" : '';
    writeFileSync(join(project, 'example.mjs'), code + ends);
    const printed = run(`${node} example.mjs`, project);
    if (index === 0 && printed !== expected.code)
      throw new Error(`docs/embedding.md says\n${expected.code}not\n${printed}`);
  }
  count++;
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
  if (!printed.includes('scores/court/1')) throw new Error(`client/README.md printed ${printed}`);
  count++;
  // The command of the package, by the same Node.js.
  const version = run(`${node} node_modules/.bin/rallymq --version`, project);
  if (!/^(rallymq )?0\.1\.0$/im.test(version.trim())) throw new Error(`rallymq --version printed ${version}`);
}
