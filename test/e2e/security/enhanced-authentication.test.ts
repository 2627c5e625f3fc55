/** Enhanced authentication (MQTT 5, 4.12): AUTH at CONNECT and later, with SCRAM-SHA-256 and made-up methods. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import {
  type AuthenticationMethod,
  type AuthenticationStep,
  scramCredentials,
  scramSha256,
} from '../../../core/broker.ts';
import { decodeConnack } from '../../../core/wire/decode-connack.ts';
import { decodeServerAuth } from '../../../core/wire/decode-disconnect.ts';
import { encodeAuth } from '../../../core/wire/encode-disconnect.ts';
import type { AuthPacket, ConnackPacket } from '../../../core/wire/packets.ts';
import { isProtocolError } from '../../../core/wire/protocol-error.ts';
import { startBroker } from '../../support/broker.ts';
import {
  connectFrame,
  disconnectFrame,
  hexOf,
  pingreqFrame,
  publishFrame,
  publishOf,
  subscribeFrame,
} from '../../support/frames.ts';
import {
  openConnected,
  type Ports,
  RawClient,
  type TransportName,
  transports,
} from '../../support/raw-client.ts';
import { ScramClient } from '../../support/scram-client.ts';
import { until } from '../../support/wait.ts';

const scramName = 'SCRAM-SHA-256';
const stored = await scramCredentials('pencil');
const scram = scramSha256({ credentialsOf: (username) => (username === 'umpire' ? stored : undefined) });

/** Takes "let me in" and asks everyone else to say it. */
const polite: AuthenticationMethod = {
  name: 'polite',
  begin: () => ({
    next: (data): AuthenticationStep =>
      Buffer.from(data ?? []).toString() === 'let me in'
        ? { outcome: 'success' }
        : { outcome: 'continue', data: Buffer.from('say: let me in') },
  }),
};

function authFrame(
  reasonCode: number,
  authenticationMethod: string,
  authenticationData?: Uint8Array,
): Uint8Array {
  return encodeAuth({
    reasonCode,
    properties: { authenticationMethod, ...(authenticationData && { authenticationData }) },
  });
}

async function open(
  t: TestContext,
  transport: TransportName,
  ports: Ports,
  authenticationMethod: string,
  authenticationData?: Uint8Array,
): Promise<RawClient> {
  const client = await RawClient.open(transport, ports);
  t.after(() => client.destroy());
  const properties = { authenticationMethod, ...(authenticationData && { authenticationData }) };
  client.send(connectFrame({ clientId: 'c', properties }));
  return client;
}

async function nextAuth(client: RawClient): Promise<AuthPacket> {
  const { header, body } = await client.nextPacket();
  const auth = decodeServerAuth(header, body, 5);
  assert.ok(!isProtocolError(auth), `not an AUTH: ${header.toString(16)}`);
  return auth;
}

async function nextConnack(client: RawClient): Promise<ConnackPacket> {
  const { header, body } = await client.nextPacket();
  const connack = decodeConnack(header, body, 5);
  assert.ok(!isProtocolError(connack), `not a CONNACK: ${header.toString(16)}`);
  return connack;
}

/** A client that has authenticated with SCRAM. */
async function openProven(t: TestContext, transport: TransportName, ports: Ports): Promise<RawClient> {
  const user = new ScramClient('umpire', 'pencil');
  const client = await open(t, transport, ports, scramName, user.first());
  const challenge = await nextAuth(client);
  assert.equal(challenge.reasonCode, 0x18);
  assert.equal(challenge.properties.authenticationMethod, scramName);
  client.send(
    authFrame(0x18, scramName, user.final(challenge.properties.authenticationData ?? new Uint8Array())),
  );
  const connack = await nextConnack(client);
  assert.equal(connack.reasonCode, 0);
  assert.equal(connack.properties.authenticationMethod, scramName);
  user.assertProven(connack.properties.authenticationData);
  return client;
}

