/**
 * Sessions of clients that connect anywhere, take over, leave with and without a word, and start anew, among
 * 4 workers, against a model of what each session is. fast-check prints the seed.
 */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import fc from 'fast-check';
import { type RunningBroker, startBroker } from '../support/broker.ts';
import { MqttSession } from '../support/mqtt-session.ts';
import { type TransportName, transports } from '../support/raw-client.ts';
import { until } from '../support/wait.ts';

const topics = ['a', 'b', 'c/d'] as const;
const filters = ['a', 'b', '+', 'c/#', '#'] as const;

type Topic = (typeof topics)[number];
type Filter = (typeof filters)[number];

const topicsOf: Readonly<Record<Filter, readonly Topic[]>> = {
  a: ['a'],
  b: ['b'],
  '+': ['a', 'b'],
  'c/#': ['c/d'],
  '#': topics,
};

const who = fc.nat(1);
const transport = fc.constantFrom<TransportName>(...transports);
const step = fc.oneof(
  fc.record({
    kind: fc.constant('connect' as const),
    who,
    transport,
    cleanStart: fc.oneof({ weight: 3, arbitrary: fc.constant(false) }, fc.constant(true)),
    expiry: fc.oneof({ weight: 3, arbitrary: fc.constant(600) }, fc.constant(0)),
  }),
  fc.record({ kind: fc.constant('leave' as const), who, silently: fc.boolean() }),
  fc.record({ kind: fc.constant('subscribe' as const), who, filter: fc.constantFrom(...filters) }),
  fc.record({ kind: fc.constant('unsubscribe' as const), who, filter: fc.constantFrom(...filters) }),
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant('publish' as const), topic: fc.constantFrom(...topics) }),
  },
);

type Step = typeof step extends fc.Arbitrary<infer Value> ? Value : never;

/** A client, and what the broker must know of its session. */
class Modelled {
  readonly session: MqttSession;
  isConnected = false;
  exists = false;
  readonly #subscriptions = new Set<Filter>();
  readonly #prefix: string;
  /** What must have been handed over, by topic, and what still waits for the client. */
  readonly #due = new Map<string, string[]>();
  #waiting: string[] = [];
  #expiry = 0;

  constructor(t: TestContext, running: RunningBroker, clientId: string, prefix: string) {
    this.session = new MqttSession(t, running, clientId);
    this.#prefix = prefix;
  }

  async connect(transport: TransportName, cleanStart: boolean, expiry: number): Promise<void> {
    if (this.isConnected) this.#close(); // taken over
    const isPresent = this.exists && !cleanStart;
    if (!isPresent) this.#forget();
    await this.session.connect(transport, { cleanStart, properties: { sessionExpiryInterval: expiry } });
    assert.equal(this.session.isSessionPresent, isPresent, `${this.session.clientId}: session present`);
    this.isConnected = true;
    this.exists = true;
    this.#expiry = expiry;
    await this.#drained();
  }

  async leave(silently: boolean): Promise<void> {
    const { client } = this.session;
    if (!this.isConnected || client === undefined) return;
    // Otherwise the answers to the last messages may be on their way, and what follows is up to chance.
    await this.session.roundTrip();
    if (silently) client.destroy();
    else this.session.disconnect();
    await client.closed();
    this.#close();
  }

  async subscribe(filter: Filter): Promise<void> {
    if (!this.isConnected) return;
    await this.session.subscribe(`${this.#prefix}/${filter}`, 2);
    this.#subscriptions.add(filter);
  }

  async unsubscribe(filter: Filter): Promise<void> {
    if (!this.isConnected) return;
    await this.session.unsubscribe(`${this.#prefix}/${filter}`);
    this.#subscriptions.delete(filter);
  }

  /** A message was published and acknowledged. */
  async published(topic: Topic, text: string): Promise<void> {
    if (!this.exists || ![...this.#subscriptions].some((filter) => topicsOf[filter].includes(topic))) return;
    this.#due.set(topic, [...(this.#due.get(topic) ?? []), text]);
    this.#waiting.push(text);
    if (this.isConnected) await this.#drained();
  }

  /** Everything that was due came once and in the order of its topic, and nothing else did. */
  check(): void {
    const got = new Map<string, string[]>();
    for (const { topic, text } of this.session.handed) {
      const name = topic.slice(this.#prefix.length + 1);
      got.set(name, [...(got.get(name) ?? []), text]);
    }
    const waiting = new Set(this.#waiting);
    for (const name of topics) {
      const due = (this.#due.get(name) ?? []).filter((text) => !waiting.has(text));
      assert.deepEqual(got.get(name) ?? [], due, `${this.session.clientId}: ${name}`);
    }
  }

  async #drained(): Promise<void> {
    const handed = (): Set<string> => new Set(this.session.handed.map(({ text }) => text));
    await until(`${this.#waiting} at ${this.session.clientId}`, () => {
      const seen = handed();
      return this.#waiting.every((text) => seen.has(text));
    });
    this.#waiting = [];
  }

  #close(): void {
    this.isConnected = false;
    if (this.#expiry === 0) this.exists = false;
  }

  /** The session ended, and what waited in it. */
  #forget(): void {
    const lost = new Set(this.#waiting);
    for (const [topic, texts] of this.#due)
      this.#due.set(
        topic,
        texts.filter((text) => !lost.has(text)),
      );
    this.#waiting = [];
    this.#subscriptions.clear();
  }
}

async function play(
  clients: readonly Modelled[],
  publisher: MqttSession,
  prefix: string,
  steps: readonly Step[],
) {
  for (const [number, step] of steps.entries()) {
    if (step.kind === 'publish') {
      publisher.publish(`${prefix}/${step.topic}`, `${number}`, 2);
      await until('the PUBCOMP', () => publisher.unanswered.size === 0);
      for (const client of clients) await client.published(step.topic, `${number}`);
      continue;
    }
    const client = clients[step.who] ?? assert.fail('no such client');
    if (step.kind === 'connect') await client.connect(step.transport, step.cleanStart, step.expiry);
    else if (step.kind === 'leave') await client.leave(step.silently);
    else if (step.kind === 'subscribe') await client.subscribe(step.filter);
    else await client.unsubscribe(step.filter);
  }
}

test('4 workers: a session is there for as long as it should be, with its subscriptions and messages', async (t) => {
  const running = await startBroker(t, { workers: 4 });
  let runs = 0;
  const property = fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 40 }), async (steps) => {
    const prefix = `run-${++runs}`;
    const publisher = new MqttSession(t, running, `${prefix}-publisher`);
    await publisher.connect('tcp');
    const clients = [0, 1].map((index) => new Modelled(t, running, `${prefix}-${index}`, prefix));
    await play(clients, publisher, prefix, steps);
    for (const client of clients) {
      await client.connect('ws', false, 0);
      await client.session.roundTrip();
      client.check();
      await client.leave(false);
    }
    await publisher.connect('tcp', { cleanStart: true, properties: { sessionExpiryInterval: 0 } });
    publisher.disconnect();
  });
  await fc.assert(property, { numRuns: 60 });
});
