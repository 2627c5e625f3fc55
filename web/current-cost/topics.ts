/**
 * The topics of the house:
 *
 *     demos/current-cost/appliances          Appliance[], retained
 *     demos/current-cost/<id>/watts          the reading of the meter, as text, each second, retained
 *     demos/current-cost/<id>/switch         'on' or 'off', reported by the appliance, retained
 *     demos/current-cost/<id>/switch/set     the same as a command to it
 *     demos/current-cost/hours/<0..23>       HourTotals, retained: the last 24 hours
 *     demos/current-cost/recent              Recent, retained: the last minutes
 *     demos/current-cost/threshold           the watts above which pages alert, as text, retained
 */

import type { Message } from '../../client/rally.ts';
import { isTime } from '../shared/is-time.ts';

export interface Appliance {
  readonly id: string;
  readonly name: string;
}

/** Watt-hours of one hour, by appliance. */
export interface HourTotals {
  /** Its start, in milliseconds since 1970. */
  readonly start: number;
  readonly wattHours: Readonly<Record<string, number>>;
}

/** Watts in steps of `stepMs`, by appliance; the last one at `end`. */
export interface Recent {
  readonly end: number;
  readonly stepMs: number;
  readonly watts: Readonly<Record<string, readonly number[]>>;
}

export const root = 'demos/current-cost';
export const hourMs = 3_600_000;

/** Appliances on a page; everyone may publish here. */
const appliancesMax = 20;

/** These return undefined for invalid content. */
export function readAppliances(message: Message): readonly Appliance[] | undefined {
  const value = parse(message);
  if (!Array.isArray(value)) return undefined;
  const sound = value.filter((one) => typeof one?.id === 'string' && typeof one.name === 'string');
  return (sound as Appliance[]).slice(0, appliancesMax);
}

export function readWatts(text: string): number | undefined {
  const watts = Number(text);
  return text.trim() !== '' && watts >= 0 && watts < 1_000_000 ? watts : undefined;
}

export function readHour(message: Message): HourTotals | undefined {
  const value = parse(message) as HourTotals | undefined;
  return isTime(value?.start) && isNumbers(value?.wattHours) ? value : undefined;
}

export function readRecent(message: Message): Recent | undefined {
  const value = parse(message) as Recent | undefined;
  const isSound = isTime(value?.end) && typeof value?.stepMs === 'number' && value.stepMs > 0;
  const rows = Object.values(value?.watts ?? {});
  return isSound && rows.every((row) => Array.isArray(row) && row.length <= 1_000 && isNumbers(row))
    ? value
    : undefined;
}

function isNumbers(value: unknown): boolean {
  return (
    typeof value === 'object' &&
    value !== null &&
    Object.values(value).every((part) => typeof part === 'number')
  );
}

function parse(message: Message): unknown {
  try {
    return message.json();
  } catch {
    return undefined; // empty, or not JSON
  }
}
