/** SIGUSR2 drains the broker: no client is accepted, clients are told to leave a few at a time, and then it stops. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { accessFolder } from '../../support/access-files.ts';
import { startCommand } from '../../support/command.ts';
import { hexOf } from '../../support/frames.ts';
import { openClient, openConnected } from '../../support/raw-client.ts';
import { until } from '../../support/wait.ts';

test('a broker that is drained says so, tells its clients one after the other, and ends with 0', async (t) => {
  const folder = accessFolder(t);
  // Slow enough for whoever looks meanwhile: 30 clients take half a minute, unless they go by themselves.
  const config = folder.write('config', { limits: { drainClientsPerSecond: 1 } });
  const command = startCommand(t, ['--workers', '2', '--config', config]);
  const ports = await command.ready();
  const readyz = `http://127.0.0.1:${ports.port}/readyz`;
  assert.equal((await fetch(readyz)).status, 200);
  const clients = await Promise.all(
    Array.from({ length: 30 }, (_, index) => openClient(t, 'tcp', ports, { clientId: `client-${index}` })),
  );
  command.kill('SIGUSR2');
  await until('a client is told', () => clients.some(({ packets }) => packets.length > 0));
  const ready = await fetch(readyz);
  assert.equal(ready.status, 503);
  assert.match(await ready.text(), /drained/);
  const late = await openConnected(t, 'tcp', ports, { clientId: 'late' });
  assert.equal(late.connack.reasonCode, 0x88);
  for (const client of clients) {
    const told = client.packets[0];
    if (told !== undefined) assert.equal(Buffer.from([told.header]).toString('hex'), hexOf('e0'));
    if (told?.body[0] !== undefined) assert.equal(told.body[0], 0x8b);
    client.destroy();
  }
  const { code, stderr } = await command.exited();
  assert.equal(code, 0, stderr);
  assert.match(stderr, /"msg":"clients are being disconnected"/);
});

test('with a server reference clients are told where to go', async (t) => {
  const folder = accessFolder(t);
  const config = folder.write('config', { serverReference: 'mqtt2.example:1883' });
  const command = startCommand(t, ['--config', config]);
  const ports = await command.ready();
  const client = await openClient(t, 'ws', ports, { clientId: 'a' });
  command.kill('SIGUSR2');
  const { header, body } = await client.nextPacket();
  assert.deepEqual([header, body[0]], [0xe0, 0x9c]);
  assert.ok(Buffer.from(body).toString().includes('mqtt2.example:1883'));
  assert.equal((await command.exited()).code, 0);
});
