/**
 * A small plot, by uPlot: what a figure was over the last minutes. The newest value is at its right edge. Pointing at
 * one shows the same moment in all of them.
 */
import uPlot, { type AlignedData, type Options } from 'uplot';
import { make } from '../shared/dom.ts';

/** In CSS pixels. */
const height = 42;
const windowSeconds = 240;
/** Plots with the same key have one cursor. */
const cursorKey = 'dashboard';
const momentFormat = new Intl.DateTimeFormat(undefined, {
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
  hourCycle: 'h23',
});

export class Curve {
  readonly element = make('div', { class: 'curve', 'aria-hidden': 'true' });
  readonly #plot: uPlot;
  readonly #shown: (value: number) => string;
  #seconds: number[] = [];
  #values: number[] = [];

  /**
   * `shown`: a value as text. `onPointed` gets the value at the cursor and its time as text, or undefined when the
   * cursor has left. `topMin`: the minimum value of the upper edge, so that several plots share one scale.
   */
  constructor(
    shown: (value: number) => string,
    onPointed: (text: string | undefined) => void,
    topMin = 1e-9,
  ) {
    this.#shown = shown;
    this.#plot = new uPlot(this.#options(onPointed, topMin), this.#data, this.element);
    new ResizeObserver(() => this.#fit()).observe(this.element);
    // The plot draws its colours itself, so a new colour scheme requires a redraw.
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.#plot.redraw(false));
  }

  get most(): number {
    return Math.max(...this.#values, 0);
  }

  /**
   * `second`: since the epoch, equal for values sampled together. A hidden page has no samples for that time. If the
   * clock was set back, the plot starts again.
   */
  add(value: number, second: number): void {
    const isSetBack = second <= (this.#seconds.at(-1) ?? 0);
    const gone = isSetBack
      ? this.#seconds.length
      : this.#seconds.filter((earlier) => earlier < second - windowSeconds).length;
    this.#seconds = [...this.#seconds.slice(gone), second];
    this.#values = [...this.#values.slice(gone), value];
    this.#plot.setData(this.#data);
  }

  get #data(): AlignedData {
    return [this.#seconds, this.#values];
  }

  #fit(): void {
    const { clientWidth: width } = this.element;
    if (width > 0) this.#plot.setSize({ width, height });
  }

  #options(onPointed: (text: string | undefined) => void, topMin: number): Options {
    return {
      width: 1,
      height,
      padding: [2, 0, 0, 0],
      legend: { show: false },
      axes: [{ show: false }, { show: false }],
      scales: {
        // From edge to edge, even with few values.
        x: { range: (_plot, min, max) => [min === max ? min - 1 : min, max] },
        y: { range: (_plot, _min, max) => [0, Math.max(max ?? 0, topMin) * 1.05] },
      },
      series: [
        {},
        {
          width: 1.75,
          points: { show: false },
          stroke: () => this.#tint,
          fill: () => `color-mix(in srgb, ${this.#tint} 12%, transparent)`,
        },
      ],
      cursor: { y: false, drag: { x: false, y: false }, points: { size: 7 }, sync: { key: cursorKey } },
      hooks: {
        setCursor: [
          ({ cursor: { idx } }) => {
            const [second, value] = [this.#seconds[idx ?? -1], this.#values[idx ?? -1]];
            const isPointed = second !== undefined && value !== undefined;
            onPointed(
              isPointed ? `${this.#shown(value)} at ${momentFormat.format(second * 1_000)}` : undefined,
            );
          },
        ],
      },
    };
  }

  get #tint(): string {
    return getComputedStyle(this.element).getPropertyValue('--tint');
  }
}
