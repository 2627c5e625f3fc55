/**
 * The command `npm run cluster-kills`: three brokers with data directories over a real nats-server; one after the other is
 * killed and started again under load, and checked is that nobody misses what was acknowledged while its node was there,
 * that every subscriber sees each topic in order, and that nothing of QoS 2 comes twice but what was under way when a
 * node was killed. With `--replicas 3` the logs are with three nats-servers too: the clients of a killed node go on elsewhere, with
 * their sessions, and nobody misses anything that was acknowledged at any time. Ends by itself.
 */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { BrokerCluster, type ClusterBroker, type RoamingSession } from '../support/cluster/broker-cluster.ts';
import type { Handed } from '../support/mqtt-session.ts';
import { until } from '../support/wait.ts';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '6' },
    replicas: { type: 'string', default: '1' },
    'nats-servers': { type: 'string', default: '3' },
  },
});
const rounds = Number(values.rounds);
const isReplicated = values.replicas === '3';
const topics = Array.from({ length: 12 }, (_, index) => `load/${index}`);
const unansweredMax = 100;

/** When a message was sent and answered, in the order of what happens here. */
interface Sent {
  readonly number: number;
  readonly topic: string;
  readonly from: string;
  readonly qos: 1 | 2;
  readonly sentAt: number;
  answeredAt: number;
  /** It was under way when some node was killed. */
  isShaken: boolean;
  /** Somebody may have it, and nobody has to. */
  isRefused: boolean;
}

/** While a node is being replaced its clients may be asked to come back later (0x88). */
async function connectAtLast(session: RoamingSession, broker: ClusterBroker): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await session.connectTo(broker);
      return;
    } catch (error) {
      if (attempt === 10) throw error;
      await delay(1_000);
    }
  }
}

/** A node with its clients. */
class Place {
  readonly broker: ClusterBroker;
  readonly source: RoamingSession;
  readonly sinks: readonly RoamingSession[];
  isUp = true;
  /** When it was killed, and all had it again. */
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

  async again(broker = this.broker): Promise<void> {
    for (const session of [...this.sinks, this.source]) await connectAtLast(session, broker);
    for (const sink of this.sinks) assert.ok(sink.isSessionPresent, `${sink.clientId} has lost its session`);
  }

  /** Whether the message was under way while the node was away. */
  wasAwayFor({ sentAt, answeredAt }: Sent): boolean {
    return this.away.some(([from, to]) => sentAt < to && answeredAt > from);
  }
}

class Kills {
  readonly #test: TestContext;
  readonly #cluster: BrokerCluster;
  readonly #places: readonly Place[];
  readonly #sent: Sent[] = [];
  #clock = 0;
  #isLoading = true;

  constructor(t: TestContext, cluster: BrokerCluster) {
    this.#test = t;
    this.#cluster = cluster;
    this.#places = cluster.brokers.map((broker) => new Place(cluster, broker));
  }

  async run(): Promise<void> {
    for (const place of this.#places) await place.begin();
    const load = this.#load();
    for (let round = 0; round < rounds; round++) {
      const place = this.#places[round % this.#places.length] ?? assert.fail();
      await delay(1_000);
      await this.#kill(place, 1 + (round % 2));
      this.#test.diagnostic(
        `round ${round}: ${place.broker.name} is back, ${this.#sent.length} messages so far`,
      );
    }
    await delay(1_000);
    this.#isLoading = false;
    await load;
    const isAnswered = ({ source }: Place): boolean => source.unanswered.size === 0;
    await until('all are answered', () => this.#places.every(isAnswered), 60_000);
    for (const place of this.#places) this.#note(place);
    await delay(2_000);
  }

  async #load(): Promise<void> {
    while (this.#isLoading) {
      for (const place of this.#places) {
        this.#note(place);
        if (place.isUp && place.underWay.size < unansweredMax) this.#publish(place);
      }
      await delay(1);
    }
  }

  #publish({ source, underWay }: Place): void {
    const number = this.#sent.length;
    const qos = number % 2 === 0 ? 1 : 2;
    const topic = topics[number % topics.length] ?? '';
    const before = new Set(source.unanswered.keys());
    source.publish(topic, `${number}`, qos);
    const answeredAt = Number.POSITIVE_INFINITY;
    const sentAt = ++this.#clock;
    const from = source.clientId;
    const message: Sent = { number, topic, from, qos, sentAt, answeredAt, isShaken: false, isRefused: false };
    this.#sent.push(message);
    for (const packetId of source.unanswered.keys())
      if (!before.has(packetId)) underWay.set(packetId, message);
  }

