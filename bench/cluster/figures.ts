/**
 * The measurements of a cluster, each with its goal: nodes of one worker, nats-server and the clients on the
 * same cores.
 */
import type { ClusterCosts, ClusterFigure } from '../results.ts';
import { measureConnects, measureKilled, measureRolling, measureTakeover } from './clients.ts';
import { measureExact, measureWildcards } from './filters.ts';
import type { Sizes } from './loads.ts';
import { measureBetween, measureLocal, measureShared } from './traffic.ts';

export interface Measurement {
  readonly name: string;
  measure(generator: string, sizes: Sizes, onCosts: (costs: ClusterCosts) => void): Promise<ClusterFigure[]>;
}

export const measurements: readonly Measurement[] = [
  { name: 'local', measure: measureLocal },
  { name: 'between', measure: measureBetween },
  { name: 'takeover', measure: measureTakeover },
  { name: 'killed', measure: measureKilled },
  { name: 'connects', measure: measureConnects },
  { name: 'exact', measure: measureExact },
  { name: 'wildcards', measure: measureWildcards },
  { name: 'shared', measure: measureShared },
  { name: 'rolling', measure: measureRolling },
];
