/**
 * Which subscriptions a message is for, through the running broker, against a matcher that is too simple to
 * be wrong: random filters that come and go, random topics, live and retained. fast-check prints the seed.
 */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import fc from 'fast-check';
import { PacketType } from '../../core/wire/packet-type.ts';
import type { QoS } from '../../core/wire/packets.ts';
import { type RunningBroker, startBroker } from '../support/broker.ts';
import {
  disconnectFrame,
  frame,
  publishFrame,
  publishOf,
  subscribeFrame,
  textOf,
} from '../support/frames.ts';
import { openClient, type RawClient, type TransportName, transports } from '../support/raw-client.ts';
import { until } from '../support/wait.ts';

type Levels = readonly string[];

interface Subscription {
  readonly filter: Levels;
  readonly id: number;
  readonly qos: QoS;
}

type Step =
  | { readonly kind: 'subscribe'; readonly who: number; readonly filter: Levels; readonly qos: QoS }
  | { readonly kind: 'unsubscribe'; readonly who: number; readonly filter: Levels }
  | { readonly kind: 'publish'; readonly topic: Levels; readonly qos: QoS; readonly retain: boolean };

/** Level by level, and nothing remembered (4.7). */
function matches(filter: Levels, topic: Levels): boolean {
  const [first, ...rest] = filter;
  if (first === '#') return true;
  if (first === undefined || topic.length === 0) return first === undefined && topic.length === 0;
  return (first === '+' || first === topic[0]) && matches(rest, topic.slice(1));
}

function isFor(filter: Levels, topic: Levels): boolean {
  const isHidden = topic[0]?.startsWith('$') === true && (filter[0] === '+' || filter[0] === '#');
  return !isHidden && matches(filter, topic);
}

const name = fc.constantFrom('', 'a', 'b', 'B', 'ä', 'a b', '$x');
const isOneLevelAtLeast = (levels: Levels): boolean => levels.length > 1 || levels[0] !== '';
const topic = fc.array(name, { minLength: 1, maxLength: 4 }).filter(isOneLevelAtLeast);
const filter = fc
  .tuple(fc.array(fc.oneof(name, fc.constant('+')), { maxLength: 4 }), fc.boolean())
  .map(([levels, isMultiLevel]) => (isMultiLevel ? [...levels, '#'] : levels))
  .filter((levels) => levels.length > 0 && isOneLevelAtLeast(levels));
const who = fc.nat(1);
const qos = fc.constantFrom<QoS>(0, 1);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('subscribe' as const), who, filter, qos }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('unsubscribe' as const), who, filter }) },
  {
    weight: 6,
    arbitrary: fc.record({ kind: fc.constant('publish' as const), topic, qos, retain: fc.boolean() }),
  },
);

/** Two subscribers and a publisher of one run, and what the broker must know of them. */
class Run {
  readonly #publisher: RawClient;
  readonly #subscribers: readonly RawClient[];
  readonly #subscriptions: readonly Map<string, Subscription>[] = [new Map(), new Map()];
  readonly #retained = new Map<string, { readonly text: string; readonly qos: QoS }>();
  #count = 0;

  private constructor(publisher: RawClient, subscribers: readonly RawClient[]) {
    this.#publisher = publisher;
    this.#subscribers = subscribers;
  }

  static async begin(t: TestContext, running: RunningBroker, transport: TransportName): Promise<Run> {
    const publisher = await openClient(t, 'tcp', running);
    const subscribers = [
      await openClient(t, transport, running),
      await openClient(t, transport === 'tcp' ? 'ws' : 'tcp', running),
    ];
    return new Run(publisher, subscribers);
  }

  async do(step: Step): Promise<void> {
    this.#count++;
    if (step.kind === 'subscribe') await this.#subscribe(step.who, step.filter, step.qos);
    else if (step.kind === 'unsubscribe') await this.#unsubscribe(step.who, step.filter);
    else await this.#publish(step.topic, step.qos, step.retain);
  }

