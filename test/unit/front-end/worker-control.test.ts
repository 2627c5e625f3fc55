/** Packet control, on a data plane that is played by hand. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { resolveConfig } from '../../../core/config/resolve.ts';
import type { ToMain } from '../../../core/control/messages.ts';
import { type Addon, type Engine, EventKind } from '../../../core/data-plane/addon.ts';
import { RecordWriter } from '../../../core/data-plane/record-bytes.ts';
import { WorkerControl } from '../../../core/front-end/worker-control.ts';

const slot = 5;
const serial = 2 ** 24 + slot;
const session = 1;
const nothing = new Uint8Array();
const connectBody = Buffer.from('00044d5154540502000000000161', 'hex');
const acceptance = {
  type: 'accept',
  connection: serial,
  session,
  isNew: true,
  authenticationData: undefined,
  admission: undefined,
} as const;

/** Packet control, with what it asks of the data plane, and posts to the main thread. */
class Stage {
  readonly calls: string[] = [];
  readonly posted: ToMain[] = [];
  readonly records: string[] = [];
  /** Of Engine.adoptPlain(), by slot. */
  readonly plain = new Map<number, Uint8Array<ArrayBuffer>>();
  finishSubscribe = true;
  /** Whether the data plane may treat clients as plain. */
  takesPlain = false;
  readonly control: WorkerControl;

  constructor() {
    let tokens = 0;
    const answers: Readonly<Record<string, (...values: never[]) => unknown>> = {
      nextToken: () => ++tokens,
      finishSubscribe: () => this.finishSubscribe,
      adoptPlain: (from: number) => this.#adopted(from),
      plainSlots: () => [...this.plain.keys()],
      acceptPlain: () => this.plain.size > 0,
      setPlainTerms: (clientIdBytesMax: number) => {
        this.takesPlain = clientIdBytesMax > 0;
      },
      sessionRow: () => new Uint8Array(24),
    };
    const engine = new Proxy({} as Engine, {
      get:
        (_, name: string) =>
        (...values: never[]) => {
          if (!quietCalls.includes(name)) this.calls.push(name);
          const answer = answers[name];
          return answer === undefined ? true : answer(...values);
        },
    });
    this.control = new WorkerControl(
      { createEngine: () => engine } as unknown as Addon,
      { broker: 1, worker: 0, version: '', config: resolveConfig(), startedBefore: 0, cluster: undefined },
      (message) => this.posted.push(message),
      (records) => this.records.push(Buffer.from(records).toString('hex')),
    );
    this.calls.length = 0;
  }

  #adopted(from: number): Uint8Array<ArrayBuffer> {
    const client = this.plain.get(from) ?? nothing;
    this.plain.delete(from);
    return client;
  }

  /** A plain client, which packet control has not heard of. `key`: 0: it is not accepted yet. */
  withPlain(key: number, at = slot): this {
    const record = new RecordWriter();
    record.float64(2 ** 24 + at);
    record.float64(key);
    record.uint8(1);
    record.text('10.0.0.1');
    record.bytes(connectBody);
    this.plain.set(at, record.take());
    return this;
  }
}

/** They change nothing. */
const quietCalls = ['adoptPlain', 'plainSlots', 'setPlainTerms'];

/** A connection whose CONNECT has been accepted. `calls`: what the data plane was asked for. */
function connected(finishSubscribe = true): Stage {
  const stage = new Stage();
  stage.finishSubscribe = finishSubscribe;
  const { control, calls } = stage;
  control.onEvent(EventKind.opened, slot, 0, 0, serial, Buffer.from('0\n127.0.0.1'));
  control.onEvent(EventKind.packet, slot, 0x10, 0, 0, connectBody);
  control.accept(acceptance);
  calls.length = 0;
  return stage;
}

const subscribeToA = Buffer.from('00010000016100', 'hex');

test('a SUBSCRIBE is acknowledged when every shard knows its filters', () => {
  const { control, calls } = connected();
  control.onEvent(EventKind.packet, slot, 0x82, 0, 0, subscribeToA);
  assert.ok(!calls.includes('send'));
  control.onEvent(EventKind.subscribed, 0, 0, 0, 1, nothing);
  assert.deepEqual(calls.slice(-3), ['send', 'endSubscribe', 'resume']);
});

test('a packet that was behind the end of its connection does nothing', () => {
  const { control, calls } = connected();
  control.evict(serial, 0x8e);
  assert.deepEqual(calls, ['finish']);
  control.onEvent(EventKind.ended, slot, 1, 0x8e, 0, nothing);
  calls.length = 0;
  control.onEvent(EventKind.packet, slot, 0x82, 0, 0, subscribeToA);
  control.onEvent(EventKind.packet, slot, 0xa2, 0, 0, Buffer.from('000200000161', 'hex'));
  assert.deepEqual(calls, []); // no token, so nobody waits for its event
});

test('a SUBSCRIBE of a session that has ended meanwhile is forgotten', () => {
  const { control, calls } = connected(false);
  control.onEvent(EventKind.packet, slot, 0x82, 0, 0, subscribeToA);
  calls.length = 0;
  control.onEvent(EventKind.subscribed, 0, 0, 0, 1, nothing);
  assert.deepEqual(calls, []);
});

