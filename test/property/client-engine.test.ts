/**
 * The client engine and a model of a broker over a link that breaks and loses what is on its way, while messages are
 * acknowledged late and in any order, and the link has room now and then. In both directions QoS 2 arrives exactly
 * once and QoS 1 at least once, in order; the window holds; and what is acknowledged was delivered. fast-check prints
 * the seed.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ClientEngine } from '../../core/protocol/client-engine.ts';
import { inOrder } from '../../core/protocol/in-order.ts';
import { decodeAcknowledgement } from '../../core/wire/decode-acknowledgement.ts';
import { decodePublish } from '../../core/wire/decode-publish.ts';
import { encodeAcknowledgement } from '../../core/wire/encode-acknowledgement.ts';
import { encodePublish } from '../../core/wire/encode-publish.ts';
import { FrameReader } from '../../core/wire/frame-reader.ts';
import { type AcknowledgementType, PacketType } from '../../core/wire/packet-type.ts';
import type { PublishPacket } from '../../core/wire/packets.ts';
import { isProtocolError } from '../../core/wire/protocol-error.ts';

type ExactOrNot = 1 | 2;

function toPacket(text: string, qos: ExactOrNot, packetId: number, dup: boolean): PublishPacket {
  const payload = new TextEncoder().encode(text);
  return { topic: 'a', payload, qos, retain: false, dup, packetId, properties: {} };
}

const textOf = ({ payload }: PublishPacket): string => new TextDecoder().decode(payload);

/** The broker's side of one session, as the specification has it, without a mistake. */
class BrokerModel {
  readonly received: string[] = [];
  toClient: Uint8Array[] = [];
  readonly #window: number;
  readonly #receiveMaximum: number;
  readonly #waiting: { text: string; qos: ExactOrNot }[] = [];
  /** Towards the client, in the order of sending. */
  readonly #inFlight = new Map<number, { text: string; qos: ExactOrNot; isReleased: boolean }>();
  /** By QoS, what was sent on this connection and has no PUBACK or PUBREC, in order. */
  readonly #unacknowledged: Record<ExactOrNot, number[]> = { 1: [], 2: [] };
  /** QoS 2 from the client, until PUBREL. */
  readonly #taken = new Set<number>();
  /** Packet identifiers of the client that were not answered on this connection. */
  readonly #open = new Set<number>();

  constructor(window: number, receiveMaximum: number) {
    this.#window = window;
    this.#receiveMaximum = receiveMaximum;
  }

  get isIdle(): boolean {
    return this.#inFlight.size === 0 && this.#waiting.length === 0 && this.toClient.length === 0;
  }

  publish(text: string, qos: ExactOrNot): void {
    this.#waiting.push({ text, qos });
    this.#pump();
  }

  reconnected(): void {
    this.toClient = [];
    this.#unacknowledged[1] = [];
    this.#unacknowledged[2] = [];
    this.#open.clear();
    for (const [packetId, { text, qos, isReleased }] of this.#inFlight) {
      if (isReleased) this.#answer(PacketType.pubrel, packetId);
      else this.#send(text, qos, packetId, true);
    }
  }

  take(chunk: Uint8Array): void {
    const reader = new FrameReader(5);
    reader.push(chunk);
    const frame = reader.next();
    assert.ok(frame !== undefined && !isProtocolError(frame));
    const type = frame.header >> 4;
    if (type === PacketType.publish) {
      const packet = decodePublish(frame.header, frame.body, 5);
      assert.ok(!isProtocolError(packet));
      this.#onPublish(packet);
      return;
    }
    const packet = decodeAcknowledgement(frame.header, frame.body, 5);
    assert.ok(!isProtocolError(packet));
    if (type === PacketType.pubrel) this.#onPubrel(packet.packetId);
    else this.#onAcknowledgement(type, packet.packetId);
  }

