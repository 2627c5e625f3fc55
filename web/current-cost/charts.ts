/** The two charts, by uPlot: loaded after the first paint. */
import uPlot, { type AlignedData, type Axis, type Options } from 'uplot';
import { timeFormat } from '../shared/dom.ts';
import { colourOf } from './colours.ts';
import type { History } from './history.ts';

/** Steps of the time axes, in seconds. */
const minuteSteps = [60, 120, 300];
const hourSteps = [1, 2, 3, 6, 12].map((hours) => hours * 3_600);
/** In CSS pixels, between two labels of a time axis. */
const labelSpace = 64;

export class Charts {
  readonly #livePlace: HTMLElement;
  readonly #hoursPlace: HTMLElement;
  #live: uPlot | undefined;
  #liveKey = '';
  #hours: uPlot | undefined;
  #threshold: number | undefined;

  constructor(livePlace: HTMLElement, hoursPlace: HTMLElement) {
    this.#livePlace = livePlace;
    this.#hoursPlace = hoursPlace;
    new ResizeObserver(() => this.#fit()).observe(livePlace);
    // Its colours are drawn, so another colour scheme needs a new drawing.
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.#restart());
  }

  showLive(history: History, threshold: number | undefined): void {
    if (history.names.length === 0) return;
    this.#threshold = threshold;
    const data = withTotalFirst(history.stacked());
    const key = history.names.map(({ name }) => name).join('\n');
    if (this.#live === undefined || key !== this.#liveKey) {
      this.#live?.destroy();
      this.#liveKey = key;
      this.#live = new uPlot(this.#liveOptions(history), data, this.#livePlace);
    } else {
      this.#live.setData(data);
    }
    this.#livePlace.dataset['points'] = `${data[0]?.length ?? 0}`;
  }

  showHours(history: History): void {
    const data: AlignedData = history.hours();
    if (this.#hours === undefined) this.#hours = new uPlot(this.#hoursOptions(), data, this.#hoursPlace);
    else this.#hours.setData(data);
    this.#hoursPlace.dataset['hours'] = `${data[0].length}`;
  }

  #fit(): void {
    this.#live?.setSize(sizeOf(this.#livePlace));
    this.#hours?.setSize(sizeOf(this.#hoursPlace));
  }

  #restart(): void {
    this.#live?.destroy();
    this.#hours?.destroy();
    this.#live = this.#hours = undefined;
  }

  #liveOptions({ names }: History): Options {
    // Drawn from the top of the stack down, so that each area covers the ones below it.
    const series = names.map(({ name }, index) => ({
      label: name,
      stroke: colourOf(index),
      fill: colourOf(index),
      width: 1,
      points: { show: false },
    }));
    return {
      ...sizeOf(this.#livePlace),
      padding: [8, 32, 0, 0],
      legend: { show: false },
      cursor: { show: false },
      scales: { y: { range: (_plot, _min, max) => [0, Math.max(500, max, this.#threshold ?? 0) * 1.1] } },
      axes: [
        timeAxis(minuteSteps),
        { ...axis(), size: 58, values: (_plot, ticks) => ticks.map((tick) => `${tick / 1_000} kW`) },
      ],
      series: [{}, ...series.reverse()],
      hooks: { draw: [(plot) => this.#drawThreshold(plot)] },
    };
  }

  #hoursOptions(): Options {
    return {
      ...sizeOf(this.#hoursPlace),
      padding: [8, 32, 0, 0],
      legend: { show: false },
      cursor: { show: false },
      scales: {
        x: { range: (_plot, min, max) => [min - 2_400, max + 2_400] },
        y: { range: (_plot, _min, max) => [0, max * 1.1] },
      },
      axes: [
        timeAxis(hourSteps),
        { ...axis(), size: 64, values: (_plot, ticks) => ticks.map((tick) => `${tick / 1_000} kWh`) },
      ],
      series: [
        {},
        {
          label: 'Watt-hours',
          stroke: colour('--tint'),
          fill: colour('--tint'),
          points: { show: false },
          ...(uPlot.paths.bars === undefined ? {} : { paths: uPlot.paths.bars({ size: [0.7, 40] }) }),
        },
      ],
    };
  }

  #drawThreshold({ ctx, bbox, valToPos }: uPlot): void {
    if (this.#threshold === undefined) return;
    const y = valToPos(this.#threshold, 'y', true);
    ctx.save();
    ctx.strokeStyle = colour('--bad');
    ctx.lineWidth = 2 * devicePixelRatio;
    ctx.setLineDash([6 * devicePixelRatio, 4 * devicePixelRatio]);
    ctx.beginPath();
    ctx.moveTo(bbox.left, y);
    ctx.lineTo(bbox.left + bbox.width, y);
    ctx.stroke();
    ctx.restore();
  }
}

function withTotalFirst([seconds = [], ...columns]: number[][]): AlignedData {
  return [seconds, ...columns.reverse()];
}

function sizeOf({ clientWidth: width, clientHeight: height }: HTMLElement): {
  width: number;
  height: number;
} {
  return { width, height };
}

function timeAxis(steps: number[]): Axis {
  const values = (_plot: uPlot, seconds: number[]): string[] =>
    seconds.map((second) => timeFormat.format(second * 1_000));
  return { ...axis(), incrs: steps, space: labelSpace, size: 36, values };
}

function axis(): Axis {
  const grid = { stroke: colour('--line'), width: 1 };
  return { stroke: colour('--quiet'), grid, ticks: grid, font: '12px system-ui, sans-serif' };
}

function colour(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}
