/** The running command: ready when it reports that, answering HTTP, and stopping properly. */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Command, startCommand, unusedPort } from '../../support/command.ts';
import { publishFrame, subscribeFrame } from '../../support/frames.ts';
import { openClient, openConnected, type RawClient, transports } from '../../support/raw-client.ts';

test('once the ready line is there, clients can connect', async (t) => {
  for (const workers of ['1', '4']) {
    const command = startCommand(t, ['--workers', workers]);
    const ports = await command.ready();
    assert.match(
      command.stdout,
      new RegExp(
        `^RallyMQ \\d+\\.\\d+\\.\\d+ is ready \\(${workers} workers?, HTTP by uWebSockets\\.js\\)\\n`,
      ),
    );
    await Promise.all(transports.flatMap((of) => Array.from({ length: 8 }, () => openClient(t, of, ports))));
  }
});

test('--no-tcp shows no TCP', async (t) => {
  const command = startCommand(t);
  await command.ready();
  assert.match(command.stdout, /MQTT over TCP/);
  const port = `${await unusedPort()}`;
  const without = new Command(['--port', port, '--no-tcp']);
  t.after(() => without.kill('SIGKILL'));
  await without.ready();
  assert.doesNotMatch(without.stdout, /TCP|false/);
});

test('the log is JSON lines on standard error', async (t) => {
  const command = startCommand(t);
  await command.ready();
  const lines = command.stderr.trimEnd().split('\n');
  assert.ok(lines.some((line) => JSON.parse(line).msg === 'ready'));
});

test('too many sessions are one line of the log, however many clients are refused', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'rallymq-'));
  t.after(() => rm(folder, { recursive: true }));
  const file = join(folder, 'rallymq.json');
  await writeFile(file, '{ "limits": { "sessionsMax": 2 } }');
  const command = startCommand(t, ['--config', file]);
  const ports = await command.ready();
  const codes: number[] = [];
  for (let index = 0; index < 20; index++) {
    codes.push((await openConnected(t, 'tcp', ports)).connack.reasonCode);
  }
  assert.deepEqual(codes, [0, 0, ...Array(18).fill(0x97)]);
  const lines = command.stderr
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  const full = lines.filter(({ sessionsMax }) => sessionsMax === 2);
  assert.equal(full.length, 1);
  assert.equal(full[0].refused, 1);
});

test('GET / and /healthz', async (t) => {
  const { port } = await startCommand(t).ready();
  const page = await fetch(`http://127.0.0.1:${port}/`);
  assert.equal(page.status, 200);
  assert.match(page.headers.get('content-type') ?? '', /^text\/html/);
  assert.match(page.headers.get('content-security-policy') ?? '', /default-src 'none'/);
  const text = await page.text();
  assert.match(text, /Every browser tab is an MQTT client/);
  const facts = (await (await fetch(`http://127.0.0.1:${port}/api/broker`)).json()) as Record<
    string,
    unknown
  >;
  assert.match(`${facts['version']}`, /^\d+\.\d+\.\d+/);
  assert.equal(facts['port'], port);
  const health = await fetch(`http://127.0.0.1:${port}/healthz`);
  assert.equal(health.status, 200);
  assert.deepEqual(await health.json(), { status: 'ok' });
  assert.equal((await fetch(`http://127.0.0.1:${port}/nothing`)).status, 404);
  assert.equal((await fetch(`http://127.0.0.1:${port}/`, { method: 'POST', body: 'x' })).status, 405);
});

