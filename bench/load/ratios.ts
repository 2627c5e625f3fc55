/** Two set-ups of the broker, played in turn: what remains of the figures of the one with the other. */
import { table } from '../progress.ts';
import type { Played } from '../results.ts';
import { medianOf } from '../statistics.ts';
import { cpuPerDelivery, last, rateOf } from './metrics.ts';

/** `base` and `other` are names of peers; a row for each scenario. */
export function ratioTable(
  played: readonly Played[],
  scenarios: readonly string[],
  base: string,
  other: string,
): string {
  const rows = scenarios.map((scenario) => {
    const [rate, cpu] = [deliveryRate, deliveryCpu].map((figureOf) =>
      shown(ratiosOf(played, scenario, base, other, figureOf)),
    );
    return [scenario, rate ?? '-', cpu ?? '-'];
  });
  return table([['', 'deliveries a second', 'CPU for each'], ...rows]);
}

/** Of each round in which both have played: the figure of `other`, as a part of that of `base`. */
export function ratiosOf(
  played: readonly Played[],
  scenario: string,
  base: string,
  other: string,
  figureOf: (entry: Played) => number | undefined,
): number[] {
  return played.flatMap((entry) => {
    if (entry.scenario !== scenario || entry.peer !== other) return [];
    const pair = played.find(
      ({ scenario: same, peer, round }) => same === scenario && peer === base && round === entry.round,
    );
    const [figure, before] = [figureOf(entry), pair && figureOf(pair)];
    return figure === undefined || !before ? [] : [figure / before];
  });
}

export function deliveryRate({ result }: Played): number | undefined {
  return result && rateOf(last(result));
}

export function deliveryCpu({ result }: Played): number | undefined {
  return result && cpuPerDelivery(last(result));
}

/** The median, and the range. */
function shown(ratios: readonly number[]): string {
  const median = medianOf(ratios);
  const [low, high] = [Math.min(...ratios), Math.max(...ratios)];
  return median === undefined ? '-' : `${median.toFixed(3)} (${low.toFixed(3)} to ${high.toFixed(3)})`;
}