for (const transport of transports) {
  for (const workers of [1, 4]) {
    test(`${transport}, ${workers} workers: SCRAM-SHA-256 lets in who knows the password [MQTT-4.12.0-2]`, async (t) => {
      const running = await startBroker(t, { workers, authenticationMethods: [scram] });
      const client = await openProven(t, transport, running);
      client.send(subscribeFrame('t'), publishFrame('t'));
      assert.equal(await client.nextHex(), hexOf('90 04 0001 00 00'));
      publishOf(await client.nextPacket());
    });
  }

  test(`${transport}: SCRAM-SHA-256 refuses a wrong password and a wrong user alike, with 0x87`, async (t) => {
    const running = await startBroker(t, { authenticationMethods: [scram] });
    for (const [name, password] of [
      ['umpire', 'crayon'],
      ['nobody', 'pencil'],
    ] as const) {
      const user = new ScramClient(name, password);
      const client = await open(t, transport, running, scramName, user.first());
      const { properties } = await nextAuth(client);
      client.send(authFrame(0x18, scramName, user.final(properties.authenticationData ?? new Uint8Array())));
      assert.equal(await client.nextHex(), hexOf('20 03 00 87 00'), name);
      await client.closed();
    }
  });

  test(`${transport}: a method that the broker does not have is 0x8C`, async (t) => {
    const running = await startBroker(t, { authenticationMethods: [polite] });
    for (const name of [scramName, 'Polite', '']) {
      const client = await open(t, transport, running, name);
      assert.equal(await client.nextHex(), hexOf('20 03 00 8c 00'), name);
      await client.closed();
    }
    const none = await startBroker(t);
    const client = await open(t, transport, none, 'polite');
    assert.equal(await client.nextHex(), hexOf('20 03 00 8c 00'));
  });

  test(`${transport}: an exchange takes as many steps as it needs; success may come without data`, async (t) => {
    const running = await startBroker(t, { authenticationMethods: [polite] });
    const client = await open(t, transport, running, 'polite');
    for (const word of ['hello', 'please', '']) {
      const { reasonCode, properties } = await nextAuth(client);
      assert.equal(reasonCode, 0x18);
      assert.equal(Buffer.from(properties.authenticationData ?? []).toString(), 'say: let me in');
      client.send(authFrame(0x18, 'polite', Buffer.from(word)));
    }
    await nextAuth(client);
    client.send(authFrame(0x18, 'polite', Buffer.from('let me in')));
    const { reasonCode, properties } = await nextConnack(client);
    assert.equal(reasonCode, 0);
    assert.deepEqual([properties.authenticationMethod, properties.authenticationData], ['polite', undefined]);
  });

  test(`${transport}: what must not come during the exchange is 0x82 in the CONNACK [MQTT-3.1.2-30]`, async (t) => {
    const running = await startBroker(t, { authenticationMethods: [polite] });
    const wrong = {
      PUBLISH: publishFrame('t'),
      PINGREQ: pingreqFrame,
      'a second CONNECT': connectFrame(),
      'AUTH with another method [MQTT-4.12.0-5]': authFrame(0x18, 'rude'),
      'AUTH that begins anew': authFrame(0x19, 'polite'),
      'AUTH with success': authFrame(0, 'polite'),
      'AUTH without a method': encodeAuth({ reasonCode: 0x18, properties: {} }),
      'an empty AUTH': Uint8Array.of(0xf0, 0),
    };
    for (const [name, frame] of Object.entries(wrong)) {
      const client = await open(t, transport, running, 'polite');
      await nextAuth(client);
      client.send(frame);
      assert.equal(await client.nextHex(), hexOf('20 03 00 82 00'), name);
      await client.closed();
      assert.deepEqual(client.packets, [], name);
    }
  });

  test(`${transport}: an AUTH with flags is malformed, in the CONNACK and in a DISCONNECT [MQTT-3.15.1-1]`, async (t) => {
    const running = await startBroker(t, { authenticationMethods: [polite, scram] });
    const frame = authFrame(0x18, 'polite');
    frame[0] = 0xf1;
    const client = await open(t, transport, running, 'polite');
    await nextAuth(client);
    client.send(frame);
    assert.equal(await client.nextHex(), hexOf('20 03 00 81 00'));
    const connected = await openProven(t, transport, running);
    connected.send(frame);
    assert.equal(await connected.nextHex(), hexOf('e0 01 81'));
  });

  test(`${transport}: a client may leave in the middle of the exchange`, async (t) => {
    const running = await startBroker(t, { authenticationMethods: [polite] });
    for (const frames of [[disconnectFrame], []]) {
      const client = await open(t, transport, running, 'polite');
      await nextAuth(client);
      if (frames.length > 0) client.send(...frames);
      else client.destroy();
      await client.closed();
      assert.deepEqual(client.packets, []);
    }
    await until('nobody is left', () => running.broker.statistics().connections === 0);
  });

  test(`${transport}: a client that does not answer is refused with 0x87 in time`, async (t) => {
    const running = await startBroker(t, {
      authenticationMethods: [polite],
      limits: { connectTimeoutMs: 2_000 },
    });
    const client = await open(t, transport, running, 'polite');
    await nextAuth(client);
    assert.equal(await client.nextHex(), hexOf('20 03 00 87 00'));
    await client.closed();
  });

  test(`${transport}: a connected client authenticates again and stays as it is [MQTT-4.12.1-1]`, async (t) => {
    const running = await startBroker(t, { authenticationMethods: [scram] });
    const client = await openProven(t, transport, running);
    client.send(subscribeFrame('t'));
    await client.nextPacket();
    for (let again = 0; again < 2; again++) {
      const user = new ScramClient('umpire', 'pencil', `again${again}`);
      // What follows is still taken with what was settled before.
      client.send(authFrame(0x19, scramName, user.first()), publishFrame('t', `${again}`));
      const challenge = await nextAuth(client);
      assert.equal(challenge.reasonCode, 0x18);
      assert.equal(Buffer.from(publishOf(await client.nextPacket()).payload).toString(), `${again}`);
      const data = challenge.properties.authenticationData ?? new Uint8Array();
      client.send(authFrame(0x18, scramName, user.final(data)));
      const success = await nextAuth(client);
      assert.deepEqual([success.reasonCode, success.properties.authenticationMethod], [0, scramName]);
      user.assertProven(success.properties.authenticationData);
    }
    await client.assertAlive();
  });

  test(`${transport}: a client that fails to authenticate again is ended with 0x87 [MQTT-4.12.1-2]`, async (t) => {
    const running = await startBroker(t, { authenticationMethods: [scram] });
    const client = await openProven(t, transport, running);
    const user = new ScramClient('umpire', 'crayon');
    client.send(authFrame(0x19, scramName, user.first()));
    const { properties } = await nextAuth(client);
    client.send(authFrame(0x18, scramName, user.final(properties.authenticationData ?? new Uint8Array())));
    assert.equal(await client.nextHex(), hexOf('e0 01 87'));
    await client.closed();
  });

  test(`${transport}: AUTH that a connected client may not send is 0x82`, async (t) => {
    const running = await startBroker(t, { authenticationMethods: [scram, polite], allowAnonymous: true });
    const user = new ScramClient('umpire', 'pencil');
    const wrong = {
      'another method': [authFrame(0x19, 'polite')],
      'an answer to nothing': [authFrame(0x18, scramName)],
      'beginning twice': [authFrame(0x19, scramName, user.first()), authFrame(0x19, scramName, user.first())],
      'another method in the answer': [authFrame(0x19, scramName, user.first()), authFrame(0x18, 'polite')],
    };
    for (const [name, frames] of Object.entries(wrong)) {
      const client = await openProven(t, transport, running);
      client.send(...frames);
      if (frames.length > 1) await nextAuth(client);
      assert.equal(await client.nextHex(), hexOf('e0 01 82'), name);
      await client.closed();
    }
    const { client: plain, connack } = await openConnected(t, transport, running);
    assert.equal(connack.reasonCode, 0);
    plain.send(authFrame(0x19, scramName, user.first())); // [MQTT-4.12.0-7]
    assert.equal(await plain.nextHex(), hexOf('e0 01 82'));
  });
}

