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
  readonly share: string | undefined;
  readonly filter: Levels;
  readonly id: number;
  readonly qos: QoS;
}

/** Of a shared subscription if there is a share. */
interface Named {
  readonly who: number;
  readonly share: string | undefined;
  readonly filter: Levels;
}

type Step =
  | (Named & { readonly kind: 'subscribe'; readonly qos: QoS })
  | (Named & { readonly kind: 'unsubscribe' })
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
const share = fc.constantFrom(undefined, undefined, undefined, 'g', 'h');
const qos = fc.constantFrom<QoS>(0, 1);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('subscribe' as const), who, share, filter, qos }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('unsubscribe' as const), who, share, filter }) },
  {
    weight: 6,
    arbitrary: fc.record({ kind: fc.constant('publish' as const), topic, qos, retain: fc.boolean() }),
  },
);

/** Two subscribers and a publisher of one run, and what the broker must know of them. */
class Run {
  readonly #workers: number;
  readonly #publisher: RawClient;
  readonly #subscribers: readonly RawClient[];
  readonly #subscriptions: readonly Map<string, Subscription>[] = [new Map(), new Map()];
  readonly #retained = new Map<string, { readonly text: string; readonly qos: QoS }>();
  #count = 0;

  private constructor(workers: number, publisher: RawClient, subscribers: readonly RawClient[]) {
    this.#workers = workers;
    this.#publisher = publisher;
    this.#subscribers = subscribers;
  }

  static async begin(
    t: TestContext,
    running: RunningBroker,
    workers: number,
    transport: TransportName,
  ): Promise<Run> {
    const publisher = await openClient(t, 'tcp', running);
    const subscribers = [
      await openClient(t, transport, running),
      await openClient(t, transport === 'tcp' ? 'ws' : 'tcp', running),
    ];
    return new Run(workers, publisher, subscribers);
  }

  async do(step: Step): Promise<void> {
    this.#count++;
    if (step.kind === 'subscribe') await this.#subscribe(step, step.qos);
    else if (step.kind === 'unsubscribe') await this.#unsubscribe(step);
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

  async #subscribe(named: Named, qos: QoS): Promise<void> {
    const { share, filter } = named;
    const { client, subscriptions } = this.#subscriber(named.who);
    const id = this.#count;
    const topicFilter = textOfFilter(named);
    subscriptions.set(topicFilter, { share, filter, id, qos });
    client.send(subscribeFrame(topicFilter, qos, { properties: { subscriptionIdentifiers: [id] } }));
    const { type } = await client.nextPacket();
    assert.equal(type, PacketType.suback, `SUBSCRIBE ${topicFilter}`);
    const retained = share === undefined ? [...this.#retained] : [];
    const expected = retained
      .filter(([topic]) => isFor(filter, topic.split('/')))
      .map(([topic, message]) => seen(topic, message.text, min(qos, message.qos), true, [id]));
    await this.#expect([expected, []], [], named.who, `retained for ${topicFilter}`);
  }

  async #unsubscribe(named: Named): Promise<void> {
    const { client, subscriptions } = this.#subscriber(named.who);
    const topicFilter = textOfFilter(named);
    const existed = subscriptions.delete(topicFilter);
    const bytes = Buffer.from(topicFilter);
    client.send(frame(0xa2, Buffer.concat([Buffer.from([0, 1, 0, 0, bytes.length]), bytes])));
    const { header, body } = await client.nextPacket();
    assert.equal(header, 0xb0, `UNSUBSCRIBE ${topicFilter}`);
    assert.equal(body.at(-1), existed ? 0x00 : 0x11, `UNSUBSCRIBE ${topicFilter}`);
  }

