/**
 * Where the house is on the broker:
 *
 *     demos/current-cost/appliances          Appliance[], retained
 *     demos/current-cost/<id>/watts          what the meter reads, as text, each second, retained
 *     demos/current-cost/<id>/switch         'on' or 'off', as the appliance says, retained
 *     demos/current-cost/<id>/switch/set     the same as a command to it
 *     demos/current-cost/hours/<0..23>       HourTotals, retained: the last 24 hours
 *     demos/current-cost/recent              Recent, retained: the last minutes
 *     demos/current-cost/threshold           watts beyond which pages alert, as text, retained
 */

export interface Appliance {
  readonly id: string;
  readonly name: string;
}

/** Watt-hours of one hour, by appliance. */
export interface HourTotals {
  /** Its beginning, in milliseconds since 1970. */
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
