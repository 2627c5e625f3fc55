/** A program that has stopped its broker ends by itself: no part of the broker keeps it alive. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { within } from '../../support/wait.ts';

const brokerModule = new URL('../../../core/broker.js', import.meta.url).href;
const rawClientModule = new URL('../../support/raw-client.js', import.meta.url).href;

/** Runs a program with `createBroker` and `RawClient`; gives its exit code and all that it printed. */
async function run(program: string): Promise<{ code: number | null; printed: string }> {
  const source = `import { createBroker } from ${JSON.stringify(brokerModule)};
    import { openClient } from ${JSON.stringify(rawClientModule)};
    const options = { port: 0, tcpPort: 0, workers: 2 };
    const test = { after() {} };
    ${program}`;
  const folder = await mkdtemp(join(tmpdir(), 'rallymq-'));
  const file = join(folder, 'program.mjs');
  await writeFile(file, source);
  const child = spawn(process.execPath, [file], { stdio: ['ignore', 'pipe', 'pipe'] });
  let printed = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text) => (printed += text));
  try {
    const [code] = await within('the end of the program', once(child, 'close'));
    return { code, printed };
  } finally {
    child.kill('SIGKILL');
    await rm(folder, { recursive: true });
  }
}

const programs: Readonly<Record<string, string>> = {
  'a broker that was never started': `createBroker(options);`,
  'start and stop': `const broker = createBroker(options); await broker.start(); await broker.stop();`,
  'stop while clients are connected': `
    const broker = createBroker(options);
    await broker.start();
    for (const transport of ['tcp', 'ws']) await openClient(test, transport, broker.address());
    await broker.stop();`,
  'stop with delayed wills and sessions that would expire': `
    const broker = createBroker(options);
    await broker.start();
    const will = { topic: 'w', payload: new Uint8Array(), qos: 0, retain: false, properties: { willDelayInterval: 3600 } };
    const properties = { sessionExpiryInterval: 7200 };
    const client = await openClient(test, 'tcp', broker.address(), { will, properties, clientId: 'c' });
    client.destroy();
    await new Promise((resolve) => broker.once('clientDisconnected', resolve));
    await broker.stop();`,
  'a start that failed': `
    const first = createBroker(options);
    await first.start();
    const second = createBroker({ ...options, port: first.address().port });
    await second.start().catch((error) => console.log(error.code));
    await first.stop();`,
  'subscriptions and publishes': `
    const broker = createBroker(options);
    await broker.start();
    let seen = 0;
    await broker.subscribe('#', () => seen++);
    for (let index = 0; index < 100; index++) await broker.publish('t/' + index, 'x', { qos: index % 3, retain: true });
    await broker.stop();`,
};

for (const [name, program] of Object.entries(programs)) {
  test(name, async () => {
    const { code, printed } = await run(`${program}\nconsole.log('done');`);
    assert.equal(code, 0, printed);
    assert.match(printed, /done/);
  });
}

test('process.exit() while the broker runs', async () => {
  const { code, printed } = await run(`
    const broker = createBroker(options);
    await broker.start();
    for (const transport of ['tcp', 'ws']) await openClient(test, transport, broker.address());
    process.exit(7);`);
  assert.equal(code, 7, printed);
});

test('process.exit() while requests over HTTP wait for their answer, and WebSockets open', async () => {
  const { code, printed } = await run(`
    const { connect } = await import('node:net');
    const broker = createBroker(options);
    await broker.start();
    const { port } = broker.address();
    for (let index = 0; index < 100; index++) {
      const socket = connect(port, '127.0.0.1');
      socket.write('GET /api/retained/a HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n'.repeat(20));
      socket.once('data', () => process.exit(7));
      openClient(test, 'ws', broker.address()).catch(() => {});
    }`);
  assert.equal(code, 7, printed);
});

test('an error of the program while the broker runs ends it as any error', async () => {
  const { code, printed } = await run(`
    const broker = createBroker(options);
    await broker.start();
    for (const transport of ['tcp', 'ws']) await openClient(test, transport, broker.address());
    throw new Error('of the program');`);
  assert.equal(code, 1, printed);
  assert.match(printed, /of the program/);
});
