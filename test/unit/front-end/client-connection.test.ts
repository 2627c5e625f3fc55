/** A client's connection at packet control, in each of its states, on a data plane that only notes what it is told. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { BrokerOptions } from '../../../core/config/options.ts';
import { resolveConfig } from '../../../core/config/resolve.ts';
import type { ConnectRequest } from '../../../core/control/messages.ts';
import { type Engine, Subscribed } from '../../../core/data-plane/addon.ts';
import { ClientConnection, type ConnectionContext } from '../../../core/front-end/client-connection.ts';
import { Connacks } from '../../../core/front-end/connacks.ts';
import { PendingSubscribes } from '../../../core/front-end/subscribe.ts';
import { encodeConnack } from '../../../core/wire/encode-connack.ts';
import { encodeAuth, encodeDisconnect } from '../../../core/wire/encode-disconnect.ts';
import type { ConnectPacket, ProtocolVersion } from '../../../core/wire/packets.ts';
import type { Properties } from '../../../core/wire/properties.ts';
import { ReasonCode } from '../../../core/wire/reason-code.ts';
import { connectFrame, subscribeFrame, subscription } from '../../support/frames.ts';
import { bodyOf, bytes, headerOf } from '../wire/frames.ts';

const session = 7;
const isBehind = { connecting: 1, connected: 2, over: 3 } as const;

/** A connection, and what it does to the data plane and asks of the main thread, as text. */
class Stage {
  readonly did: string[] = [];
  readonly asked: ConnectRequest[] = [];
  readonly connection: ClientConnection;
  /** Whether the data plane lets the client in. */
  lets = true;
  /** Whether it denies all topic filters. */
  denies = false;

  constructor(options: BrokerOptions = {}, listener = 0) {
    const engine = new Proxy({} as Engine, {
      get:
        (_, name: string) =>
        (...values: unknown[]) =>
          this.#onCall(name, values),
    });
    const context: ConnectionContext = {
      engine,
      config: resolveConfig(options),
      pending: new PendingSubscribes(),
      connacks: new Connacks(),
      requestConnect: (_, connect) => {
        this.asked.push(connect);
        this.did.push('asks');
      },
      renewAuthentication: (_, { method }) => void this.did.push(`renews ${method}`),
      answerChallenge: (_, data) => void this.did.push(`answers ${Buffer.from(data ?? [])}`),
      authorize: (_, { request, action, topics }) =>
        void this.did.push(`authorize ${request} ${action} ${topics.map(({ topic }) => topic)}`),
      rightRefused: (_, action, topic) => void this.did.push(`refused ${action} ${topic}`),
      peerRefusal: () => undefined,
      tellRefused: () => {},
      subscriptionRefused() {},
      answered() {},
      abandon: () => void this.did.push('abandons'),
    };
    const peer = { transport: 'tcp', remoteAddress: '10.0.0.1', listener, tls: undefined } as const;
    this.connection = new ClientConnection(context, 5, 1, peer);
  }

  #onCall(name: string, [first, ...rest]: unknown[]): unknown {
    if (name === 'accept') {
      this.did.push(`accept ${Buffer.from(rest[2] as Uint8Array).toString('hex')}`);
      return this.lets;
    }
    if (name === 'nextToken') return 1;
    if (name === 'subscribe' && this.denies) return Subscribed.denied;
    const shown = rest.map((value) =>
      value instanceof Uint8Array ? Buffer.from(value).toString('hex') : value,
    );
    this.did.push([name, ...(first === 5 ? shown : [first, ...shown])].join(' '));
    return true;
  }

  receive(frame: Uint8Array): this {
    this.connection.onPacket(headerOf(frame), bodyOf(frame));
    return this;
  }

  connect(packet: Partial<ConnectPacket> = {}): this {
    return this.receive(connectFrame({ clientId: 'a', ...packet }));
  }

  accept(authenticationData?: Uint8Array, topicPrefix?: string): boolean {
    return this.connection.accept({
      type: 'accept',
      connection: 1,
      session,
      isNew: true,
      authenticationData,
      admission:
        topicPrefix === undefined
          ? undefined
          : { access: undefined, expiresAtMs: undefined, subscriptions: [], quotas: undefined, topicPrefix },
    });
  }

  /** Brings it into a state, and forgets how. */
  static in(state: keyof typeof isBehind, packet: Partial<ConnectPacket> = {}): Stage {
    const stage = new Stage().connect(packet);
    if (isBehind[state] >= isBehind.connected) stage.accept();
    if (state === 'over') stage.connection.end(0x8b);
    stage.did.length = 0;
    return stage;
  }
}