test('where there are methods only, who names none is refused, or let in if everyone is', async (t) => {
  const closed = await startBroker(t, { authenticationMethods: [polite], host: '127.0.0.1' });
  assert.equal((await openConnected(t, 'tcp', closed)).connack.reasonCode, 0x87);
  const older = await openConnected(t, 'tcp', closed, { protocolVersion: 4 });
  assert.equal(older.connack.reasonCode, 0x87);
  const open = await startBroker(t, { authenticationMethods: [polite], allowAnonymous: true });
  assert.equal((await openConnected(t, 'tcp', open)).connack.reasonCode, 0);
});

test('where there are methods and the hook, the hook is asked about those who name none', async (t) => {
  const authenticate = ({ username }: { username?: string }) => username === 'umpire';
  const running = await startBroker(t, { authenticationMethods: [polite], authenticate });
  assert.equal((await openConnected(t, 'tcp', running)).connack.reasonCode, 0x86);
  assert.equal((await openConnected(t, 'tcp', running, { username: 'umpire' })).connack.reasonCode, 0);
  const properties = { authenticationMethod: 'polite', authenticationData: Buffer.from('let me in') };
  assert.equal((await openConnected(t, 'tcp', running, { properties })).connack.reasonCode, 0);
});

test('a method that throws or rejects refuses its client with 0x88, one that never decides with 0x89', async (t) => {
  const methodOf = (name: string, next: () => AuthenticationStep | Promise<AuthenticationStep>) => ({
    name,
    begin: () => ({ next }),
  });
  const authenticationMethods = [
    methodOf('throws', () => {
      throw new Error('on purpose');
    }),
    methodOf('rejects', () => Promise.reject(new Error('on purpose'))),
    methodOf('never', () => new Promise(() => {})),
  ];
  const running = await startBroker(t, { authenticationMethods, limits: { connectTimeoutMs: 2_000 } });
  for (const { name } of authenticationMethods) {
    const client = await open(t, 'tcp', running, name);
    assert.equal(await client.nextHex(), hexOf(`20 03 00 ${name === 'never' ? 89 : 88} 00`), name);
    await client.closed();
  }
});

