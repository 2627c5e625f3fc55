/**
 * Mutants: brokers in whose data plane one message in 10,000 is lost, doubled or out of its place, on purpose
 * (native/faults/). A soak that does not find each of them is worth nothing.
 */
import { faultyAddon } from './broker/faulty-addon.ts';
import { planOf } from './plan.ts';
import { lineOf } from './report.ts';
import { playRound, type RoundResult } from './round.ts';
import { type Switches, switchesOf } from './switches.ts';

export interface Mutant {
  readonly name: string;
  readonly workers: number;
}

/** Lanes are between workers. */
export const mutants: readonly Mutant[] = [
  { name: 'delivery-drop', workers: 1 },
  { name: 'delivery-double', workers: 1 },
  { name: 'delivery-reorder', workers: 1 },
  { name: 'lane-drop', workers: 2 },
  { name: 'lane-double', workers: 2 },
  { name: 'lane-reorder', workers: 2 },
];

const oneIn = 10_000;
const secondsPerRound = 3;
/** So many rounds, and on a machine that gets little done as many as it takes to see a fault in many. */
const roundsMin = 4;
const roundsMax = 30;
const deliveriesMin = 400_000;
/** A message that is lost keeps a round from coming to rest. */
const restMsMax = 4_000;

/** What tells the mutants from the broker: anything that is wrong here may be wrong for another reason. */
const switchesOfMutants: Switches = switchesOf(
  [],
  ['crashes', 'terminate', 'dashes', 'wills', 'shares', 'hasty'],
);

export interface Finding {
  readonly mutant: Mutant;
  /** Undefined if it was not found. */
  readonly result: RoundResult | undefined;
  readonly rounds: number;
}

/** Plays rounds until the mutant is found, with one seed after the other. */
export async function hunt(mutant: Mutant, seed: number, say: (line: string) => void): Promise<Finding> {
  let rounds = 0;
  let delivered = 0;
  while (rounds < roundsMin || (rounds < roundsMax && delivered < deliveriesMin)) {
    const result = await playMutant(mutant, seed + rounds++, restMsMax);
    say(`${mutant.name}: ${lineOf(result)}`);
    if (result.model.broken.size > 0) return { mutant, result, rounds };
    delivered += result.model.publishPackets;
  }
  return { mutant, result: undefined, rounds };
}

/** The same round with the same addon and no fault: nothing may be found. */
export async function playSound(workers: number, seed: number): Promise<RoundResult> {
  return await playMutant({ name: '', workers }, seed);
}

async function playMutant({ name, workers }: Mutant, seed: number, restMsMax?: number): Promise<RoundResult> {
  const plan = planOf({
    seed,
    workers,
    seconds: secondsPerRound,
    switches: switchesOfMutants,
    pace: 'brisk',
    ...(restMsMax === undefined ? {} : { restMsMax }),
  });
  const addon = await faultyAddon({
    ...(name === '' ? {} : { RALLYMQ_FAULT: name }),
    RALLYMQ_FAULT_ONE_IN: `${oneIn}`,
    RALLYMQ_FAULT_SEED: `${seed}`,
  });
  return await playRound(plan, addon);
}
