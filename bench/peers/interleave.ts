/**
 * Plays scenarios against several brokers, interleaved: in a round each plays the same scenario, one after
 * another, and the next round begins with another broker. So disturbances of the machine affect all of them.
 *
 * Brokers that the suite starts are restarted for each scenario, and for each round of scenarios about
 * memory. Only one is under load at a time.
 */
import { BenchError } from '../bench-error.ts';
import { type Flags, generate, type Sample } from '../load/generator.ts';
import { metricsOf } from '../load/metrics.ts';
import type { Scenario } from '../load/scenarios.ts';
import type { Played } from '../results.ts';
import { spreadOf } from '../statistics.ts';
import { dropsBetween, readDrops } from './drop-counts.ts';
import { type Endpoint, isOurs, ours, type Peer, type RunningPeer } from './peer.ts';

export interface Interleaving {
  readonly generator: string;
  readonly scenarios: readonly Scenario[];
  readonly peers: readonly Peer[];
  readonly rounds: number;
  /** Go into every load. */
  readonly flags: Flags;
  readonly onStart?: (scenario: Scenario, peer: Peer, round: number) => void;
  readonly onPlayed?: (played: Played, scenario: Scenario) => void;
}

export async function interleave(all: Interleaving): Promise<Played[]> {
  const played: Played[] = [];
  for (const scenario of all.scenarios) {
    const rounds = Math.min(all.rounds, scenario.roundsMax ?? all.rounds);
    let running: Running = [];
    try {
      for (let round = 0; round < rounds; round++) {
        if (round === 0 || isAboutMemory(scenario)) {
          await stopAll(running);
          running = [];
          for (const peer of all.peers) running.push([peer, await peer.start()]);
        }
        for (const [peer, target] of rotated(running, round)) {
          all.onStart?.(scenario, peer, round);
          const outcome = await playOnce(all, scenario, target, peer, played);
          const entry = { scenario: scenario.name, peer: peer.name, round, ...outcome };
          played.push(entry);
          all.onPlayed?.(entry, scenario);
        }
      }
    } finally {
      await stopAll(running);
    }
  }
  return played;
}

type Running = (readonly [Peer, RunningPeer])[];

async function stopAll(running: Running): Promise<void> {
  await Promise.all(running.map(([, target]) => target.stop()));
}

/** Memory that an earlier round used and freed would be reused, and look like no growth. */
function isAboutMemory({ kind }: Scenario): boolean {
  return kind === 'connections' || kind === 'upgrades' || kind === 'subscriptions' || kind === 'retained';
}

async function playOnce(
  all: Interleaving,
  scenario: Scenario,
  target: RunningPeer,
  peer: Peer,
  played: readonly Played[],
): Promise<Pick<Played, 'result' | 'error'>> {
  try {
    const rate = rateOf(scenario, peer, all.scenarios, played);
    const version: Flags = peer.isVersion4 ? { version: 4 } : {};
    const flags = { ...rate, ...all.flags, ...version };
    for (let count = scenario.warmUps ?? 0; count > 0; count--)
      await play(all.generator, scenario, target, flags);
    return { result: await play(all.generator, scenario, target, flags) };
  } catch (error) {
    // One broker that cannot do one thing does not end the run.
    if (error instanceof BenchError) return { error: error.message };
    throw error;
  }
}

/** Errors: BenchError if the broker cannot play it to the end, or its transport is unknown. */
export async function play(
  generator: string,
  scenario: Scenario,
  target: RunningPeer,
  flags: Flags = {},
  onSample?: (sample: Sample) => void,
): Promise<ReturnType<typeof generate>> {
  const all: Flags = { ...scenario.flags, ...flags };
  const { transport } = all;
  const endpoint = endpointOf(target, transport);
  if (endpoint === undefined) throw new BenchError(`no URL for ${transport} was given`);
  const { host, port, path = '/' } = endpoint;
  const pid = target.pid === undefined ? {} : { pid: target.pid };
  const both = scenario.kind === 'soak' && target.tcp ? { tcpport: target.tcp.port } : {};
  const before = await readDrops(target.http);
  const result = await generate(generator, { ...all, host, port, path, ...pid, ...both }, onSample);
  const dropped = dropsBetween(before, await readDrops(target.http));
  return dropped === undefined ? result : { ...result, dropped };
}

function endpointOf(
  { ws, tcp, wss }: RunningPeer,
  transport: string | number | undefined,
): Endpoint | undefined {
  if (transport === 'tcp') return tcp;
  return transport === 'wss' ? wss : ws;
}

/** Errors: BenchError if the rate that it depends on is not known. */
function rateOf(
  { shareOf }: Scenario,
  peer: Peer,
  scenarios: readonly Scenario[],
  played: readonly Played[],
): Flags {
  if (shareOf === undefined) return {};
  const other = scenarios.find(({ name }) => name === shareOf.scenario);
  const metric = other && metricsOf(other.kind).find(({ name }) => name === 'perSecond');
  const reachedBy = (name: string): number | undefined =>
    spreadOf(
      played
        .filter((each) => each.peer === name && each.scenario === shareOf.scenario)
        .flatMap(({ result }) => (result && metric?.of(result)) ?? []),
    )?.median;
  const names = {
    each: [peer.name],
    ours: [ours],
    others: [...new Set(played.map((each) => each.peer))].filter((name) => !isOurs(name)),
  }[shareOf.by];
  const reached = Math.max(0, ...names.flatMap((name) => reachedBy(name) ?? []));
  if (reached === 0)
    throw new BenchError(`the rate of ${names.join(', ')} in ${shareOf.scenario} is not known`);
  return { rate: Math.max(1, Math.round(reached * shareOf.share)) };
}

/** Begins with another one in each round. */
export function rotated<Item>(items: readonly Item[], by: number): Item[] {
  const at = by % items.length;
  return [...items.slice(at), ...items.slice(0, at)];
}