test('a flag overrides the environment, which overrides the file', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'rallymq-'));
  t.after(() => rm(folder, { recursive: true }));
  const file = join(folder, 'rallymq.json');
  await writeFile(file, '{ "path": "/of-file", "workers": 3, "limits": { "receiveMaximum": 7 } }');
  const command = startCommand(t, ['--path', '/of-flag'], { RALLYMQ_CONFIG: file, RALLYMQ_WORKERS: '2' });
  const { tcpPort, port } = await command.ready();
  assert.match(command.stdout, /2 workers/);
  assert.match(command.stdout, /\/of-flag\n/);
  const { connack } = await openConnected(t, 'tcp', { tcpPort, port });
  assert.equal(connack.properties.receiveMaximum, 7);
});

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  for (const workers of [1, 4]) {
    test(`${signal}, ${workers} workers: clients get DISCONNECT 0x8B and the command ends with 0`, async (t) => {
      const command = startCommand(t, ['--workers', `${workers}`]);
      const ports = await command.ready();
      const clients: RawClient[] = [];
      const old: RawClient[] = [];
      for (let index = 0; index < 6; index++) {
        for (const transport of transports) {
          clients.push(await openClient(t, transport, ports));
          old.push(await openClient(t, transport, ports, { protocolVersion: 4 }));
        }
      }
      command.kill(signal);
      for (const client of clients) {
        assert.match(await client.nextHex(), /^e0..8b/);
        await client.closed();
      }
      for (const client of old) {
        await client.closed();
        assert.deepEqual(client.packets, []);
      }
      const { code, signal: killedBy, stderr } = await command.exited();
      assert.deepEqual({ code, killedBy }, { code: 0, killedBy: null }, stderr);
      assert.match(stderr, /"stopped"/);
    });
  }
}

test('SIGTERM while clients neither read nor close: it still ends', async (t) => {
  const command = startCommand(t, ['--workers', '2']);
  const ports = await command.ready();
  for (const transport of transports) {
    const frozen = await openClient(t, transport, ports);
    frozen.send(subscribeFrame('flood'));
    await frozen.nextPacket();
    frozen.pause();
  }
  const publisher = await openClient(t, 'tcp', ports);
  const flood = publishFrame('flood', new Uint8Array(100_000));
  for (let index = 0; index < 200; index++) publisher.send(flood);
  publisher.send(publishFrame('done', '', { qos: 1 }));
  await publisher.nextPacket();
  command.kill('SIGTERM');
  const { code } = await command.exited();
  assert.equal(code, 0);
});

test('a second signal ends at once', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'rallymq-'));
  t.after(() => rm(folder, { recursive: true }));
  const file = join(folder, 'rallymq.json');
  await writeFile(file, '{ "limits": { "stopMs": 600000 } }');
  const command = startCommand(t, ['--config', file]);
  const ports = await command.ready();
  // It keeps its side open, so that a stop in order takes a while.
  const frozen = await openClient(t, 'tcp', ports);
  frozen.pause();
  const witness = await openClient(t, 'tcp', ports);
  command.kill('SIGTERM');
  await witness.closed();
  command.kill('SIGTERM');
  const { code } = await command.exited();
  assert.equal(code, 1);
});

test('a signal while it starts', async (t) => {
  for (const delayMs of [40, 80, 120, 160, 200]) {
    const command = startCommand(t, ['--workers', '4']);
    await new Promise((resolve) => setTimeout(resolve, delayMs));
    command.kill('SIGTERM');
    const { code, signal } = await command.exited();
    // Before the command could listen to signals it ends by it, as any program.
    assert.ok(code === 0 || signal === 'SIGTERM', `${delayMs} ms: ${code} ${signal}\n${command.stderr}`);
    assert.doesNotMatch(command.stderr, /rallymq: /);
  }
});

test('killed without warning, its ports are free at once', async (t) => {
  const ports = [`${await unusedPort()}`, `${await unusedPort()}`] as const;
  for (let round = 0; round < 3; round++) {
    const command = new Command(['--port', ports[0], '--tcp-port', ports[1], '--workers', '2']);
    t.after(() => command.kill('SIGKILL'));
    const listening = await command.ready();
    await openClient(t, 'ws', listening);
    await openClient(t, 'tcp', listening);
    command.kill('SIGKILL');
    await command.exited();
  }
});
