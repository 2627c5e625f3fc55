/** The consumption: the last minutes by seconds, and the last day by hours. */
import { type Appliance, type HourTotals, hourMs, type Recent } from './topics.ts';

const keptSeconds = 300;
const hoursShown = 24;

export class History {
  names: readonly Appliance[] = [];
  /** Watts by appliance, by second since 1970. */
  readonly #seconds = new Map<number, Map<string, number>>();
  readonly #hours = new Map<number, HourTotals>();
  #hasRecent = false;

  addReading(id: string, watts: number, atMs: number): void {
    const second = Math.floor(atMs / 1_000);
    this.#row(second).set(id, watts);
    this.#forget(second);
  }

  /** Readings from before the page was opened. They are fetched once: later readings arrive every second. */
  addRecent({ end, stepMs, watts }: Recent): boolean {
    if (this.#hasRecent) return false;
    this.#hasRecent = true;
    for (const [id, row] of Object.entries(watts)) {
      row.forEach((value, index) => {
        const second = Math.floor((end - (row.length - 1 - index) * stepMs) / 1_000);
        const known = this.#row(second);
        if (!known.has(id)) known.set(id, value);
      });
    }
    return true;
  }

  addHour(hour: HourTotals): void {
    this.#hours.set(hour.start, hour);
  }

  /** Columns for the chart: seconds, then watts of each appliance stacked on those before it; the last column is the total. */
  stacked(): number[][] {
    const seconds = [...this.#seconds.keys()].sort((one, two) => one - two);
    const columns: number[][] = [seconds, ...this.names.map(() => [])];
    // If a reading is late, the previous one is used.
    const last = new Map<string, number>();
    for (const second of seconds) {
      let sum = 0;
      this.names.forEach(({ id }, index) => {
        const watts = this.#seconds.get(second)?.get(id) ?? last.get(id) ?? 0;
        last.set(id, watts);
        sum += watts;
        columns[index + 1]?.push(sum);
      });
    }
    return columns;
  }

  /** The start of each hour in seconds, and its watt-hours. */
  hours(): [number[], number[]] {
    const shown = this.#recentHours();
    return [shown.map(({ start }) => start / 1_000), shown.map(sumOf)];
  }

  /** Watt-hours. */
  lastDay(): number {
    return this.#recentHours().reduce((sum, hour) => sum + sumOf(hour), 0);
  }

  #recentHours(): HourTotals[] {
    const newest = Math.max(...this.#hours.keys());
    return [...this.#hours.values()]
      .filter(({ start }) => start > newest - hoursShown * hourMs)
      .sort((one, two) => one.start - two.start);
  }

  #row(second: number): Map<string, number> {
    const row = this.#seconds.get(second) ?? new Map<string, number>();
    this.#seconds.set(second, row);
    return row;
  }

  #forget(now: number): void {
    for (const second of this.#seconds.keys()) if (second < now - keptSeconds) this.#seconds.delete(second);
  }
}

function sumOf({ wattHours }: HourTotals): number {
  return Object.values(wattHours).reduce((sum, value) => sum + value, 0);
}
