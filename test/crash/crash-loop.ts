/**
 * Ends a broker with kill -9 at random moments under clients that keep their sessions, and compares what they have got
 * with what was published: nothing that was acknowledged is lost, QoS 2 comes exactly once, and each topic stays in
 * order. Retained messages are as new as what was acknowledged, and no newer than what was sent.
 */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import type { QoS } from '../../core/wire/packets.ts';
import type { Ends } from '../support/at-end.ts';
import { publishOf, subscribeFrame, textOf } from '../support/frames.ts';
import type { KillableBroker } from '../support/killable-broker.ts';
import { MqttSession } from '../support/mqtt-session.ts';
import { Random } from '../support/random.ts';
import { openConnected, type TransportName, transports } from '../support/raw-client.ts';
import { until } from '../support/wait.ts';

interface Sink {
  readonly session: MqttSession;
  readonly qos: QoS;
  readonly filter: string;
  /** With others of the same one, who share. */
  readonly share?: string;
}

/** A number with spaces behind it, its topic and its QoS. */
interface Published {
  readonly text: string;
  readonly topic: string;
  readonly qos: QoS;
  /** Its publisher. */
  readonly source: string;
}

export interface CrashLoopReport {
  readonly crashes: number;
  readonly published: number;
  readonly received: number;
}

/** How long a round lasts at most before it is ended: at a random moment, connected or not. */
const roundMsMax = 120;
/** Of a text: long enough to be left to the log. */
const payloadBytes = 200;
/** So that checkpoints are written all the time, too, and most of what waits is in the log alone. */
export const crashLimits = { checkpointBytesMin: 65_536, queuedMemoryBytesMax: 1_000 };
const topics = ['t/0', 't/1', 't/2'] as const;
const workerCounts = [1, 2, 4] as const;

export class CrashLoop {
  readonly #test: Ends;
  readonly #broker: KillableBroker;
  readonly #random: Random;
  readonly #published: Published[] = [];
  readonly #sources: MqttSession[];
  readonly #sinks: Sink[];
  #retained = 0;

  constructor(test: Ends, broker: KillableBroker, seed: number) {
    this.#test = test;
    this.#broker = broker;
    this.#random = new Random(seed);
    this.#sources = ['p0', 'p1', 'p2'].map((name) => this.#session(name));
    this.#sinks = [
      { session: this.#session('once'), qos: 2, filter: 't/#' },
      { session: this.#session('some'), qos: 1, filter: 't/+' },
      { session: this.#session('one'), qos: 2, filter: 't/1' },
      { session: this.#session('m0'), qos: 1, filter: '$share/g/t/#', share: 'g' },
      { session: this.#session('m1'), qos: 1, filter: '$share/g/t/#', share: 'g' },
    ];
  }

  async run(crashes: number): Promise<CrashLoopReport> {
    await this.#broker.start(this.#random.pick(workerCounts));
    for (const { session, filter, qos } of this.#sinks) {
      await session.connect('tcp');
      await session.subscribe(filter, qos);
    }
    for (const source of this.#sources) await source.connect('tcp');
    for (let crash = 0; crash < crashes; crash++) {
      await this.#round();
      await this.#broker.kill();
      await this.#broker.start(this.#random.pick(workerCounts));
    }
    await this.#settle();
    this.#check();
    await this.#checkRetained();
    const received = this.#sinks.reduce((sum, { session }) => sum + session.handed.length, 0);
    return { crashes, published: this.#published.length, received };
  }

  #session(name: string): MqttSession {
    return new MqttSession(this.#test, this.#broker.ports, name, {}, { packetIdMax: 200 });
  }

  get #sessions(): MqttSession[] {
    return [...this.#sources, ...this.#sinks.map(({ session }) => session)];
  }

  /** Connects and publishes for a random while. What is going on when that is over is left as it is. */
  async #round(): Promise<void> {
    const lasts = sleep(this.#random.below(roundMsMax), 'over');
    const work = this.#work();
    work.catch(() => {}); // the broker has ended in the middle of it
    await Promise.race([lasts, work]);
  }

  async #work(): Promise<void> {
    await this.#connectAll();
    for (;;) {
      for (let burst = this.#random.below(20); burst > 0; burst--) this.#publish();
      if (this.#random.below(20) === 0) await this.#random.pick(this.#sessions).connect(this.#transport());
      await sleep(1);
    }
  }

  async #connectAll(): Promise<void> {
    await Promise.all(this.#sessions.map((session) => session.connect(this.#transport())));
  }

  #transport(): TransportName {
    return this.#random.pick(transports);
  }

  #publish(): void {
    const source = this.#random.pick(this.#sources);
    if (source.unanswered.size >= 100) return;
    if (this.#random.below(20) === 0) {
      this.#sources[0]?.publish('r/state', `${this.#retained++}`, 1, true);
      return;
    }
    const published: Published = {
      text: `${this.#published.length}`.padEnd(payloadBytes),
      topic: this.#random.pick(topics),
      qos: this.#random.pick([1, 2] as const),
      source: source.clientId,
    };
    this.#published.push(published);
    source.publish(published.topic, published.text, published.qos);
  }

  async #settle(): Promise<void> {
    await this.#connectAll();
    for (const session of this.#sessions)
      assert.ok(session.isSessionPresent, `${session.clientId} has no session`);
    for (const { clientId, unanswered } of this.#sources)
      await until(`all that ${clientId} has sent is acknowledged`, () => unanswered.size === 0, 30_000);
    await until('everybody has got everything', () => this.#missing() === undefined, 30_000).catch(() =>
      assert.fail(this.#missing()),
    );
    for (const session of this.#sessions) await session.roundTrip();
  }

  /** What somebody has not got. */
  #missing(): string | undefined {
    for (const { session, filter, share } of this.#sinks) {
      const sharing = share === undefined ? [session] : this.#membersOf(share);
      const got = new Set(sharing.flatMap(({ handed }) => handed.map(({ text }) => text)));
      const lost = this.#published.find(({ topic, text }) => matches(filter, topic) && !got.has(text));
      if (lost !== undefined)
        return `${session.clientId} has not got ${lost.text} (${lost.topic}, QoS ${lost.qos})`;
    }
    return undefined;
  }

  #membersOf(share: string): MqttSession[] {
    return this.#sinks.filter((sink) => sink.share === share).map(({ session }) => session);
  }

  #check(): void {
    for (const { session, share } of this.#sinks) {
      const times = new Map<string, number>();
      const newest = new Map<string, number>();
      for (const { text, topic, qos } of session.handed) {
        const before = times.get(text) ?? 0;
        times.set(text, before + 1);
        assert.ok(before === 0 || qos < 2, `${session.clientId} has got ${text} twice with QoS 2`);
        if (before > 0 || share !== undefined) continue;
        const source = this.#published[Number(text)]?.source;
        const last = newest.get(`${source} ${topic}`) ?? -1;
        assert.ok(Number(text) > last, `${session.clientId} has got ${text} behind ${last} on ${topic}`);
        newest.set(`${source} ${topic}`, Number(text));
      }
    }
  }

  async #checkRetained(): Promise<void> {
    if (this.#retained === 0) return;
    const { client } = await openConnected(this.#test, 'tcp', this.#broker.ports, { clientId: 'reader' });
    client.send(subscribeFrame('r/state', 0));
    await client.nextPacket(); // SUBACK
    const got = publishOf(await client.nextPacket());
    assert.equal(textOf(got), `${this.#retained - 1}`, 'the retained message');
  }
}

function matches(filter: string, topic: string): boolean {
  return filter.endsWith('t/1') ? topic === 't/1' : true;
}