  #onPublish(packet: PublishPacket): void {
    const { qos, packetId = 0, dup } = packet;
    assert.ok(!this.#open.has(packetId), 'a packet identifier that is in use');
    this.#open.add(packetId);
    assert.ok(this.#open.size <= this.#receiveMaximum, 'more than Receive Maximum');
    const isKnown = qos === 2 && this.#taken.has(packetId);
    assert.ok(!isKnown || dup);
    if (!isKnown) this.received.push(`${qos} ${textOf(packet)}`);
    if (qos === 2) this.#taken.add(packetId);
    if (qos === 1) this.#open.delete(packetId);
    this.#answer(qos === 2 ? PacketType.pubrec : PacketType.puback, packetId);
  }

  #onPubrel(packetId: number): void {
    this.#taken.delete(packetId);
    this.#open.delete(packetId);
    this.#answer(PacketType.pubcomp, packetId);
  }

  #onAcknowledgement(type: number, packetId: number): void {
    const sent = this.#inFlight.get(packetId);
    assert.ok(sent !== undefined, 'nothing has this packet identifier');
    if (type === PacketType.pubcomp) {
      assert.ok(sent.isReleased);
      this.#inFlight.delete(packetId);
      this.#pump();
      return;
    }
    assert.equal(type, sent.qos === 2 ? PacketType.pubrec : PacketType.puback);
    // [MQTT-4.6.0-2] [MQTT-4.6.0-3]
    assert.equal(this.#unacknowledged[sent.qos].shift(), packetId, 'acknowledged out of order');
    if (sent.qos === 1) this.#inFlight.delete(packetId);
    else {
      sent.isReleased = true;
      this.#answer(PacketType.pubrel, packetId);
    }
    this.#pump();
  }

  #pump(): void {
    while (this.#inFlight.size < this.#window) {
      const next = this.#waiting.shift();
      if (next === undefined) return;
      // The lowest that is free, so that they are soon used again.
      let packetId = 1;
      while (this.#inFlight.has(packetId)) packetId++;
      this.#inFlight.set(packetId, { ...next, isReleased: false });
      this.#send(next.text, next.qos, packetId, false);
    }
  }

  #send(text: string, qos: ExactOrNot, packetId: number, dup: boolean): void {
    this.#unacknowledged[qos].push(packetId);
    this.toClient.push(encodePublish(toPacket(text, qos, packetId, dup), 5));
  }

  #answer(type: AcknowledgementType, packetId: number): void {
    this.toClient.push(encodeAcknowledgement(type, { packetId, reasonCode: 0, properties: {} }, 5));
  }
}

class Scene {
  readonly broker: BrokerModel;
  readonly engine: ClientEngine;
  readonly delivered: string[] = [];
  done = 0;
  readonly #receiveMaximum: number;
  readonly #late: (() => void)[] = [];
  #toBroker: Uint8Array[] = [];
  #room = 0;
  #resume = (): void => {};

  constructor(window: number, receiveMaximum: number) {
    this.#receiveMaximum = receiveMaximum;
    this.broker = new BrokerModel(window, receiveMaximum);
    this.engine = new ClientEngine(5, {
      deliver: inOrder((packet, acknowledge) => {
        this.delivered.push(`${packet.qos} ${textOf(packet)}`);
        this.#late.push(acknowledge);
      }),
      restore: () => assert.fail('the session is kept'),
      refusal: (reasonCode) => assert.fail(`${reasonCode}`),
    });
    this.#connect();
  }

  publish(text: string, qos: ExactOrNot): void {
    const { engine } = this;
    engine.publish(toPacket(text, qos, 0, false), {
      succeed: () => void this.done++,
      fail: (error) => assert.fail(String(error)),
    });
  }

  breakOff(): void {
    this.#toBroker = [];
    this.engine.lost();
    this.broker.reconnected();
    this.#connect();
  }

  makeRoom(count: number): void {
    this.#room = count;
    this.#resume();
  }

  acknowledge(place: number): void {
    this.#late.splice(place % (this.#late.length || 1), 1)[0]?.();
  }

  brokerTakes(): void {
    const frame = this.#toBroker.shift();
    if (frame !== undefined) this.broker.take(frame);
  }