  async #publish(levels: Levels, asked: QoS, retain: boolean): Promise<void> {
    const topic = levels.join('/');
    const text = `${this.#count}`;
    const isWanted = [0, 1].some((index) =>
      [...this.#subscriber(index).subscriptions.values()].some(({ filter }) => isFor(filter, levels)),
    );
    // Without a copy or an answer nobody could tell when the broker has dealt with it.
    const qos = isWanted ? asked : 1;
    if (retain) this.#retained.set(topic, { text, qos });
    this.#publisher.send(publishFrame(topic, text, { qos, retain }));
    const copy = (granted: QoS, ids: readonly number[]) => seen(topic, text, min(granted, qos), false, ids);
    const own: string[][] = [[], []];
    const shares = new Map<string, Copy[]>();
    for (const index of [0, 1]) {
      const subscriptions = [...this.#subscriber(index).subscriptions];
      const matching = subscriptions.filter(([, { filter }]) => isFor(filter, levels));
      const plain = matching.map(([, each]) => each).filter((each) => each.share === undefined);
      const granted = Math.max(...plain.map((subscription) => subscription.qos)) as QoS;
      const ids = plain.map(({ id }) => id);
      if (plain.length > 0) own[index]?.push(copy(granted, ids));
      for (const [topicFilter, each] of matching) {
        if (each.share === undefined) continue;
        const members = shares.get(topicFilter) ?? [];
        shares.set(topicFilter, [...members, { who: index, message: copy(each.qos, [each.id]) }]);
      }
    }
    await this.#expect(own, [...shares.values()], 0, `PUBLISH ${topic}`);
    if (qos === 0) return;
    const { header, body } = await this.#publisher.nextPacket();
    assert.equal(header, 0x40);
    const code = body[2] ?? 0;
    // An UNSUBSCRIBE is answered before the workers of all topics know of it.
    if (isWanted || this.#workers === 1)
      assert.equal(code, isWanted ? 0x00 : 0x10, `the reason code for ${topic}`);
  }

  #subscriber(index: number): { client: RawClient; subscriptions: Map<string, Subscription> } {
    const client = this.#subscribers[index] ?? assert.fail();
    return { client, subscriptions: this.#subscriptions[index] ?? assert.fail() };
  }

  /**
   * Subscriber `first` gets what `own` begins with, the other one the rest of it; and of each of `shares` one
   * of the copies comes, no matter which. Nothing else does.
   */
  async #expect(
    own: readonly (readonly string[])[],
    shares: readonly (readonly Copy[])[],
    first: number,
    what: string,
  ): Promise<void> {
    const due = first === 0 ? own.map((each) => [...each]) : own.map((each) => [...each]).reverse();
    const open = [...shares];
    const count = open.length + due.flat().length;
    const clients = [0, 1].map((index) => this.#subscriber(index).client);
    const come = (): number => clients.reduce((sum, { packets }) => sum + packets.length, 0);
    await until(`${count} messages after ${what}`, () => come() >= count);
    for (const [index, client] of clients.entries()) {
      for (const packet of client.packets.splice(0)) {
        const publish = publishOf(packet);
        const ids = publish.properties.subscriptionIdentifiers ?? [];
        const message = seen(publish.topic, textOf(publish), publish.qos, publish.retain, ids);
        const at = due[index]?.indexOf(message) ?? -1;
        if (at >= 0) {
          due[index]?.splice(at, 1);
          continue;
        }
        const shared = open.findIndex((copies) =>
          copies.some((copy) => copy.who === index && copy.message === message),
        );
        assert.ok(shared >= 0, `${what}: subscriber ${index} got ${message}`);
        open.splice(shared, 1);
      }
    }
    assert.deepEqual([due.flat(), open], [[], []], what);
  }
}

/** What one of those who share may get. */
interface Copy {
  readonly who: number;
  readonly message: string;
}

function textOfFilter({ share, filter }: Named): string {
  const topicFilter = filter.join('/');
  return share === undefined ? topicFilter : `$share/${share}/${topicFilter}`;
}

function seen(topic: string, text: string, qos: QoS, retain: boolean, ids: readonly number[]): string {
  return JSON.stringify([topic, text, qos, retain, [...ids].sort((a, b) => a - b)]);
}

function min(a: QoS, b: QoS): QoS {
  return a < b ? a : b;
}

for (const workers of [1, 4]) {
  test(`${workers} workers: messages go to exactly the subscriptions whose filters match, and once to each share`, async (t) => {
    const running = await startBroker(t, { workers });
    const steps = fc.array(step, { minLength: 1, maxLength: 40 });
    const property = fc.asyncProperty(fc.constantFrom(...transports), steps, async (transport, steps) => {
      const run = await Run.begin(t, running, workers, transport);
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
