/**
 * One round of a soak: a fresh broker, the clients of the plan, and the judgement.
 *
 *   start -> act, until the time is up -> come to rest, all connected -> judge -> leave -> judge what is left
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Statistics } from '../../core/broker.ts';
import { defaultLimits } from '../../core/config/limits.ts';
import { Random } from '../support/random.ts';
import { transports } from '../support/raw-client.ts';
import { Actor, type Stage } from './actors.ts';
import { BrokerProcess, type FaultyAddon } from './broker/broker-process.ts';
import { Client } from './clients/client.ts';
import { type ClientTerms, patienceMs, type World } from './clients/terms.ts';
import { playSensor } from './dash.ts';
import { checkMissing, missingOf } from './model/completeness.ts';
import { checkCaughtUp, checkEmpty } from './model/counters.ts';
import { Model } from './model/model.ts';
import { chainsOf, checkOrder } from './model/order.ts';
import { checkRetained } from './model/retained.ts';
import { checkShares, unclaimedCount } from './model/shares.ts';
import { checkWills } from './model/wills.ts';
import type { CastMember, Plan } from './plan.ts';
import { RetainedReader } from './retained-reader.ts';
import { playStormer } from './storm.ts';

export interface RoundResult {
  readonly plan: Plan;
  readonly model: Model;
  readonly counters: Statistics | undefined;
  /** The last that the broker logged, of errors. */
  readonly log: string;
  readonly lateness: Lateness;
}

/** How late this process was at most, and how long the broker took to answer: what a machine has no time for is nobody's fault. */
export interface Lateness {
  ownMs: number;
  brokerMs: number;
}

/** Nobody is refused, cut off or dropped since the machine gave the broker, or the clients, no time. */
const unhurried = {
  overloadLagMs: 0,
  connectTimeoutMs: patienceMs,
  lastFramesMs: patienceMs,
  webSocketPingMs: 3_600_000,
  webSocketSilenceMs: 3_600_000,
} as const;
const pulseMs = 250;

/** Of the messages that are queued in the broker while publishers go on. */
const queuedMax = 5_000;
/** The event loop of this process may be late by so much while publishers go on. */
const lagMsMax = 30;
/** The longest delay of a will, with some room. */
const lastWillMs = 2_600;

export async function playRound(plan: Plan, faulty: FaultyAddon | undefined): Promise<RoundResult> {
  const model = new Model(plan.seed);
  const { workers } = plan;
  const limits = { ...unhurried, ...plan.limits };
  const broker = await BrokerProcess.start({ workers, limits }, faulty);
  try {
    const round = new Round(plan, model, broker);
    const counters = await round.play();
    if (broker.failure !== undefined) model.fault('broker', broker.failure);
    return { plan, model, counters, log: broker.log, lateness: round.lateness };
  } finally {
    await broker.stop();
  }
}

class Round {
  readonly #plan: Plan;
  readonly #model: Model;
  readonly #broker: BrokerProcess;
  readonly #stage: Stage;
  readonly #world: World;
  readonly #actors: Actor[] = [];
  readonly lateness: Lateness = { ownMs: 0, brokerMs: 0 };
  #isOver = false;

  constructor(plan: Plan, model: Model, broker: BrokerProcess) {
    this.#plan = plan;
    this.#model = model;
    this.#broker = broker;
    this.#stage = { switches: plan.switches, pace: plan.pace, isOver: false, isBusy: false };
    const { receiveMaximum = defaultLimits.receiveMaximum } = plan.limits;
    this.#world = { model, ports: broker, hasCrashes: plan.crashes.length > 0, receiveMaximum };
    for (const member of plan.cast) {
      if (member.role === 'stormer' || member.role === 'sensor') continue;
      const client = new Client(termsOf(member), this.#world);
      this.#actors.push(new Actor(member.role, client, new Random(member.seed), this.#stage));
    }
  }

  /** The counters at rest; undefined if the broker has ended. */
  async play(): Promise<Statistics | undefined> {
    const pulse = this.#takePulse();
    try {
      return await this.#playAll();
    } finally {
      this.#isOver = true;
      await pulse;
    }
  }

  async #takePulse(): Promise<void> {
    const { lateness } = this;
    while (!this.#isOver) {
      const beforeMs = performance.now();
      await delay(pulseMs);
      const askedMs = performance.now();
      lateness.ownMs = Math.max(lateness.ownMs, askedMs - beforeMs - pulseMs);
      await this.#broker.statistics();
      lateness.brokerMs = Math.max(lateness.brokerMs, performance.now() - askedMs);
    }
  }

  async #playAll(): Promise<Statistics | undefined> {
    for (const actor of this.#actors) await actor.begin();
    await this.#act();
    const counters = await this.#comeToRest();
    if (counters === undefined) return undefined;
    await this.#judge(counters);
    await this.#leave();
    return counters;
  }