  #note({ source, underWay }: Place): void {
    for (const [packetId, message] of underWay) {
      if (source.unanswered.has(packetId)) continue;
      const { topic, number } = message;
      message.isRefused = source.refused.some((each) => each.topic === topic && each.text === `${number}`);
      message.answeredAt = ++this.#clock;
      underWay.delete(packetId);
    }
  }

  async #kill(place: Place, workers: number): Promise<void> {
    const { broker, away } = place;
    for (const { underWay } of this.#places) for (const message of underWay.values()) message.isShaken = true;
    place.isUp = false;
    const killedAt = ++this.#clock;
    broker.command.kill('SIGKILL');
    await broker.command.exited();
    if (isReplicated) await this.#goOnElsewhere(place);
    await this.#cluster.again(broker, workers);
    if (isReplicated) this.#cluster.brokers.push(broker);
    await place.again();
    await this.#cluster.settled(60_000);
    if (!isReplicated) away.push([killedAt, ++this.#clock]);
    place.isUp = true;
  }

  /** The clients of a node that is lost for good have their sessions on another one. */
  async #goOnElsewhere(place: Place): Promise<void> {
    this.#cluster.remove(place.broker);
    const other = this.#cluster.broker(0);
    await place.again(other);
    place.isUp = true;
    await this.#cluster.settled(60_000);
    await delay(1_000);
    for (const { underWay } of this.#places) for (const message of underWay.values()) message.isShaken = true;
    place.isUp = false;
  }

  check(): void {
    let missed = 0;
    for (const place of this.#places)
      for (const { clientId, handed } of place.sinks) {
        const times = this.#timesInOrder(clientId, handed);
        for (const [number, message] of this.#sent.entries()) {
          const count = times.get(number) ?? 0;
          if (count === 0 && !place.wasAwayFor(message) && !message.isRefused) {
            missed++;
            this.#test.diagnostic(`${clientId} lacks ${number} ${JSON.stringify(message)}`);
          }
          const isExact = message.qos === 2 && clientId.startsWith('qos2') && !message.isShaken;
          assert.ok(
            !isExact || count < 2,
            `${clientId}: ${number} ${count} times ${JSON.stringify(message)}`,
          );
        }
      }
    assert.equal(missed, 0);
    const refused = this.#sent.filter((message) => message.isRefused).length;
    this.#test.diagnostic(`${this.#sent.length} messages, ${rounds} kills, ${refused} refused`);
  }

  #timesInOrder(clientId: string, handed: readonly Handed[]): Map<number, number> {
    const times = new Map<number, number>();
    const last = new Map<string, number>();
    for (const { text, topic } of handed) {
      const number = Number(text);
      times.set(number, (times.get(number) ?? 0) + 1);
      if ((times.get(number) ?? 0) > 1) continue;
      const way = `${topic} of ${this.#sent[number]?.from}`;
      assert.ok((last.get(way) ?? -1) < number, `${clientId}: ${way}: ${number} is out of order`);
      last.set(way, number);
    }
    return times;
  }
}

test('nodes are killed in turn under load', async (t) => {
  const cluster = isReplicated
    ? await BrokerCluster.start(t, 3, {
        workers: 2,
        hasData: true,
        replicas: 3,
        servers: Number(values['nats-servers']),
      })
    : await BrokerCluster.start(t, 3, { workers: 2, hasData: true });
  const kills = new Kills(t, cluster);
  await kills.run();
  kills.check();
});
