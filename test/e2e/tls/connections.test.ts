/** Failures of TLS connections: stalls, ends, storms, and clients that do not use TLS. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect as connectPlain, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { connect, type TLSSocket } from 'node:tls';
import type { BrokerOptions } from '../../../core/broker.ts';
import { startBroker } from '../../support/broker.ts';
import { startCommand } from '../../support/command.ts';
import { connectFrame, pingreqFrame, publishFrame } from '../../support/frames.ts';
import { standardCertificate, standardTls } from '../../support/secure.ts';
import { until, within } from '../../support/wait.ts';
import { secureClient } from './secure-client.ts';

const { authority, server } = standardCertificate();
const ca = authority.own.certificate;

async function startSecure(t: TestContext, options: BrokerOptions = {}) {
  const { broker } = await startBroker(t, { ...standardTls(), ...options });
  const { tlsPort, mqttsPort } = broker.address();
  return { broker, tlsPort: Number(tlsPort), mqttsPort: Number(mqttsPort) };
}

function endOf(socket: Socket): Promise<string> {
  let text = '';
  socket.on('data', (chunk) => (text += chunk.toString('latin1')));
  socket.on('error', () => {});
  return within('the end', new Promise((resolve) => socket.once('close', () => resolve(text))));
}

async function opened(t: TestContext, port: number, options: object = {}): Promise<TLSSocket> {
  const socket = connect({ port, host: 'localhost', ca, ...options });
  t.after(() => socket.destroy());
  await within(
    'a handshake',
    new Promise((resolve, reject) => {
      socket.once('secureConnect', resolve);
      socket.once('error', reject);
    }),
  );
  return socket;
}

/** The bytes with which a client begins its handshake. */
async function clientHello(): Promise<Buffer> {
  const { createServer } = await import('node:net');
  const listener = createServer();
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
  const address = listener.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const taken = new Promise<Buffer>((resolve) =>
    listener.once('connection', (socket) => {
      socket.on('error', () => {});
      socket.once('data', (bytes) => {
        socket.destroy();
        resolve(bytes);
      });
    }),
  );
  const client = connect({ port, host: '127.0.0.1' });
  client.on('error', () => {});
  const bytes = await taken;
  client.destroy();
  listener.close();
  return bytes;
}

test('a client that stalls at any byte of its handshake, or behind it, is ended in time', async (t) => {
  const { broker, tlsPort, mqttsPort } = await startSecure(t, { limits: { connectTimeoutMs: 3_000 } });
  const hello = await clientHello();
  const cuts = [0, 1, 2, 5, 6, 60, hello.length - 1, hello.length];
  const stalled = cuts.flatMap((cut) =>
    [tlsPort, mqttsPort].map((port) => {
      const socket = connectPlain(port, '127.0.0.1');
      socket.write(hello.subarray(0, cut));
      return endOf(socket);
    }),
  );
  const silent = endOf(await opened(t, tlsPort));
  const halfHead = await opened(t, tlsPort);
  halfHead.write('GET / HTTP/1.1\r\n');
  const halfConnect = await opened(t, mqttsPort);
  halfConnect.write(connectFrame().subarray(0, 5));
  await Promise.all([...stalled, silent, endOf(halfConnect)]);
  assert.match(await endOf(halfHead), /^HTTP\/1\.1 408 /);
  await until('nobody is left', () => broker.statistics().connections === 0);
});

test('the first packets come through though they come byte by byte', async (t) => {
  const { mqttsPort } = await startSecure(t);
  const socket = await opened(t, mqttsPort);
  let text = '';
  socket.on('data', (chunk) => (text += chunk.toString('hex')));
  for (const byte of Buffer.concat([connectFrame(), pingreqFrame])) socket.write(Uint8Array.of(byte));
  await until('CONNACK and PINGRESP', () => text.startsWith('20') && text.endsWith('d000'));
});

test('a client that ends without close_notify has left, and so has one that says it and keeps its socket', async (t) => {
  const { broker, mqttsPort } = await startSecure(t);
  const messages: string[] = [];
  await broker.subscribe('last', ({ payload }) => void messages.push(Buffer.from(payload).toString()));
  const cut = await opened(t, mqttsPort);
  cut.write(
    connectFrame({
      will: { topic: 'last', payload: Buffer.from('will'), qos: 0, retain: false, properties: {} },
    }),
  );
  await until('it is connected', () => broker.statistics().sessions === 1);
  cut.destroy();
  await until('the will', () => messages.includes('will'));
  const polite = await opened(t, mqttsPort, { allowHalfOpen: true });
  polite.write(connectFrame());
  polite.write(publishFrame('last', 'goodbye'));
  polite.end(); // close_notify right behind the message
  await until('the message', () => messages.includes('goodbye'));
  await until('nobody is left', () => broker.statistics().connections === 0);
});

