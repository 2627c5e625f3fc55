/** A soak: rounds with one seed after the other, until the time is up. */
import type { FaultyAddon } from './broker/broker-process.ts';
import { faultyAddon } from './broker/faulty-addon.ts';
import { type Plan, planOf } from './plan.ts';
import { lineOf, reportOf } from './report.ts';
import { playRound, type RoundResult } from './round.ts';
import { knownBroken, type Switch, type Switches, switches } from './switches.ts';

export interface SoakTerms {
  /** Of the first round; each further one has the next. */
  readonly seed: number;
  readonly minutes: number;
  /** Rounds at most. */
  readonly rounds: number;
  /** Numbers of workers, taken in turns. */
  readonly workers: readonly number[];
  /** Of actions in each round. */
  readonly secondsPerRound: number;
  readonly switches: Switches;
  say(line: string): void;
}

export interface SoakResult {
  readonly rounds: number;
  readonly failed: readonly RoundResult[];
  readonly delivered: number;
}

export async function soak(terms: SoakTerms): Promise<SoakResult> {
  const { seed, minutes, rounds, workers, secondsPerRound, say } = terms;
  const endMs = performance.now() + minutes * 60_000;
  const failed: RoundResult[] = [];
  let played = 0;
  let delivered = 0;
  while (played < rounds && (played === 0 || performance.now() < endMs)) {
    const count = workers[played % workers.length] ?? 1;
    const plan = planOf({
      seed: seed + played,
      workers: count,
      seconds: secondsPerRound,
      switches: terms.switches,
    });
    const result = await playRound(plan, await addonFor(plan));
    played++;
    delivered += result.model.publishPackets;
    say(lineOf(result));
    if (result.model.broken.size === 0) continue;
    failed.push(result);
    say(reportOf(result, commandOf(plan)));
  }
  return { rounds: played, failed, delivered };
}

async function addonFor({ delayPercent, seed }: Plan): Promise<FaultyAddon | undefined> {
  if (delayPercent === 0) return undefined;
  return await faultyAddon({ RALLYMQ_LANE_DELAY_PERCENT: `${delayPercent}`, RALLYMQ_FAULT_SEED: `${seed}` });
}

/** What to type to see a round again. */
export function commandOf(plan: Plan): string {
  const names = Object.keys(switches) as Switch[];
  const without = names.filter((name) => !plan.switches.has(name) && knownBroken[name] === undefined);
  const asked = names.filter((name) => plan.switches.has(name) && knownBroken[name] !== undefined);
  return [
    `npm run soak -- --seed ${plan.seed} --workers ${plan.workers} --rounds 1 --seconds ${plan.seconds}`,
    ...(without.length > 0 ? [`--without ${without.join(',')}`] : []),
    ...(asked.length > 0 ? [`--with ${asked.join(',')}`] : []),
  ].join(' ');
}
