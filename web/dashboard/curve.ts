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
   * `shown`: a value as text. `onPointed` gets the value at the cursor and its time as text, and undefined when the
   * cursor has gone. `topMin`: the least value that the upper edge stands for, so that several plots have one scale.
   */
  constructor(
    shown: (value: number) => string,
    onPointed: (text: string | undefined) => void,
    topMin = 1e-9,
  ) {
    this.#shown = shown;
    this.#plot = new uPlot(this.#options(onPointed, topMin), this.#data, this.element);
    new ResizeObserver(() => this.#fit()).observe(this.element);
    // Its colours are drawn, so the scheme needs another drawing.
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.#plot.redraw(false));
  }

  get most(): number {
    return Math.max(...this.#values, 0);
  }

  /**
   * `second`: since the epoch, the same for what was sampled together. A page that was hidden has taken no samples
   * meanwhile. Where the clock was set back the plot begins anew.
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
        // From edge to edge, however few there are.
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
