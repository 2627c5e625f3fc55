/** `npm run conformance` against brokers that run: the line it prints, and how it ends. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { resolve } from 'node:path';
import { test } from 'node:test';
import { startBroker } from '../../support/broker.ts';
import { within } from '../../support/wait.ts';

const program = resolve(import.meta.dirname, 'main.js');

async function run(...args: string[]): Promise<{ code: number; output: string }> {
  // node:test marks its children, and a runner that is marked runs nothing.
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  const child = spawn(process.execPath, [program, ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (output += text));
  const [code] = await within('the end of the conformance tests', once(child, 'close'), 60_000);
  return { code, output };
}

test('a broker that passes: the line, and status 0', async (t) => {
  const { tcpPort } = await startBroker(t);
  const { code, output } = await run(
    '--version',
    '3.1.1',
    '--url',
    `mqtt://127.0.0.1:${tcpPort}`,
    'MQTT-3.12.4-1',
  );
  assert.match(
    output,
    /^MQTT 3\.1\.1: tested \d+, not the server's \d+, of 141; passed 1, failed 0, not run \d+$/m,
  );
  assert.equal(code, 0, output);
});

test('a broker that fails: which statement, and status 1', async (t) => {
  const server = createServer((socket) => socket.destroy()).listen(0, '127.0.0.1');
  t.after(() => server.close());
  await once(server, 'listening');
  const address = server.address();
  assert.ok(address !== null && typeof address === 'object');
  const { code, output } = await run(
    '--version',
    '3.1.1',
    '--url',
    `mqtt://127.0.0.1:${address.port}`,
    'MQTT-3.12.4-1',
  );
  assert.match(output, /^MQTT 3\.1\.1: FAILED MQTT-3\.12\.4-1$/m);
  assert.match(output, /passed 0, failed 1, not run/);
  assert.equal(code, 1, output);
});

test('wrong options: what is wrong, and status 2', async () => {
  const { code, output } = await run('--version', '6');
  assert.equal(code, 2);
  assert.match(output, /conformance: no version 6/);
});
