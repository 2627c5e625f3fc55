/**
 * The loads of the suite, named as in the Open MQTT Benchmark suite and scaled to the machine. What the flags
 * mean is in bench/load/generator/options.h.
 */
import type { Flags } from './generator.ts';

/** `smoke` only shows that a scenario works, in a second or two. */
export type Profile = 'smoke' | 'quick' | 'full';

/** What is of interest in the result; see metrics.ts. */
export type Kind =
  | 'messages'
  | 'paced'
  | 'connections'
  | 'upgrades'
  | 'subscriptions'
  | 'retained'
  | 'slow'
  | 'soak';

export interface Scenario {
  readonly name: string;
  readonly title: string;
  readonly kind: Kind;
  readonly flags: Flags;
  readonly shareOf?: ShareOf;
  /** So often each broker plays it before, unmeasured, so that its code is warm. */
  readonly warmUps?: number;
  /** It takes long, so it is played in few rounds. */
  readonly roundsMax?: number;
  /** Left out of a quick run, unless asked for. */
  readonly isLong?: boolean;
}

/**
 * The rate is this share of the rate reached in another scenario of the same run, as the median of its
 * rounds.
 */
export interface ShareOf {
  readonly scenario: string;
  readonly share: number;
  /** By whom: each peer itself, this broker, or the fastest of the others. */
  readonly by: 'each' | 'ours' | 'others';
}

type Sizes = Readonly<Record<Profile, number>>;

const warmup: Sizes = { smoke: 50, quick: 300, full: 1_000 };
const duration: Sizes = { smoke: 150, quick: 1_000, full: 5_000 };

/** All scenarios in the order in which they are played and reported. */
export function scenariosOf(profile: Profile): readonly Scenario[] {
  const common = { warmup: warmup[profile], duration: duration[profile] };
  const sized = (smoke: number, quick: number, full: number): number => ({ smoke, quick, full })[profile];
  const scenarios = [...messages(sized), ...connections(sized), ...state(sized)];
  return scenarios.map((each) => ({ ...each, flags: { ...common, transport: 'ws', ...each.flags } }));
}

/** With many messages in a turn, and with one for each connection. */
const secureToo: readonly string[] = ['p2p', 'fan-out'];

type Sized = (smoke: number, quick: number, full: number) => number;

function messages(sized: Sized): Scenario[] {
  const closed = closedLoops(sized);
  return [
    ...closed,
    {
      name: 'quiet',
      title: '50 pairs, 10,000 messages a second, QoS 0',
      kind: 'paced',
      flags: { scenario: 'p2p', publishers: 50, rate: sized(1_000, 10_000, 10_000) },
    },
    {
      name: 'steady',
      title: '50 pairs, 40,000 messages a second, QoS 0',
      kind: 'paced',
      flags: { scenario: 'p2p', publishers: 50, rate: sized(2_000, 40_000, 40_000) },
    },
    ...halfLoads(),
    ...closed.map((each) => ({
      ...each,
      name: `${each.name}-tcp`,
      title: `${each.title}, over TCP`,
      flags: { ...each.flags, transport: 'tcp' },
      isLong: each.name !== 'p2p',
    })),
    ...closed
      .filter(({ name }) => secureToo.includes(name))
      .map((each) => ({
        ...each,
        name: `${each.name}-wss`,
        title: `${each.title}, over TLS`,
        flags: { ...each.flags, transport: 'wss' },
      })),
    {
      name: 'p2p-v3',
      title: '10 pairs, window 50, QoS 0, MQTT 3.1.1',
      kind: 'messages',
      flags: { scenario: 'p2p', publishers: 10, window: 50, version: 4 },
      isLong: true,
    },
    {
      name: 'shared',
      title: '10 publishers to 10 members of a shared subscription, window 20, QoS 1',
      kind: 'messages',
      flags: { scenario: 'shared', publishers: 10, subscribers: 10, window: 20, qos: 1 },
    },
    {
      name: 'many-topics',
      title: `10 pairs, ${sized(20, 1_000, 10_000).toLocaleString('en')} topics each, window 50, QoS 0`,
      kind: 'messages',
      flags: { scenario: 'many-topics', publishers: 10, window: 50, topics: sized(20, 1_000, 10_000) },
    },
    {
      name: 'mixed',
      title: 'all QoS, wildcards, 1 % of the subscribers frozen',
      kind: 'messages',
      flags: {
        scenario: 'mixed',
        publishers: sized(10, 50, 100),
        subscribers: sized(50, 200, 1_000),
        frozen: sized(1, 2, 10),
        window: 5,
      },
    },
  ];
}

