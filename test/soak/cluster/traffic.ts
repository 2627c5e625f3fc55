/**
 * Clients of a cluster with real processes, and what they are owed: on each node a publisher, and two subscribers with
 * persistent sessions, of QoS 1 and 2. Between two faults all of it is compared with what has come: nobody misses an
 * acknowledged message, everybody sees each topic in order, and nothing of QoS 2 comes twice. What a fault excuses, it says.
 */
import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import type { BrokerCluster, ClusterBroker, RoamingSession } from '../../support/cluster/broker-cluster.ts';
import type { Handed } from '../../support/mqtt-session.ts';
import { until } from '../../support/wait.ts';

const topics = Array.from({ length: 12 }, (_, index) => `load/${index}`);
const unansweredMax = 100;
const deadlineMs = 60_000;

/** When a message was sent and answered, by a clock that counts what happens here. */
interface Sent {
  readonly number: number;
  readonly topic: string;
  readonly from: string;
  readonly qos: 1 | 2;
  readonly sentAt: number;
  answeredAt: number;
  /** As the logs of brokers say it, in milliseconds since 1970. */
  readonly sentMs: number;
  answeredMs: number;
  /** It may come twice: it was on its way when a node was lost. */
  isShaken: boolean;
  /** Subscribers need not get it. */
  isRefused: boolean;
}

/** A node with its clients. */
export class Place {
  readonly broker: ClusterBroker;
  readonly source: RoamingSession;
  readonly sinks: readonly RoamingSession[];
  /** Whether its publisher sends more. */
  isUp = true;
  /** Its subscribers need not get what was sent or answered meanwhile. */
  readonly away: (readonly [from: number, to: number])[] = [];
  /** By packet identifier. */
  readonly underWay = new Map<number, Sent>();

  constructor(cluster: BrokerCluster, broker: ClusterBroker) {
    this.broker = broker;
    this.source = cluster.session(broker, `source-${broker.name}`);
    this.sinks = [1, 2].map((qos) => cluster.session(broker, `qos${qos}-${broker.name}`));
  }

  async begin(): Promise<void> {
    for (const session of [...this.sinks, this.source]) await session.connectTo(this.broker);
    for (const [index, sink] of this.sinks.entries()) await sink.subscribe('load/+', index === 0 ? 1 : 2);
  }

  /** Its clients connect again, here or to another node, and find their sessions. */
  async again(broker = this.broker): Promise<void> {
    for (const session of [...this.sinks, this.source]) await connectAtLast(session, broker);
    for (const sink of this.sinks) assert.ok(sink.isSessionPresent, `${sink.clientId} has lost its session`);
  }

  owes({ sentAt, answeredAt, isRefused }: Sent): boolean {
    return !isRefused && !this.away.some(([from, to]) => sentAt < to && answeredAt > from);
  }
}

/** While a node is being replaced its clients may be asked to come back later (0x88). */
async function connectAtLast(session: RoamingSession, broker: ClusterBroker): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await session.connectTo(broker);
      return;
    } catch (error) {
      if (attempt === 20) throw error;
      await delay(1_000);
    }
  }
}

/** Of all since the beginning. */
export interface Totals {
  readonly messages: number;
  readonly refused: number;
}

export class Traffic {
  readonly places: readonly Place[];
  #sent: Sent[] = [];
  /** The number of the first one that has not been checked yet. */
  #first = 0;
  #refused = 0;
  #clock = 0;
  #load: Promise<void> | undefined;
  #isShaking = false;
  #hasEnded = false;

  constructor(cluster: BrokerCluster) {
    this.places = cluster.brokers.map((broker) => new Place(cluster, broker));
  }

