/** A configuration that changes while the broker runs: SIGHUP reloads it. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { accessFolder } from '../../support/access-files.ts';
import { startCommand } from '../../support/command.ts';
import { hexOf, subscribeFrame } from '../../support/frames.ts';
import { openClient, openConnected } from '../../support/raw-client.ts';
import { until } from '../../support/wait.ts';
import { handshake } from '../../support/websocket-link.ts';

const granted = hexOf('90 04 0001 00 00');
const quotaExceeded = hexOf('90 04 0001 00 97');

/** The command with a file of its own, which is written anew and read again. */
async function configured(t: TestContext, config: object) {
  const folder = accessFolder(t);
  const path = folder.write('config', config);
  const command = startCommand(t, ['--config', path, '--workers', '2']);
  const ports = await command.ready();
  let reloads = 0;
  const reload = async (changed: object | string): Promise<Record<string, unknown>> => {
    folder.write('config', changed);
    command.kill('SIGHUP');
    reloads++;
    await until('what came of it is in the log', () => auditsOf(command.stderr).length === reloads);
    return auditsOf(command.stderr)[reloads - 1] ?? {};
  };
  return { command, ports, reload };
}

async function openingStatus(port: number): Promise<number> {
  const { status, socket } = await handshake(port, { headers: ['Origin: https://scores.example'] });
  socket.destroy();
  return status;
}

function linesOf(log: string): Record<string, unknown>[] {
  return log.split('\n').flatMap((line) => (line.startsWith('{') ? [JSON.parse(line)] : []));
}

function auditsOf(log: string): Record<string, unknown>[] {
  return linesOf(log).filter(({ audit }) => audit === 'reloaded' || audit === 'reloadRefused');
}

test('what is live counts from then on, on all workers; what is not is named', async (t) => {
  const { command, ports, reload } = await configured(t, { path: '/mqtt' });
  assert.equal(await openingStatus(ports.port), 403);
  const before = await Promise.all(Array.from({ length: 4 }, () => openClient(t, 'tcp', ports)));
  for (const client of before) {
    client.send(subscribeFrame('a'));
    assert.equal(await client.nextHex(), granted);
  }
  const audit = await reload({
    path: '/other',
    allowedOrigins: ['https://scores.example'],
    logLevel: 'debug',
    limits: { subscriptionsPerSessionMax: 1, laneRecords: 2_048 },
  });
  assert.equal(audit['by'], 'SIGHUP');
  assert.deepEqual(audit['options'], [
    { name: 'allowedOrigins', before: [], after: ['https://scores.example'] },
    { name: 'logLevel', before: 'info', after: 'debug' },
    { name: 'limits.subscriptionsPerSessionMax', before: 10_000, after: 1 },
  ]);
  await until('the log names the rest', () =>
    linesOf(command.stderr).some(({ options }) => `${options}` === 'path,limits.laneRecords'),
  );
  for (const client of before) {
    client.send(subscribeFrame('b'));
    assert.equal(await client.nextHex(), quotaExceeded);
  }
  const statuses = await Promise.all(Array.from({ length: 8 }, () => openingStatus(ports.port)));
  assert.deepEqual([...new Set(statuses)], [101]);
  await openClient(t, 'tcp', ports);
  await until('debug lines are written', () => command.stderr.includes('"connected"'));
  await reload({ allowedOrigins: [] });
  assert.equal(await openingStatus(ports.port), 403, 'although it was accepted before');
});

test('clients that are connected already are counted when there is a limit at last', async (t) => {
  const { ports, reload } = await configured(t, {});
  const first = await openClient(t, 'tcp', ports);
  await openClient(t, 'tcp', ports);
  await reload({ limits: { connectionsPerAddressMax: 2 } });
  const third = await openConnected(t, 'tcp', ports);
  assert.equal(third.connack.reasonCode, 0x97);
  first.destroy();
  await until(
    'the place is free',
    async () => (await openConnected(t, 'tcp', ports)).connack.reasonCode === 0,
  );
  await reload({});
  await openClient(t, 'tcp', ports);
  await openClient(t, 'tcp', ports);
});

test('a configuration that is wrong changes nothing, and the log says where', async (t) => {
  const { command, ports, reload } = await configured(t, {});
  for (const [text, fault] of [
    ['{ "logLevel": "debug", ', /is not JSON at line 1/],
    ['{ "logLevel": "debug", "prot": 1 }', /did you mean 'port'/],
    ['{ "logLevel": "debug", "limits": { "stopMs": -1 } }', /limits\.stopMs in .* is -1/],
    ['{ "logLevel": "debug", "host": "0.0.0.0" }', /clients need no credentials/],
  ] as const) {
    const audit = await reload(text);
    assert.equal(audit['audit'], 'reloadRefused');
    assert.equal(audit['by'], 'SIGHUP');
    assert.match(JSON.stringify(audit['err']), fault);
    assert.doesNotMatch(command.stderr, /"stack"/);
  }
  await openClient(t, 'tcp', ports);
  assert.doesNotMatch(command.stderr, /"msg":"connected"/);
});