test('a client that is to authenticate again, and cannot be judged, is ended with a reason that DISCONNECT has', async (t) => {
  let isBroken = false;
  const moody: AuthenticationMethod = {
    name: 'moody',
    begin: () => ({
      next: (): AuthenticationStep => {
        if (isBroken) throw new Error('on purpose');
        return { outcome: 'success' };
      },
    }),
  };
  const running = await startBroker(t, { authenticationMethods: [moody] });
  const client = await open(t, 'tcp', running, 'moody');
  assert.equal((await nextConnack(client)).reasonCode, 0);
  isBroken = true;
  client.send(authFrame(0x19, 'moody'));
  assert.equal(await client.nextHex(), hexOf('e0 01 89'));
  await client.closed();
});

test('a hook that does not answer in time refuses with 0x89 (3.1.1: 3)', async (t) => {
  const running = await startBroker(t, {
    authenticate: () => new Promise(() => {}),
    limits: { connectTimeoutMs: 1_000 },
  });
  const [current, older] = await Promise.all([
    openConnected(t, 'tcp', running, { username: 'lee' }),
    openConnected(t, 'tcp', running, { clientId: 'older', username: 'lee', protocolVersion: 4 }),
  ]);
  assert.equal(current.connack.reasonCode, 0x89);
  assert.equal(older.connack.reasonCode, 0x88); // on the wire: 3
});

test('who cannot authenticate does not hold up the client identifier, nor end who has it', async (t) => {
  const running = await startBroker(t, { authenticationMethods: [scram, polite] });
  const owner = await openProven(t, 'tcp', running);
  const stranger = await open(t, 'tcp', running, 'polite');
  await nextAuth(stranger);
  await owner.assertAlive();
  const next = await openProven(t, 'tcp', running);
  assert.equal(await owner.nextHex(), hexOf('e0 01 8e'));
  await next.assertAlive();
  stranger.send(authFrame(0x18, 'polite', Buffer.from('let me in')));
  assert.equal((await nextConnack(stranger)).reasonCode, 0);
  assert.equal(await next.nextHex(), hexOf('e0 01 8e'));
});

test('a stop ends an exchange that is under way with 0x88', async (t) => {
  const running = await startBroker(t, { authenticationMethods: [polite] });
  const client = await open(t, 'tcp', running, 'polite');
  await nextAuth(client);
  const stopped = running.broker.stop();
  assert.equal(await client.nextHex(), hexOf('20 03 00 88 00'));
  await stopped;
});
