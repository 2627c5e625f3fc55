/** A small plot: what a figure was over the last minutes. The newest value is at its right edge. */

const width = 120;
const height = 32;
export const samplesMax = 120;

const svgNamespace = 'http://www.w3.org/2000/svg';

export class Sparkline {
  readonly element: SVGSVGElement;
  readonly #area = document.createElementNS(svgNamespace, 'path');
  readonly #line = document.createElementNS(svgNamespace, 'path');
  readonly #values: number[] = [];
  readonly #topMin: number;

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
    return Math.max(...this.#values, 0);
  }

  add(value: number): void {
    this.#values.push(value);
    if (this.#values.length > samplesMax) this.#values.shift();
    const { line, area } = pathsOf(this.#values, this.#topMin);
    this.#line.setAttribute('d', line);
    this.#area.setAttribute('d', area);
  }
}

export function pathsOf(
  values: readonly number[],
  topMin = 1e-9,
): { readonly line: string; readonly area: string } {
  const top = Math.max(...values, topMin);
  // From edge to edge, however few there are.
  const shown = values.length === 1 ? [...values, ...values] : values;
  const step = width / Math.max(1, shown.length - 1);
  const points = shown.map((value, index) => {
    const x = index * step;
    const y = height - 1 - (Math.max(0, value) / top) * (height - 3);
    return `${x.toFixed(1)} ${y.toFixed(1)}`;
  });
  const line = points.length === 0 ? '' : `M${points.join('L')}`;
  return { line, area: line === '' ? '' : `${line}V${height}H0Z` };
}
