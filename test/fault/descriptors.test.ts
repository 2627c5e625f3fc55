/** Too few file descriptors: the broker reports it once, serves connected clients, and accepts others when it can. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { resolve } from 'node:path';
import { test } from 'node:test';
import { openClient, RawClient } from '../support/raw-client.ts';
import { until } from '../support/wait.ts';

const cli = resolve(import.meta.dirname, '../../../dist/core/rallymq.js');

test('without descriptors nobody is accepted, and later somebody is again', async (t) => {
  const command = `ulimit -n 100 && exec "$0" "$1" --port 0 --tcp-port 0 --workers 1 --data none`;
  const broker = spawn('sh', ['-c', command, process.execPath, cli], { stdio: ['ignore', 'pipe', 'pipe'] });
  t.after(() => broker.kill('SIGKILL'));
  let printed = '';
  let log = '';
  broker.stdout.setEncoding('utf8').on('data', (text: string) => (printed += text));
  broker.stderr.setEncoding('utf8').on('data', (text: string) => (log += text));
  await until('the ready line', () => printed.includes('  Page '));
  const port = Number(/ws:\/\/[^\s/]*:(\d+)/.exec(printed)?.[1]);
  const tcpPort = Number(/mqtt:\/\/[^\s/]*:(\d+)/.exec(printed)?.[1]);
  const first = await openClient(t, 'tcp', { port, tcpPort });
  const others = await Promise.all(Array.from({ length: 150 }, () => RawClient.overTcp(tcpPort)));
  t.after(() => {
    for (const other of others) other.destroy();
  });
  await until('the line in the log', () => log.includes('too few file descriptors'));
  await first.assertAlive();
  for (const other of others.splice(0)) other.destroy();
  const last = await openClient(t, 'ws', { port, tcpPort });
  await last.assertAlive();
  assert.equal(log.split('too few file descriptors').length, 2, log);
});