  async #act(): Promise<void> {
    const { seconds, cast, crashes } = this.#plan;
    const timers = crashes.map(({ how, worker, atMs }) => {
      return setTimeout(() => this.#broker.fail(how, worker), atMs);
    });
    const steps: Promise<void>[] = this.#actors.map((actor) => actor.play());
    for (const member of cast) {
      const random = new Random(member.seed);
      if (member.role === 'stormer') steps.push(playStormer(member, this.#world, random, this.#stage));
      if (member.role === 'sensor') steps.push(playSensor(member, this.#world, random, this.#stage));
    }
    const watching = this.#watch();
    await delay(seconds * 1_000);
    this.#stage.isOver = true;
    for (const timer of timers) clearTimeout(timer);
    await Promise.all([...steps, watching]);
  }

  /** Holds the publishers back while the broker or this process is behind. */
  async #watch(): Promise<void> {
    while (!this.#stage.isOver) {
      const beforeMs = performance.now();
      await delay(20);
      const lagMs = performance.now() - beforeMs - 20;
      const counters = await this.#broker.statistics();
      if (counters === undefined) this.#stage.isOver = true;
      this.#stage.isBusy = lagMs > lagMsMax || (counters?.queued ?? 0) > queuedMax;
    }
  }

  /** Everybody is connected, reads and answers, until nothing moves any more. */
  async #comeToRest(): Promise<Statistics | undefined> {
    const { restMsMax, switches } = this.#plan;
    const endMs = performance.now() + restMsMax;
    const wakeMs = performance.now() + (switches.has('wills') ? lastWillMs : 0);
    let before = -1;
    for (;;) {
      await Promise.all(
        this.#actors.map((actor) => (actor.client.isConnected ? undefined : actor.connect())),
      );
      const seen = this.#model.clock.now;
      await delay(250);
      const counters = await this.#broker.statistics();
      if (counters === undefined) return undefined;
      // The broker has heard of the end of every connection that is over, and has nothing left to send.
      const isQuiet =
        this.#model.clock.now === seen &&
        counters.publishSent === before &&
        counters.queued === 0 &&
        counters.connections === this.#actors.length;
      before = counters.publishSent;
      const busy = this.#actors.filter(({ client }) => !client.isConnected || client.unanswered.size > 0);
      if (isQuiet && busy.length === 0 && performance.now() > wakeMs) return counters;
      if (performance.now() < endMs) continue;
      const who = busy.map(({ client }) => `${client.id} waits for ${client.unanswered.size} answers`);
      const what = `no rest after ${restMsMax} ms: ${counters.queued} queued, ${counters.connections} connected; ${who.join(', ')}`;
      this.#model.fault('unfinished', what, ...busy.map(({ client }) => client.id));
      return counters;
    }
  }

  async #judge(counters: Statistics): Promise<void> {
    const { isTight, switches } = this.#plan;
    const model = this.#model;
    const chains = chainsOf(model.lives);
    checkOrder(model, chains, switches);
    const missing = missingOf(model, chains);
    const wills = isTight ? [] : checkWills(model, performance.now());
    // Where a worker has failed nobody may have been there for a will of QoS 0.
    checkMissing(model, missing, this.#world.hasCrashes ? 0 : wills.length, counters);
    if (switches.has('shares')) checkShares(model, missing, counters, switches.has('share-loss'));
    const knowsDrops = !isTight && (switches.has('share-loss') || !switches.has('shares'));
    const dropsMax = knowsDrops ? unclaimedCount(model, this.#world.hasCrashes) : Number.POSITIVE_INFINITY;
    checkCaughtUp(model, counters, dropsMax);
    for (const transport of transports) {
      const reader = new RetainedReader(`reader-${transport}`, this.#world);
      const found = await reader.read(transport);
      if (found !== undefined) checkRetained(model, found, reader.clientId);
    }
  }

  /** All sessions end; nothing may be left of them. */
  async #leave(): Promise<void> {
    await Promise.all(this.#actors.map((actor) => endSession(actor)));
    for (const { clientId } of this.#plan.cast.filter(({ role }) => role === 'stormer')) {
      const client = new Client({ ...cleanTerms, clientId }, this.#world);
      await client.endWhatever();
    }
    const endMs = performance.now() + patienceMs;
    for (;;) {
      const counters = await this.#broker.statistics();
      if (counters === undefined) return;
      const { sessions, connections } = counters;
      if ((sessions === 0 && connections === 0) || performance.now() > endMs) {
        checkEmpty(this.#model, counters);
        return;
      }
      await delay(20);
    }
  }
}

const cleanTerms = {
  version: 5,
  isLasting: false,
  receiveMaximum: 65_535,
  maximumPacketSize: 0,
  topicAliasMaximum: 0,
} as const satisfies Omit<ClientTerms, 'clientId'>;

async function endSession({ client }: Actor): Promise<void> {
  const isEnded = client.isConnected && (client.version === 5 || !client.terms.isLasting);
  await client.part(client.terms.isLasting && client.version === 5);
  if (isEnded) return;
  await new Client({ ...cleanTerms, clientId: client.id }, client.world).endWhatever();
}

function termsOf({ clientId, version, isLasting, ...member }: CastMember): ClientTerms {
  const { receiveMaximum, maximumPacketSize, topicAliasMaximum } = member;
  return { clientId, version, isLasting, receiveMaximum, maximumPacketSize, topicAliasMaximum };
}