/**
 * Latency at half of the maximum rate. Half of whose? The same load for all is the fair comparison, with a
 * load that another broker can also carry; half of this broker's rate shows which ones can carry it at all;
 * half of each one's own rate shows how much reserve each has below its own limit.
 */
function halfLoads(): Scenario[] {
  const whose = [
    ['half-load', 'others', 'the fastest other broker'],
    ['half-load-ours', 'ours', 'RallyMQ'],
    ['half-load-each', 'each', 'each broker itself'],
  ] as const;
  return whose.map(([name, by, who]) => ({
    name,
    title: `10 pairs, QoS 0, at half of the rate that ${who} reached in p2p`,
    kind: 'paced',
    flags: { scenario: 'p2p', publishers: 10, rate: 1_000 },
    shareOf: { scenario: 'p2p', share: 0.5, by },
  }));
}

/** A publisher's next message waits until an earlier one has reached all its subscribers. */
function closedLoops(sized: Sized): Scenario[] {
  const fanOut = sized(20, 500, 500);
  return [
    {
      name: 'p2p',
      title: '10 pairs, window 50, QoS 0',
      kind: 'messages',
      flags: { scenario: 'p2p', publishers: 10, window: 50 },
    },
    {
      name: 'p2p-1',
      title: '50 pairs, window 1, QoS 0',
      kind: 'messages',
      flags: { scenario: 'p2p', publishers: 50, window: 1 },
    },
    {
      name: 'fan-out',
      title: `1 publisher to ${fanOut} subscribers, window 4, QoS 0`,
      kind: 'messages',
      flags: { scenario: 'fan-out', subscribers: fanOut, window: 4 },
    },
    {
      name: 'fan-in',
      title: '100 publishers to 1 subscriber through a wildcard, window 10, QoS 0',
      kind: 'messages',
      flags: { scenario: 'fan-in', publishers: 100, window: 10 },
    },
    {
      name: 'p2p-qos1',
      title: '50 pairs, window 4, QoS 1',
      kind: 'messages',
      flags: { scenario: 'p2p', publishers: 50, window: 4, qos: 1 },
    },
    {
      name: 'p2p-qos2',
      title: '10 pairs, window 10, QoS 2',
      kind: 'messages',
      flags: { scenario: 'p2p', publishers: 10, window: 10, qos: 2 },
    },
  ];
}

function connections(sized: Sized): Scenario[] {
  const storm = sized(50, 2_000, 10_000);
  const upgrades = sized(50, 2_000, 10_000);
  const idle = sized(50, 5_000, 10_000);
  const atOnce: Flags = { scenario: 'connections', connections: storm, concurrency: 500, duration: 50 };
  return [
    {
      name: 'connection-storm',
      title: `${storm.toLocaleString('en')} clients connect at once`,
      kind: 'connections',
      flags: atOnce,
    },
    {
      name: 'connection-storm-warm',
      title: `${storm.toLocaleString('en')} clients connect at once, for the third time`,
      kind: 'connections',
      warmUps: 2,
      flags: atOnce,
    },
    {
      name: 'connection-storm-wss',
      title: `${storm.toLocaleString('en')} clients connect at once, over TLS`,
      kind: 'connections',
      flags: { ...atOnce, transport: 'wss' },
      isLong: true,
    },
    {
      name: 'idle-connections-wss',
      title: `${idle.toLocaleString('en')} idle connections with their sessions, over TLS`,
      kind: 'connections',
      flags: { scenario: 'connections', connections: idle, concurrency: 100, transport: 'wss' },
      isLong: true,
    },
    {
      name: 'upgrade-storm',
      title: `${upgrades.toLocaleString('en')} WebSocket upgrades at once`,
      kind: 'upgrades',
      flags: { scenario: 'upgrades', connections: upgrades, concurrency: 500, duration: 50 },
    },
    {
      name: 'idle-connections',
      title: `${idle.toLocaleString('en')} idle connections with their sessions`,
      kind: 'connections',
      flags: { scenario: 'connections', connections: idle, concurrency: 100 },
    },
  ];
}