test('a connection that was accepted just before the broker stops ends with the others', () => {
  const { control, calls } = connected();
  let hasEnded = false;
  control.endAll(0x8b, () => {
    hasEnded = true;
  });
  const late = slot + 1;
  control.onEvent(EventKind.opened, late, 0, 0, 2 ** 24 + late, Buffer.from('0\n127.0.0.1'));
  assert.deepEqual(calls, ['withholdWills', 'finish', 'close']);
  control.onEvent(EventKind.packet, late, 0x10, 0, 0, Buffer.from('00044d5154540502000000000162', 'hex'));
  control.onEvent(EventKind.gone, slot, 0, 0, 0, nothing);
  assert.ok(!hasEnded);
  control.onEvent(EventKind.gone, late, 0, 0, 0, nothing);
  assert.ok(hasEnded);
});

test('the CONNECT of a plain client goes to the main thread as it is, and its acceptance to the data plane', () => {
  const { control, calls, records, posted } = new Stage().withPlain(0);
  control.onEvent(EventKind.connects, 0, 0, 0, 0, Buffer.from('0102', 'hex'));
  control.accept(acceptance);
  assert.deepEqual([records, posted, calls], [['0102'], [], ['acceptPlain']]);
});

test('a plain client that has left before it was accepted leaves no session behind', () => {
  const { control, calls, posted } = new Stage();
  control.accept(acceptance);
  assert.deepEqual(calls, ['acceptPlain', 'sessionRow']);
  assert.deepEqual(
    posted.map((message) => message.type),
    ['closed'],
  );
});

test('a plain client is adopted with its first packet for packet control', () => {
  const { control, calls } = new Stage().withPlain(session);
  control.onEvent(EventKind.packet, slot, 0x82, 0, 0, subscribeToA);
  control.onEvent(EventKind.subscribed, 0, 0, 0, 1, nothing);
  assert.deepEqual(calls.slice(-3), ['send', 'endSubscribe', 'resume']);
  control.evict(serial, 0x8e);
  assert.equal(calls.at(-1), 'finish');
});

test('a plain client that is granted something, refused or evicted is adopted', () => {
  const access = { access: nothing, expiresAtMs: undefined, subscriptions: [], quotas: undefined } as const;
  const granted = new Stage().withPlain(0);
  granted.control.accept({ ...acceptance, admission: { ...access, topicPrefix: 't/' } });
  assert.deepEqual(granted.calls, ['createSession', 'accept', 'resume']);
  const refused = new Stage().withPlain(0);
  refused.control.refuse(serial, 0x87);
  assert.deepEqual(refused.calls, ['send', 'close']);
  const [told] = refused.posted;
  assert.equal(told?.type === 'refused' && told.client.remoteAddress, '10.0.0.1');
  const evicted = new Stage().withPlain(session);
  evicted.control.evict(serial, 0x8e);
  assert.deepEqual(evicted.calls, ['finish']);
  evicted.control.evict(serial + 2 ** 24, 0x8e);
  assert.deepEqual(evicted.calls, ['finish']); // of an earlier connection
});

test('the session directory is told of a plain client that leaves while it decides', () => {
  const { control, posted } = new Stage().withPlain(0);
  control.onEvent(EventKind.gone, slot, 0, 0, 0, nothing);
  assert.deepEqual(posted, [{ type: 'abandoned', connection: serial, clientId: 'a' }]);
});

test('a plain client that breaks a rule is told so', () => {
  const { control, calls } = new Stage().withPlain(session);
  control.onEvent(EventKind.ended, slot, 1, 0x82, 0, nothing);
  assert.deepEqual(calls, ['send', 'close']);
});

test('plain clients are told when the broker stops, which ends with the last of them', () => {
  const { control, calls } = new Stage().withPlain(session).withPlain(session + 1, slot + 1);
  let hasEnded = false;
  control.endAll(0x8b, () => {
    hasEnded = true;
  });
  assert.deepEqual(calls, ['withholdWills', 'finish', 'finish']);
  control.onEvent(EventKind.gone, slot, 0, 0, 0, nothing);
  assert.ok(!hasEnded);
  control.onEvent(EventKind.gone, slot + 1, 0, 0, 0, nothing);
  assert.ok(hasEnded);
});

test('no client is plain while a trace is about clients, or the broker stops', () => {
  const stage = new Stage().withPlain(session);
  const { control, calls } = stage;
  const trace = { type: 'trace', index: 0, payloadBytesMax: 0, away: 0 } as const;
  assert.ok(stage.takesPlain);
  control.trace({ ...trace, target: { kind: 'topic', topicFilter: '#' } });
  assert.ok(stage.takesPlain);
  control.trace({ ...trace, index: 1, target: { kind: 'client', clientId: 'a' } });
  assert.deepEqual(calls, ['trace', 'trace', 'traceSession']);
  assert.ok(!stage.takesPlain);
  control.endTrace(1);
  assert.ok(stage.takesPlain);
  control.endAll(0x8b, () => {});
  assert.ok(!stage.takesPlain);
});
