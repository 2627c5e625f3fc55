/**
 * Two brokers of one process as nodes of a cluster: the addon gives frames and takes them, and they may be late, damaged or
 * lost. What the links do beneath: test/native/link.test.cpp and cluster.test.cpp.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { resolveConfig } from '../../../core/config/resolve.ts';
import {
  type ClusterPlace,
  type Engine,
  type EngineHandlers,
  EventKind,
  FrameOutcome,
  linkVersions,
  loadAddon,
  readLinkFigures,
} from '../../../core/data-plane/addon.ts';
import { type EventHandler, EventReader } from '../../../core/data-plane/events.ts';
import { until } from '../../support/wait.ts';

const addon = loadAddon();
const config = resolveConfig();
const rules = { ...config, ...config.limits };
const hashKeys = new Uint8Array(16).fill(7);
const hostSession = 1;
const [oldest, newest] = linkVersions;
/** Every second slot is of either node. */
const owners = Uint8Array.from({ length: 1_024 }, (_, slot) => slot % 2);

function place(number: number): ClusterPlace {
  return { numbers: [number], numbersEnd: 2, incarnation: 100 + number, hashKeys };
}

/** A broker with one worker, and the connection of its host program. */
class Node {
  readonly engine: Engine;
  readonly frames: Uint8Array[] = [];
  readonly #received: Buffer[] = [];
  readonly #subscribed = new Set<number>();

  constructor(number: number) {
    const events = new EventReader();
    const onEvent: EventHandler['onEvent'] = (kind, _slot, _first, _reason, value) => {
      if (kind === EventKind.subscribed) this.#subscribed.add(value);
    };
    const handlers: EngineHandlers = {
      onEvents: (buffer, bytes) => events.read(buffer, bytes, { onEvent }),
      onHostBytes: (bytes) => void this.#received.push(Buffer.from(bytes)),
      onHostTaken: () => {},
      onFrame: (worker, bytes) => {
        assert.equal(worker, 1 - number);
        this.frames.push(bytes);
      },
    };
    this.engine = addon.createEngine(addon.createBroker(1, rules, place(number)), number, handlers);
    this.engine.startCluster([0, 1], owners);
    this.engine.openHost(hostSession + number);
  }

  /** With QoS 1; the packet identifier is the payload. */
  publish(topic: string, packetId: number): void {
    const rest = Buffer.concat([
      Buffer.from([0, topic.length]),
      Buffer.from(topic),
      Buffer.from([packetId >> 8, packetId & 0xff, 0]),
      Buffer.from(String(packetId)),
    ]);
    this.engine.receiveFromHost(Uint8Array.from([0x32, rest.length, ...rest]));
  }