  clientTakes(): void {
    const chunk = this.broker.toClient.shift();
    if (chunk === undefined) return;
    const reader = new FrameReader(5);
    reader.push(chunk);
    const frame = reader.next();
    assert.ok(frame !== undefined && !isProtocolError(frame));
    assert.equal(this.engine.received(frame), undefined);
  }

  /** From here on nothing breaks. */
  finish(): void {
    for (let turns = 0; turns < 10_000; turns++) {
      this.makeRoom(100);
      this.acknowledge(0);
      this.brokerTakes();
      this.clientTakes();
      const isQuiet = this.#toBroker.length === 0 && this.#late.length === 0;
      if (isQuiet && this.broker.isIdle && this.engine.requestCount === 0) return;
    }
    assert.fail('it never ends');
  }

  #connect(): void {
    const toBroker = this.#toBroker;
    this.engine.connected(
      {
        server: { receiveMaximum: this.#receiveMaximum },
        send: (frame) => {
          assert.equal(toBroker, this.#toBroker, 'sent on a connection that is gone');
          toBroker.push(frame);
        },
        hasRoom: (resume) => {
          this.#resume = resume;
          return this.#room-- > 0;
        },
      },
      true,
    );
  }
}

type Step =
  | { type: 'publish'; qos: ExactOrNot }
  | { type: 'broker publishes'; qos: ExactOrNot }
  | { type: 'broker takes' }
  | { type: 'client takes' }
  | { type: 'break' }
  | { type: 'room'; number: number }
  | { type: 'acknowledge'; number: number };

const qos = fc.constantFrom<ExactOrNot>(1, 2);
const number = fc.nat(5);
const step = fc.oneof(
  { weight: 3, arbitrary: fc.record({ type: fc.constantFrom('publish', 'broker publishes'), qos }) },
  { weight: 8, arbitrary: fc.record({ type: fc.constantFrom('broker takes', 'client takes') }) },
  { weight: 5, arbitrary: fc.record({ type: fc.constantFrom('room', 'acknowledge'), number }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('break') }) },
) as fc.Arbitrary<Step>;

const runs = fc.record({
  window: fc.integer({ min: 1, max: 5 }),
  receiveMaximum: fc.integer({ min: 1, max: 5 }),
  steps: fc.array(step, { maxLength: 200, size: 'max' }),
});

/** QoS 2 as it was published; QoS 1 too, but for repetitions of what was there before. */
function assertArrived(arrived: readonly string[], published: readonly string[], what: string): void {
  for (const kind of ['1', '2']) {
    const ofKind = (texts: readonly string[]): string[] => texts.filter((text) => text.startsWith(kind));
    const got = ofKind(arrived);
    assert.deepEqual(kind === '2' ? got : [...new Set(got)], ofKind(published), `${what}, QoS ${kind}`);
  }
}

test('over links that break, QoS 2 arrives exactly once and QoS 1 at least once, in order', () => {
  const property = fc.property(runs, ({ window, receiveMaximum, steps }) => {
    const scene = new Scene(window, receiveMaximum);
    const published: string[] = [];
    const brokerPublished: string[] = [];
    for (const [index, step] of steps.entries()) {
      if (step.type === 'publish') {
        scene.publish(`${index}`, step.qos);
        published.push(`${step.qos} ${index}`);
      } else if (step.type === 'broker publishes') {
        scene.broker.publish(`${index}`, step.qos);
        brokerPublished.push(`${step.qos} ${index}`);
      } else if (step.type === 'broker takes') scene.brokerTakes();
      else if (step.type === 'client takes') scene.clientTakes();
      else if (step.type === 'break') scene.breakOff();
      else if (step.type === 'room') scene.makeRoom(step.number);
      else scene.acknowledge(step.number);
    }
    scene.finish();
    assert.equal(scene.done, published.length);
    assertArrived(scene.broker.received, published, 'to the broker');
    assertArrived(scene.delivered, brokerPublished, 'to the client');
  });
  fc.assert(property, { numRuns: 2_000 });
});