test('a CONNECT asks the session directory, with what it says', () => {
  const stage = new Stage().connect({
    protocolVersion: 4,
    cleanStart: false,
    username: 'u',
    will: { topic: 'w', payload: bytes(`'x'`), qos: 1, retain: false, properties: {} },
  });
  assert.deepEqual(stage.did, ['asks']);
  const { clientId, cleanStart, username, willTopic, remoteAddress, sessionExpirySeconds } =
    stage.asked[0] ?? assert.fail();
  assert.deepEqual(
    [clientId, cleanStart, username, willTopic, remoteAddress],
    ['a', false, 'u', 'w', '10.0.0.1'],
  );
  assert.equal(sessionExpirySeconds, 4_294_967_295);
});

test('a client without an identifier gets one, and MQTT 5 is told which', () => {
  const stage = new Stage().connect({ clientId: '' });
  const id = stage.asked[0]?.clientId ?? '';
  assert.ok(id.length > 10 && stage.connection.clientId === id);
  stage.accept();
  assert.ok(stage.did.at(-2)?.includes(Buffer.from(id).toString('hex')));
});

test('accepted: the CONNACK goes out with the session, and then the frames behind the CONNECT', () => {
  const stage = Stage.in('connecting', { protocolVersion: 4 });
  assert.ok(stage.accept());
  assert.deepEqual(stage.did, ['accept 20020000', 'resume']);
  assert.equal(stage.connection.session, session);
});

test('accepted too late: the client has left, or the data plane does not let it in', () => {
  const left = Stage.in('connecting');
  left.connection.onGone();
  assert.deepEqual(left.did, ['abandons']);
  assert.ok(!left.accept());
  const refused = Stage.in('connecting', { protocolVersion: 4 });
  refused.lets = false;
  assert.ok(!refused.accept());
  assert.deepEqual(refused.did.slice(1), ['send 20020003', `close ${0x88}`]);
  assert.equal(refused.connection.session, 0);
});

test('what a prefix makes too long for MQTT refuses the client, and does not end the worker', () => {
  const limits = {
    connectPacketSizeBytesMax: 1_048_576,
    clientIdBytesMax: 65_535,
  };
  const long = 'x'.repeat(65_530);
  const listeners = [{ port: 1, clientIdPrefix: 'tenant-' }];
  const byClientId = new Stage({ limits, listeners }, 1).connect({ clientId: long });
  assert.deepEqual(byClientId.asked, []);
  const will = { topic: long, payload: bytes(`'x'`), qos: 0, retain: false, properties: {} } as const;
  const byWill = new Stage({ limits }).connect({ will });
  assert.ok(!byWill.accept(undefined, 'tenant/'));
  const byAnswer = new Stage({ limits, responseTopicPrefix: 'answers' }).connect({
    clientId: '/'.repeat(30_000),
    properties: { requestResponseInformation: 1 },
  });
  assert.ok(byAnswer.accept());
});

test('a CONNACK that the client does not take refuses it', () => {
  const stage = new Stage().connect({ clientId: '', properties: { maximumPacketSize: 20 } });
  assert.deepEqual(stage.did, ['send 2003009500', `close ${0x95}`]); // and nobody is asked
});

const refusals: [name: string, ProtocolVersion, reasonCode: number, sent: RegExp | undefined][] = [
  ['MQTT 5 with a sentence', 5, 0x87, /^send 20..0087/],
  ['MQTT 3.1.1 with a return code', 4, 0x87, /^send 20020005$/],
  ['MQTT 3.1.1 without one that fits', 4, 0x97, /^send 20020003$/],
  ['MQTT 3.1.1 where there is none', 4, 0x95, undefined],
];
for (const [name, protocolVersion, reasonCode, sent] of refusals) {
  test(`refused: ${name}`, () => {
    const stage = Stage.in('connecting', { protocolVersion });
    stage.connection.refused(reasonCode);
    const [first = '', ...others] = stage.did;
    if (sent !== undefined) assert.match(first, sent);
    assert.deepEqual(sent === undefined ? [first] : others, [`close ${reasonCode}`]);
    stage.connection.refused(reasonCode);
    assert.equal(stage.did.length, sent === undefined ? 1 : 2);
  });
}