  async subscribe(session: number, filter: string): Promise<void> {
    const token = this.engine.nextToken();
    this.engine.subscribe(session, filter, 0, 0, token);
    this.engine.finishSubscribe(session, token);
    await until('subscribed', () => this.#subscribed.has(token));
    this.engine.endSubscribe(session, token);
  }

  count(text: string): number {
    return Buffer.concat(this.#received).toString('latin1').split(text).length - 1;
  }
}

/** Carries frames until `stop`. */
function carry(a: Node, b: Node, delivers: (frame: Uint8Array) => boolean): () => void {
  const timer = setInterval(() => {
    for (const [from, to, number] of [
      [a, b, 0],
      [b, a, 1],
    ] as const) {
      for (const frame of from.frames.splice(0)) {
        if (delivers(frame)) assert.ok(to.engine.receiveFrame(number, frame) <= FrameOutcome.early);
      }
    }
  }, 1);
  return () => clearInterval(timer);
}

test('messages go from node to node in frames; what is lost comes again after reconnectLink()', async () => {
  const [a, b] = [new Node(0), new Node(1)];
  for (const version of [oldest - 1, newest + 1]) assert.equal(a.engine.openLink(1, 101, version), false);
  assert.equal(a.engine.openLink(1, 101, newest), true);
  assert.equal(b.engine.openLink(0, 100, newest), true);
  let isCut = false;
  let lost = 0;
  const stop = carry(a, b, () => {
    if (isCut) lost++;
    return !isCut;
  });
  await b.subscribe(hostSession + 1, 'cluster/#');
  for (let id = 1; id <= 100; id++) a.publish(`cluster/${id % 10}`, id);
  await until('the first 100', () => b.count('cluster/') === 100);
  isCut = true;
  for (let id = 101; id <= 200; id++) a.publish(`cluster/${id % 10}`, id);
  await until('frames are lost', () => lost > 0);
  assert.equal(b.count('cluster/'), 100);
  isCut = false;
  assert.equal(a.engine.reconnectLink(1), true);
  await until('the others', () => b.count('cluster/') === 200);

  const [figures] = readLinkFigures(a.engine.linkFigures());
  assert.ok(figures !== undefined && figures.worker === 1 && figures.incarnation === 101);
  assert.ok(figures.framesSent > 0 && figures.bytesSent > 0 && figures.framesReceived > 0);
  assert.ok(figures.framesResent > 0);
  await until('all is acknowledged', () => readLinkFigures(a.engine.linkFigures())[0]?.waitingBytes === 0);
  stop();

  a.publish('cluster/x', 201);
  await until('a frame', () => a.frames.length > 0);
  const frame = a.frames[0] ?? new Uint8Array();
  const damaged = Uint8Array.from(frame, (byte, index) => (index === 80 ? byte ^ 1 : byte));
  const foreign = Uint8Array.from(frame, (byte, index) => (index === 2 ? byte + 1 : byte));
  assert.equal(b.engine.receiveFrame(0, damaged), FrameOutcome.damaged);
  assert.equal(b.engine.receiveFrame(0, new Uint8Array()), FrameOutcome.damaged);
  assert.equal(b.engine.receiveFrame(0, foreign), FrameOutcome.foreignVersion);
  assert.equal(b.engine.receiveFrame(1, frame), FrameOutcome.foreignSender);
  assert.equal(b.engine.closeLink(0), true);
  assert.equal(b.engine.receiveFrame(0, frame), FrameOutcome.foreignSender);
  assert.equal(b.engine.closeLink(0), false);
  assert.equal(b.engine.reconnectLink(0), false);
  assert.deepEqual(b.engine.linkFigures(), []);

  const before = b.engine.lastMove();
  b.engine.noteMove(before + 1_000);
  assert.ok(b.engine.lastMove() >= before + 1_000);
});

test('a place that is none is refused, and a worker without onFrame opens no link', () => {
  const sound = place(0);
  for (const wrong of [
    { numbers: [] },
    { numbers: [0, 1] },
    { numbers: [2] },
    { numbersEnd: 65 },
    { incarnation: 0 },
    { hashKeys: new Uint8Array(15) },
  ]) {
    assert.throws(() => addon.createBroker(1, rules, { ...sound, ...wrong }), {
      name: 'RangeError',
      code: 'ERR_RALLYMQ_CLUSTER_PLACE',
    });
  }
  assert.throws(() => addon.createBroker(2, rules, { ...sound, numbers: [1, 1] }), RangeError);
  const broker = addon.createBroker(1, rules, sound);
  const mute = { onEvents: () => {}, onHostBytes: () => {}, onHostTaken: () => {} };
  assert.throws(() => addon.createEngine(broker, 1, mute), { code: 'ERR_RALLYMQ_NO_BROKER' });
  const engine = addon.createEngine(broker, 0, mute);
  assert.equal(engine.openLink(1, 101, newest), false);
  const alone = addon.createEngine(addon.createBroker(1, rules), 0, mute);
  assert.equal(alone.openLink(1, 101, newest), false);
  assert.equal(alone.receiveFrame(1, new Uint8Array(72)), FrameOutcome.foreignSender);
  assert.deepEqual(alone.linkFigures(), []);
});