  get totals(): Totals {
    return { messages: this.#first + this.#sent.length, refused: this.#refused };
  }

  async begin(): Promise<void> {
    for (const place of this.places) await place.begin();
  }

  /** What has happened up to now is before what happens from now on. */
  now(): number {
    return ++this.#clock;
  }

  /** Whatever is on its way now may come twice; and with `forLong` also what is sent until it is called again. */
  shake(forLong = false): void {
    this.#isShaking = forLong;
    for (const { underWay } of this.places) for (const message of underWay.values()) message.isShaken = true;
  }

  start(): void {
    this.#hasEnded = false;
    this.#load = this.#publishAll();
  }

  /** Publishes no more, and checks what has come. */
  async check(): Promise<void> {
    this.#hasEnded = true;
    await this.#load;
    const isAnswered = ({ source }: Place): boolean => source.unanswered.size === 0;
    await until('all are answered', () => this.places.every(isAnswered), deadlineMs);
    for (const place of this.places) this.#note(place);
    await until('all have what they are owed', () => this.#lacking().length === 0, deadlineMs).catch(() => {
      const lacking = this.#lacking();
      assert.fail(`${lacking.length} missing:\n${lacking.slice(0, 1_000).join('\n')}`);
    });
    await delay(500);
    for (const { sinks } of this.places)
      for (const { clientId, handed } of sinks) this.#assertInOrder(clientId, handed);
    this.#forget();
  }

  async #publishAll(): Promise<void> {
    while (!this.#hasEnded) {
      for (const place of this.places) {
        this.#note(place);
        if (place.isUp && place.underWay.size < unansweredMax) this.#publish(place);
      }
      await delay(1);
    }
  }

  #publish({ source, underWay }: Place): void {
    const number = this.#first + this.#sent.length;
    const qos = number % 2 === 0 ? 1 : 2;
    const topic = topics[number % topics.length] ?? '';
    const before = new Set(source.unanswered.keys());
    source.publish(topic, `${number}`, qos);
    const message: Sent = {
      number,
      topic,
      from: source.clientId,
      qos,
      sentAt: this.now(),
      answeredAt: Number.POSITIVE_INFINITY,
      sentMs: Date.now(),
      answeredMs: Number.POSITIVE_INFINITY,
      isShaken: this.#isShaking,
      isRefused: false,
    };
    this.#sent.push(message);
    for (const packetId of source.unanswered.keys())
      if (!before.has(packetId)) underWay.set(packetId, message);
  }

  #note({ source, underWay }: Place): void {
    for (const [packetId, message] of underWay) {
      if (source.unanswered.has(packetId)) continue;
      const { topic, number } = message;
      message.isRefused = source.refused.some((each) => each.topic === topic && each.text === `${number}`);
      if (message.isRefused) this.#refused++;
      message.answeredAt = this.now();
      message.answeredMs = Date.now();
      underWay.delete(packetId);
    }
  }

  #lacking(): string[] {
    const lacking: string[] = [];
    for (const place of this.places)
      for (const { clientId, handed } of place.sinks) {
        const had = new Set(handed.map(({ text }) => Number(text)));
        for (const message of this.#sent)
          if (!had.has(message.number) && place.owes(message))
            lacking.push(`${clientId} lacks ${JSON.stringify(message)}`);
      }
    return lacking;
  }

  /** Each topic of each publisher; with QoS 2, exactly once. */
  #assertInOrder(clientId: string, handed: readonly Handed[]): void {
    const seen = new Set<number>();
    const last = new Map<string, number>();
    for (const { text, topic } of handed) {
      const number = Number(text);
      const message = this.#sent[number - this.#first];
      assert.ok(message !== undefined, `${clientId}: ${number} comes again, long after it was answered`);
      const isExact = message.qos === 2 && clientId.startsWith('qos2') && !message.isShaken;
      assert.ok(!isExact || !seen.has(number), `${clientId}: ${number} twice ${JSON.stringify(message)}`);
      if (seen.has(number)) continue;
      seen.add(number);
      const way = `${topic} of ${message.from}`;
      assert.ok((last.get(way) ?? -1) < number, `${clientId}: ${way}: ${number} is out of order`);
      last.set(way, number);
    }
  }

  #forget(): void {
    this.#first += this.#sent.length;
    this.#sent = [];
    for (const { sinks, source, away } of this.places) {
      away.length = 0;
      source.refused.length = 0;
      for (const { handed } of sinks) handed.length = 0;
    }
  }
}
