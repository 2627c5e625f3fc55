/** The client's address behind a proxy: the PROXY protocol on every port, and the HTTP fields. */
import assert from 'node:assert/strict';
import { connect as connectPlain, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { connect } from 'node:tls';
import type { BrokerOptions } from '../../../core/broker.ts';
import { startBroker } from '../../support/broker.ts';
import { startCommand } from '../../support/command.ts';
import { connectFrame, frame } from '../../support/frames.ts';
import { standardCertificate, standardTls } from '../../support/secure.ts';
import { until, within } from '../../support/wait.ts';
import { encodeFrame, opcode } from '../../support/websocket-link.ts';

const ca = standardCertificate().authority.own.certificate;

const version1 = Buffer.from('PROXY TCP4 192.0.2.7 198.51.100.1 56324 443\r\n');
const version2 = Buffer.from('0d0a0d0a000d0a515549540a2111000cc0000207c6336401dc0401bb', 'hex');
const local = Buffer.from('0d0a0d0a000d0a515549540a20000000', 'hex');

async function startBehind(t: TestContext, options: BrokerOptions = {}) {
  const addresses: string[] = [];
  const { broker } = await startBroker(t, {
    ...standardTls(),
    trustedProxies: ['127.0.0.0/8'],
    authenticate: ({ remoteAddress }) => addresses.push(remoteAddress) > 0,
    ...options,
  });
  const { port, tcpPort, tlsPort, mqttsPort } = broker.address();
  return {
    port,
    tcpPort: Number(tcpPort),
    tlsPort: Number(tlsPort),
    mqttsPort: Number(mqttsPort),
    addresses,
  };
}

function plainTo(t: TestContext, port: number, ...first: readonly Uint8Array[]): Socket {
  const socket = connectPlain(port, '127.0.0.1');
  socket.on('error', () => {});
  t.after(() => socket.destroy());
  for (const bytes of first) socket.write(bytes);
  return socket;
}

const opening = (...fields: string[]): string =>
  `${[
    'GET /mqtt HTTP/1.1',
    'Host: localhost',
    'Upgrade: websocket',
    'Connection: Upgrade',
    'Sec-WebSocket-Version: 13',
    'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
    'Sec-WebSocket-Protocol: mqtt',
    ...fields,
  ].join('\r\n')}\r\n\r\n`;

const overWebSocket = (...fields: string[]): Buffer =>
  Buffer.concat([Buffer.from(opening(...fields)), encodeFrame(opcode.binary, connectFrame())]);

/** Which address the broker takes the next client for. */
async function addressAfter(addresses: string[], act: () => void): Promise<string | undefined> {
  const before = addresses.length;
  act();
  await until('a CONNECT', () => addresses.length > before);
  return addresses.at(-1);
}

test('a header of the PROXY protocol comes before MQTT, HTTP and TLS, in one piece with it or byte by byte', async (t) => {
  const { port, tcpPort, tlsPort, mqttsPort, addresses } = await startBehind(t);
  for (const header of [version1, version2, local]) {
    const expected = header === local ? '127.0.0.1' : '192.0.2.7';
    const bytes = [...header].map((byte) => Uint8Array.of(byte));
    for (const first of [[header], bytes]) {
      assert.equal(
        await addressAfter(addresses, () => plainTo(t, tcpPort, ...first, connectFrame())),
        expected,
      );
      assert.equal(
        await addressAfter(addresses, () => plainTo(t, port, ...first, overWebSocket())),
        expected,
      );
      for (const secure of [tlsPort, mqttsPort]) {
        const address = await addressAfter(addresses, () => {
          const socket = connect({ socket: plainTo(t, secure, ...first), servername: 'localhost', ca });
          socket.on('error', () => {});
          socket.write(connectFrame());
        });
        assert.equal(address, expected);
      }
    }
  }
  assert.equal(
    await addressAfter(addresses, () => plainTo(t, tcpPort, Buffer.concat([version1, connectFrame()]))),
    '192.0.2.7',
  );
  assert.equal(await addressAfter(addresses, () => plainTo(t, tcpPort, connectFrame())), '127.0.0.1');
});

test('the fields of a trusted proxy say whose an opening is, from the right', async (t) => {
  const { port, tlsPort, addresses } = await startBehind(t);
  for (const [fields, expected] of [
    [['X-Forwarded-For: 192.0.2.7'], '192.0.2.7'],
    [['X-Forwarded-For: 6.6.6.6, 192.0.2.7, 127.0.0.2'], '192.0.2.7'],
    [['Forwarded: for="[2001:db8::7]:4711";proto=https'], '2001:db8::7'],
    [['Forwarded: for=6.6.6.6', 'X-Forwarded-For: 192.0.2.7'], '127.0.0.1'],
    [['X-Forwarded-For: 6.6.6.6, unknown'], '127.0.0.1'],
    [[], '127.0.0.1'],
  ] as const) {
    assert.equal(await addressAfter(addresses, () => plainTo(t, port, overWebSocket(...fields))), expected);
    const address = await addressAfter(addresses, () => {
      const socket = connect({ port: tlsPort, host: 'localhost', ca });
      t.after(() => socket.destroy());
      socket.on('error', () => {});
      socket.write(overWebSocket(...fields));
    });
    assert.equal(address, expected);
  }
});

test('who is no trusted proxy speaks for nobody', async (t) => {
  const { port, tcpPort, addresses } = await startBehind(t, { trustedProxies: ['10.0.0.0/8'] });
  assert.equal(
    await addressAfter(addresses, () => plainTo(t, port, overWebSocket('X-Forwarded-For: 192.0.2.7'))),
    '127.0.0.1',
  );
  for (const header of [version1, version2]) {
    const socket = plainTo(t, tcpPort, header, connectFrame());
    await within('the end', new Promise((resolve) => socket.once('close', resolve)));
  }
  // Behind another proxy's header the fields are those of a client.
  const behind = await startBehind(t);
  const spoofed = (): Socket => plainTo(t, behind.port, version1, overWebSocket('X-Forwarded-For: 6.6.6.6'));
  assert.equal(await addressAfter(behind.addresses, spoofed), '192.0.2.7');
  assert.equal(addresses.length, 1);
});

test('headers that are not believed, or not formed as they must be, end the connection and are in the log', async (t) => {
  const trusting = startCommand(t, ['--trusted-proxies', '127.0.0.1']);
  const doubting = startCommand(t, ['--trusted-proxies', '10.0.0.0/8,fd00::/8']);
  for (const [command, bytes, sentence] of [
    [trusting, Buffer.from('PROXY TCP4 1.2.3.4\r\n'), /malformed PROXY protocol header/],
    [doubting, version2, /not in trustedProxies/],
  ] as const) {
    const { port, tcpPort } = await command.ready();
    for (const each of [port, tcpPort]) {
      const socket = plainTo(t, each, bytes);
      await within('the end', new Promise((resolve) => socket.once('close', resolve)));
    }
    await until('the line', () => sentence.test(command.stderr));
  }
});

test('bytes that only begin like a header are what they are', async (t) => {
  const { port, tcpPort, addresses } = await startBehind(t);
  const socket = plainTo(
    t,
    port,
    Buffer.from('P'),
    Buffer.from('OST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n'),
  );
  const answer = await within('an answer', new Promise<Buffer>((resolve) => socket.once('data', resolve)));
  assert.match(answer.toString(), /^HTTP\/1\.1 405 /);
  const empty = plainTo(
    t,
    port,
    Buffer.from('\r\n'),
    Buffer.from('GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n'),
  );
  const healthy = await within('an answer', new Promise<Buffer>((resolve) => empty.once('data', resolve)));
  assert.match(healthy.toString(), /^HTTP\/1\.1 200 /);
  assert.equal(
    await addressAfter(addresses, () => plainTo(t, tcpPort, frame(0x10, connectFrame().subarray(2)))),
    '127.0.0.1',
  );
});