test('who sends no more still gets the whole answer, however full its socket is', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'rallymq-tls-'));
  t.after(() => rmSync(folder, { recursive: true }));
  // The socket of a path has a buffer of a fixed size: one of these numbers of answers fills it almost exactly.
  const path = join(folder, 'secure');
  await startSecure(t, { listeners: [{ socket: path, tls: true }] });
  const request = 'GET /mqtt-3.js HTTP/1.1\r\nHost: localhost\r\n\r\n';
  const counts = Array.from({ length: 24 }, (_, index) => index + 4);
  const sockets = await Promise.all(
    counts.map(async (count) => {
      const plain = connectPlain({ path, allowHalfOpen: true });
      const socket = await opened(t, 0, { socket: plain, allowHalfOpen: true });
      socket.pause().end(request.repeat(count));
      return socket;
    }),
  );
  await setTimeout(300); // all that fits is there
  const received = await Promise.all(
    sockets.map(async (socket) => {
      const chunks: Buffer[] = [];
      socket.on('data', (chunk) => chunks.push(chunk)).resume();
      await within('the end', once(socket, 'end'));
      return Buffer.concat(chunks).toString('latin1');
    }),
  );
  assert.deepEqual(
    received.map((text) => text.split('HTTP/1.1 200 ').length - 1),
    counts,
  );
  for (const text of received) {
    const [, length] = /content-length: (\d+)/i.exec(text) ?? [];
    assert.equal(text.length - text.lastIndexOf('\r\n\r\n') - 4, Number(length));
  }
});

test('a session is resumed on another worker', async (t) => {
  const { broker, tlsPort } = await startSecure(t, { workers: 3 });
  const first = await opened(t, tlsPort);
  const session = await within('a ticket', new Promise<Buffer>((resolve) => first.once('session', resolve)));
  for (let times = 0; times < 20; times++) {
    const again = await opened(t, tlsPort, { session });
    assert.ok(again.isSessionReused());
  }
  await until('all of them at the broker', () => broker.statistics().tlsResumed === 20); // each worker takes some
});

test('large messages go both ways, past a client that reads late', async (t) => {
  const { tlsPort } = await startSecure(t, { limits: { outboxBytesMax: 64_000_000 } });
  const slow = await secureClient(t, tlsPort, ca, { protocol: 'mqtts' });
  await slow.subscribe('large');
  const { stream } = slow.client;
  stream.pause();
  const sender = await secureClient(t, tlsPort, ca);
  const payloads = Array.from({ length: 30 }, (_, index) => `${index} ${'y'.repeat(900_000)}`);
  await Promise.all(payloads.map((payload) => sender.client.publishAsync('large', payload, { qos: 1 })));
  stream.resume();
  await until('all messages', () => slow.texts.length === payloads.length, 30_000);
  assert.deepEqual(slow.texts, payloads);
});

test('those who are connected are served while hundreds shake hands', async (t) => {
  const { broker, tlsPort } = await startSecure(t, { limits: { tlsHandshakesPerTurnMax: 2 } });
  const client = await secureClient(t, tlsPort, ca);
  await client.subscribe('tick');
  const storm = Array.from({ length: 150 }, () => opened(t, tlsPort, { maxVersion: 'TLSv1.2' }));
  for (let tick = 0; tick < 20; tick++) await broker.publish('tick', `${tick}`);
  await Promise.all(storm);
  await until('all ticks', () => client.texts.length === 20);
  assert.equal(broker.statistics().tlsHandshakes, 151);
});

test('a client without TLS on a TLS port is told, and one log line says so', async (t) => {
  const command = startCommand(t, [
    '--tls-port',
    '0',
    '--mqtts-port',
    '0',
    '--tls-cert',
    server.certFile,
    '--tls-key',
    server.keyFile,
  ]);
  await command.ready();
  const tlsPort = Number(/wss:\/\/[^\s/]*:(\d+)/.exec(command.stdout)?.[1]);
  const mqttsPort = Number(/over TLS {8}mqtts:\/\/[^\s/]*:(\d+)/.exec(command.stdout)?.[1]);
  assert.match(command.stdout, new RegExp(`https://127\\.0\\.0\\.1:${tlsPort}/`));
  for (let round = 0; round < 2; round++) {
    for (const [port, sentence] of [
      [tlsPort, /^HTTP\/1\.1 400 .*This port speaks TLS: use https:\/\/ or wss:\/\/ here\.\n$/s],
      [mqttsPort, /^HTTP\/1\.1 400 .*This port speaks MQTT over TLS: use mqtts:\/\/ here\.\n$/s],
    ] as const) {
      const http = connectPlain(port, '127.0.0.1');
      for (const character of 'GET / HTTP/1.1\r\nHost: a\r\n\r\n') http.write(character);
      assert.match(await endOf(http), sentence);
      const mqtt = connectPlain(port, '127.0.0.1');
      mqtt.write(connectFrame());
      assert.equal(await endOf(mqtt), '');
    }
    const garbage = connectPlain(tlsPort, '127.0.0.1');
    garbage.write(Buffer.from(`160301000500000000ff`, 'hex'));
    assert.match(await endOf(garbage), /^\x15\x03/); // an alert
  }
  await until('the line', () => command.stderr.includes('without TLS uses a TLS port'));
  assert.equal(command.stderr.split('without TLS uses a TLS port').length, 2);
  await until('the line about the garbage', () => command.stderr.includes('TLS handshake failed'));
});
