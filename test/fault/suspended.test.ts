/** The process pauses for a while, as on a suspended machine: that does not count as silence of clients. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { startCommand } from '../support/command.ts';
import { pingreqFrame } from '../support/frames.ts';
import { openClient, type RawClient, transports } from '../support/raw-client.ts';
import { until } from '../support/wait.ts';

// Of it and a half there is enough left for clients that ping three times a second on a busy machine.
const keepAliveSeconds = 4;

test('clients whose packets came in the meantime stay, and the silent one is given its time again', async (t) => {
  const command = startCommand(t);
  const ports = await command.ready();
  const clients: RawClient[] = [];
  for (let index = 0; index < 10; index++) {
    for (const transport of transports)
      clients.push(await openClient(t, transport, ports, { keepAliveSeconds }));
  }
  const pings = setInterval(() => {
    for (const client of clients) client.send(pingreqFrame);
  }, 300);
  t.after(() => clearInterval(pings));
  const openedMs = performance.now();
  const silent = await openClient(t, 'tcp', ports, { keepAliveSeconds });
  command.kill('SIGSTOP');
  const silentMs = performance.now() - openedMs;
  await delay(1_500 * keepAliveSeconds + 1_000);
  command.kill('SIGCONT');
  const wokenMs = performance.now();
  const { atMs } = await silent.closed();
  const leftMs = 1_500 * keepAliveSeconds - silentMs;
  // The tick of a second that it missed in part may be taken for its own silence.
  assert.ok(atMs - wokenMs > leftMs - 1_200, `${atMs - wokenMs} of ${leftMs} ms`);
  await until('answers', () => clients.every((client) => client.packetCount > 3));
  assert.equal(clients.filter((client) => client.isClosed).length, 0);
});