test('a CONNECT that is malformed is refused, of MQTT 5 with the reason', () => {
  const malformed = new Stage().receive(bytes(`10 0f 0004'MQTT' 05 03 0000 00 0002'a'`));
  assert.match(malformed.did[0] ?? '', /^send 20..0081/);
  assert.equal(malformed.did.at(-1), `close ${0x81}`);
});

test('the broker ends a client: how it is told depends on its version and state', () => {
  const ends: [ProtocolVersion, keyof typeof isBehind, reasonCode: number, did: RegExp[]][] = [
    [5, 'connected', 0x8b, [/^send e0..8b/, /^close 139$/]],
    [4, 'connected', 0x8b, [/^close 139$/]],
    [5, 'connecting', 0x8b, [/^abandons$/, /^send 20..0088/, /^close 136$/]], // 0x8B is not for a CONNACK
    [4, 'over', 0x8b, []],
  ];
  for (const [protocolVersion, state, reasonCode, expected] of ends) {
    const stage = Stage.in(state, { protocolVersion });
    stage.connection.end(reasonCode);
    assert.equal(stage.did.length, expected.length, `${state}: ${stage.did}`);
    for (const [index, pattern] of expected.entries()) assert.match(stage.did[index] ?? '', pattern);
  }
});

test('a takeover lets what a connected client has sent count', () => {
  const stage = Stage.in('connected');
  stage.connection.finish(0x8e);
  assert.deepEqual(stage.did, [`finish ${0x8e}`]);
});

test('DISCONNECT: the will goes or stays, and the session may be given another time', () => {
  const persistent = { cleanStart: false, properties: { sessionExpiryInterval: 60 } };
  const said: [Partial<ConnectPacket>, reasonCode: number, expiry: number | undefined, did: string][] = [
    [persistent, 0, undefined, 'disconnect 1 0 60'],
    [persistent, 4, undefined, 'disconnect 2 4 60'],
    [persistent, 0, 0, 'disconnect 1 0 0'],
    [{}, 0, 0, 'disconnect 1 0 0'],
  ];
  for (const [packet, reasonCode, sessionExpiryInterval, did] of said) {
    const stage = Stage.in('connected', packet);
    const properties = sessionExpiryInterval === undefined ? {} : { sessionExpiryInterval };
    stage.receive(encodeDisconnect({ reasonCode, properties }, 5));
    assert.deepEqual(stage.did, [did]);
    assert.equal(stage.connection.session, 0);
  }
  const late = Stage.in('connected'); // its session was to end with the connection (3.14.2.2.2)
  late.receive(encodeDisconnect({ reasonCode: 0, properties: { sessionExpiryInterval: 5 } }, 5));
  assert.match(late.did[0] ?? '', /^send e0..82/);
});

test('enhanced authentication: challenges, answers, and again once connected', () => {
  const method = { authenticationMethod: 'M' };
  const auth = (reasonCode: number, data: string) =>
    encodeAuth({ reasonCode, properties: { ...method, authenticationData: bytes(`'${data}'`) } });
  const stage = Stage.in('connecting', { properties: method });
  stage.connection.challenge(bytes(`'?'`));
  assert.match(stage.did[0] ?? '', /^send f0..18/);
  assert.equal(stage.did[1], 'resume');
  stage.receive(auth(0x18, 'one'));
  assert.equal(stage.did[2], 'answers one');
  assert.ok(stage.accept(bytes(`'!'`)));
  assert.ok(stage.did[3]?.includes(`${Buffer.from('M').toString('hex')}16000121`));
  stage.did.length = 0;
  stage.receive(auth(0x19, 'two'));
  stage.receive(auth(0x18, 'three'));
  stage.connection.renewed(undefined, undefined);
  assert.deepEqual(stage.did.slice(0, 3), ['renews M', 'answers three', 'forgetDecisions']);
  assert.match(stage.did[3] ?? '', /^send f0..00/);
  stage.did.length = 0;
  stage.receive(auth(0x18, 'four')); // nothing is under way any more
  assert.match(stage.did[0] ?? '', /^send e0..82/);
});