function state(sized: Sized): Scenario[] {
  const exact = sized(1_000, 100_000, 1_000_000);
  const wildcard = sized(1_000, 10_000, 100_000);
  const retained = sized(1_000, 100_000, 1_000_000);
  const patience = 600_000;
  const roundsMax = 2;
  return [
    {
      name: 'subscriptions',
      title: `10 pairs beside ${exact.toLocaleString('en')} exact and ${wildcard.toLocaleString('en')} wildcard subscriptions that do not match`,
      kind: 'subscriptions',
      roundsMax,
      flags: { scenario: 'subscriptions', publishers: 10, window: 50, exact, wildcard, patience },
    },
    {
      name: 'retained',
      title: `${retained.toLocaleString('en')} retained messages: 100 subscriptions to 10 of them each, and again while another client reads all`,
      kind: 'retained',
      roundsMax,
      flags: {
        scenario: 'retained',
        publishers: 1,
        rate: 1_000,
        retained,
        slowbytes: sized(10_000, 100_000, 200_000),
        patience,
      },
    },
    {
      name: 'slow-consumer',
      title: '1 publisher to 50 subscribers, then beside 5 frozen and 5 slow ones, window 4, QoS 0',
      kind: 'slow',
      flags: { scenario: 'slow-consumer', subscribers: 50, frozen: 5, slow: 5, window: 4 },
    },
  ];
}

/** Sessions that outlive their connections: what is published with QoS 1 and 2 has to be kept. See durable.ts. */
export function durableScenarios(profile: Profile): readonly Scenario[] {
  const sized = { smoke: [2, 5], quick: [20, 50], full: [20, 50] } as const;
  const [some, many] = sized[profile];
  const common = {
    scenario: 'p2p',
    transport: 'ws',
    expiry: 3_600,
    warmup: warmup[profile],
    duration: { smoke: 150, quick: 2_000, full: 10_000 }[profile],
  };
  const of = (name: string, qos: number, publishers: number, window: number): Scenario => ({
    name,
    title: `${publishers} pairs, window ${window}, QoS ${qos}, sessions that are kept`,
    kind: 'messages',
    flags: { ...common, qos, publishers, window },
  });
  return [
    of('durable-1', 1, 1, 1),
    of('durable-200', 1, some, 10),
    of('durable-1000', 1, many, 20),
    of('durable-qos2-200', 2, some, 10),
  ];
}

/** Mixed load at a fixed rate with clients that come, go, take over and read slowly. */
export function soakOf(minutes: number, rate: number): Scenario {
  return {
    name: 'soak',
    title: `mixed load with churn for ${minutes} minutes`,
    kind: 'soak',
    flags: {
      scenario: 'soak',
      transport: 'ws',
      publishers: 50,
      subscribers: 200,
      frozen: 8, // over WebSocket they are disconnected when they answer no ping; over TCP they stay
      slow: 8,
      slowbytes: 20_000,
      churn: 100,
      window: 10,
      rate,
      warmup: 2_000,
      duration: Math.round(minutes * 60_000),
      drain: 10_000,
      sample: 1_000,
    },
  };
}