  /** Takes away what would outlive the run. */
  async end(): Promise<void> {
    for (const topic of this.#retained.keys()) {
      this.#publisher.send(publishFrame(topic, '', { qos: 1, retain: true }));
      await this.#publisher.nextPacket();
    }
    for (const client of [this.#publisher, ...this.#subscribers]) client.send(disconnectFrame);
    for (const client of [this.#publisher, ...this.#subscribers]) await client.closed();
  }

  async #subscribe(who: number, filter: Levels, qos: QoS): Promise<void> {
    const { client, subscriptions } = this.#subscriber(who);
    const id = this.#count;
    const topicFilter = filter.join('/');
    subscriptions.set(topicFilter, { filter, id, qos });
    client.send(subscribeFrame(topicFilter, qos, { properties: { subscriptionIdentifiers: [id] } }));
    const { type } = await client.nextPacket();
    assert.equal(type, PacketType.suback, `SUBSCRIBE ${topicFilter}`);
    const expected = [...this.#retained]
      .filter(([topic]) => isFor(filter, topic.split('/')))
      .map(([topic, message]) => seen(topic, message.text, min(qos, message.qos), true, [id]));
    await this.#expect(client, expected, `retained for ${topicFilter}`);
  }

  async #unsubscribe(who: number, filter: Levels): Promise<void> {
    const { client, subscriptions } = this.#subscriber(who);
    const topicFilter = filter.join('/');
    const existed = subscriptions.delete(topicFilter);
    const bytes = Buffer.from(topicFilter);
    client.send(frame(0xa2, Buffer.concat([Buffer.from([0, 1, 0, 0, bytes.length]), bytes])));
    const { header, body } = await client.nextPacket();
    assert.equal(header, 0xb0, `UNSUBSCRIBE ${topicFilter}`);
    assert.equal(body.at(-1), existed ? 0x00 : 0x11, `UNSUBSCRIBE ${topicFilter}`);
  }

  async #publish(levels: Levels, qos: QoS, retain: boolean): Promise<void> {
    const topic = levels.join('/');
    const text = `${this.#count}`;
    if (retain) this.#retained.set(topic, { text, qos });
    this.#publisher.send(publishFrame(topic, text, { qos, retain }));
    let isWanted = false;
    for (const index of [0, 1]) {
      const { client, subscriptions } = this.#subscriber(index);
      const matching = [...subscriptions.values()].filter(({ filter }) => isFor(filter, levels));
      if (matching.length === 0) continue;
      isWanted = true;
      const granted = Math.max(...matching.map((subscription) => subscription.qos)) as QoS;
      const ids = matching.map(({ id }) => id);
      await this.#expect(client, [seen(topic, text, min(granted, qos), false, ids)], `PUBLISH ${topic}`);
    }
    if (qos === 0) return;
    const { header, body } = await this.#publisher.nextPacket();
    assert.equal(header, 0x40);
    assert.equal(body[2] ?? 0, isWanted ? 0x00 : 0x10, `the reason code for ${topic}`);
  }

  #subscriber(index: number): { client: RawClient; subscriptions: Map<string, Subscription> } {
    const client = this.#subscribers[index] ?? assert.fail();
    return { client, subscriptions: this.#subscriptions[index] ?? assert.fail() };
  }

  async #expect(client: RawClient, expected: readonly string[], what: string): Promise<void> {
    const got: string[] = [];
    while (got.length < expected.length) {
      const publish = publishOf(await client.nextPacket());
      const ids = publish.properties.subscriptionIdentifiers ?? [];
      got.push(seen(publish.topic, textOf(publish), publish.qos, publish.retain, ids));
    }
    assert.deepEqual(got.sort(), [...expected].sort(), what);
    assert.deepEqual(client.packets, [], `${what}: more than was due`);
  }
}

function seen(topic: string, text: string, qos: QoS, retain: boolean, ids: readonly number[]): string {
  return JSON.stringify([topic, text, qos, retain, [...ids].sort((a, b) => a - b)]);
}

function min(a: QoS, b: QoS): QoS {
  return a < b ? a : b;
}

for (const workers of [1, 4]) {
  test(`${workers} workers: messages go to exactly the subscriptions whose filters match`, async (t) => {
    const running = await startBroker(t, { workers });
    const steps = fc.array(step, { minLength: 1, maxLength: 40 });
    const property = fc.asyncProperty(fc.constantFrom(...transports), steps, async (transport, steps) => {
      const run = await Run.begin(t, running, transport);
      try {
        for (const step of steps) await run.do(step);
      } finally {
        await run.end();
      }
      // A subscription of the last run would change a reason code of the next.
      await until('no subscription left', () => running.broker.statistics().subscriptions === 0);
    });
    await fc.assert(property, { numRuns: 60 });
  });
}
