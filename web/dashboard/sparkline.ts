/** A small plot: what a figure was over the last minutes. The newest value is at its right edge. */

const width = 120;
const height = 32;
const windowMs = 240_000;

const svgNamespace = 'http://www.w3.org/2000/svg';

interface Sample {
  readonly atMs: number;
  readonly value: number;
}

export class Sparkline {
  readonly element: SVGSVGElement;
  readonly #area = document.createElementNS(svgNamespace, 'path');
  readonly #line = document.createElementNS(svgNamespace, 'path');
  readonly #topMin: number;
  #samples: Sample[] = [];

  /** `topMin`: the least value that the upper edge stands for, so that several plots have one scale. */
  constructor(topMin = 1e-9) {
    this.#topMin = topMin;
    this.element = document.createElementNS(svgNamespace, 'svg');
    this.element.setAttribute('viewBox', `0 0 ${width} ${height}`);
    this.element.setAttribute('preserveAspectRatio', 'none');
    this.element.setAttribute('aria-hidden', 'true');
    this.element.classList.add('sparkline');
    this.#area.classList.add('area');
    this.#line.classList.add('line');
    this.element.append(this.#area, this.#line);
  }

  get most(): number {
    return Math.max(...this.#samples.map(({ value }) => value), 0);
  }

  /** `atMs`: later than all before. A page that was hidden has taken no samples meanwhile. */
  add(value: number, atMs = performance.now()): void {
    this.#samples = [...this.#samples.filter((sample) => atMs - sample.atMs <= windowMs), { value, atMs }];
    const { line, area } = pathsOf(this.#samples, this.#topMin);
    this.#line.setAttribute('d', line);
    this.#area.setAttribute('d', area);
  }
}

/** From edge to edge, however few there are. */
function pathsOf(
  samples: readonly Sample[],
  topMin: number,
): { readonly line: string; readonly area: string } {
  const top = Math.max(...samples.map(({ value }) => value), topMin);
  const firstMs = samples[0]?.atMs ?? 0;
  const spanMs = (samples.at(-1)?.atMs ?? 0) - firstMs;
  const points = samples.map(({ value, atMs }) => {
    const x = spanMs === 0 ? 0 : ((atMs - firstMs) / spanMs) * width;
    const y = height - 1 - (Math.max(0, value) / top) * (height - 3);
    return `${x.toFixed(1)} ${y.toFixed(1)}`;
  });
  const line = `M${points.join('L')}${spanMs === 0 ? `H${width}` : ''}`;
  return { line, area: `${line}V${height}H0Z` };
}