test('a client that leaves while it authenticates again is given up', () => {
  const properties = { authenticationMethod: 'M' };
  const stage = Stage.in('connected', { properties });
  stage.receive(encodeAuth({ reasonCode: 0x19, properties }));
  stage.connection.onGone();
  stage.connection.onGone();
  assert.deepEqual(stage.did, ['renews M', 'abandons']);
});

test('where programs are asked, a SUBSCRIBE waits for what they say of each filter', () => {
  const stage = new Stage({ authorizeSubscribe: () => true }).connect();
  stage.accept();
  stage.did.length = 0;
  stage.receive(subscribeFrame('a', 1));
  assert.deepEqual(stage.did, ['authorize 1 subscribe a']);
  stage.connection.authorized(1, [{ isAllowed: false, keptMs: 0 }]);
  assert.deepEqual(stage.did.slice(1), ['refused subscribe a', `finishSubscribe ${session} 1`]);
  stage.receive(subscribeFrame('b', 1));
  stage.connection.authorized(2, [{ isAllowed: true, keptMs: 0 }]);
  assert.equal(stage.did.at(-2), `subscribe ${session} b 1 0 1`);
  stage.receive(subscribeFrame('c', 1));
  stage.connection.onGone();
  stage.did.length = 0;
  stage.connection.authorized(3, [{ isAllowed: true, keptMs: 0 }]);
  assert.deepEqual(stage.did, []);
});

test('of very many topic filters that are denied the audit is told as many as it would show', () => {
  const stage = new Stage({}).connect();
  stage.accept();
  stage.denies = true;
  stage.did.length = 0;
  const subscriptions = Array.from({ length: 5_000 }, (_, n) => subscription(`t/${n}`, 0));
  stage.receive(subscribeFrame('t', 0, { subscriptions }));
  assert.equal(stage.did.filter((each) => each.startsWith('refused subscribe')).length, 10);
});

test('behind its end nothing happens any more', () => {
  const stage = Stage.in('over', { properties: { authenticationMethod: 'M' } });
  const { connection } = stage;
  stage.connect().receive(subscribeFrame('a')).receive(bytes('e0 00'));
  connection.challenge(bytes('00'));
  connection.renewed(undefined, undefined);
  connection.refused(0x87);
  connection.finish(0x8e);
  connection.onGone();
  assert.deepEqual(stage.did, []);
  assert.ok(!stage.accept());
});

test('the host program is connected from the start, and may subscribe to all', () => {
  const stage = new Stage({ wildcardSubscriptionAvailable: false, limits: { maximumQoS: 0 } });
  stage.connection.openAsHost(session);
  stage.receive(subscribeFrame('#', 2));
  assert.equal(stage.did[0], `subscribe ${session} # 2 0 1`);
  const client = new Stage({ wildcardSubscriptionAvailable: false }).connect();
  client.accept();
  client.receive(subscribeFrame('#', 2));
  assert.equal(client.did.at(-1), `close ${0xa2}`);
});

test('a successful CONNACK is remembered, and not taken for a similar one', () => {
  const connacks = new Connacks();
  const similar: readonly Properties[] = [
    { maximumPacketSize: 1_000 },
    { maximumPacketSize: 1_000, receiveMaximum: 10 },
    { maximumPacketSize: 1_000 },
    { receiveMaximum: 10 },
    {},
  ];
  for (const properties of similar) {
    for (const sessionPresent of [false, true, false]) {
      const packet = { sessionPresent, reasonCode: ReasonCode.success, properties };
      assert.deepEqual(connacks.of(packet, 5), encodeConnack(packet, 5));
      assert.equal(connacks.of({ ...packet, properties: { ...properties } }, 5), connacks.of(packet, 5));
    }
    const older = { sessionPresent: false, reasonCode: ReasonCode.success, properties: {} };
    assert.deepEqual(connacks.of(older, 4), encodeConnack(older, 4));
    assert.deepEqual(connacks.of(older, 5), encodeConnack(older, 5));
  }
});
