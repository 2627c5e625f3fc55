/** One or more lines over a common axis, such as memory over time. */
import { shortNumber } from '../progress.ts';
import { element, picture, seriesClass } from './svg.ts';

export interface Line {
  readonly name: string;
  readonly points: readonly (readonly [x: number, y: number])[];
}

export interface LineChart {
  readonly title: string;
  readonly xTitle: string;
  readonly yTitle: string;
  readonly lines: readonly Line[];
}

const width = 760;
const height = 300;
const area = { left: 70, right: width - 20, top: 50, bottom: height - 44 };

/** The y axis begins at 0, so that what looks flat is flat. */
export function lineChart({ title, xTitle, yTitle, lines }: LineChart): string {
  const points = lines.flatMap((line) => line.points);
  const xMax = Math.max(1, ...points.map(([x]) => x));
  const yMax = roundUp(Math.max(...points.map(([, y]) => y), 0));
  const toX = (x: number): number => area.left + ((area.right - area.left) * x) / xMax;
  const toY = (y: number): number => area.bottom - ((area.bottom - area.top) * y) / yMax;
  const content = [
    element('text', { x: 16, y: 26, class: 'title' }, title),
    ...yAxis(yMax, toY),
    element('text', { x: area.left, y: height - 12, class: 'quiet' }, '0'),
    element('text', { x: area.right, y: height - 12, class: 'quiet end' }, `${shortNumber(xMax)} ${xTitle}`),
    element('text', { x: area.right, y: 26, class: 'quiet end' }, yTitle),
    ...lines.flatMap((line, index) => {
      const path = line.points.map(([x, y]) => `${toX(x).toFixed(1)},${toY(y).toFixed(1)}`).join(' ');
      return [
        element('polyline', { points: path, class: seriesClass(index).replace('series', 'stroke') }),
        element(
          'text',
          { x: area.left + 8 + index * 130, y: area.top - 8, class: seriesClass(index) },
          line.name,
        ),
      ];
    }),
  ];
  return picture(width, height, title, content);
}

function yAxis(yMax: number, toY: (y: number) => number): string[] {
  return [0, 0.25, 0.5, 0.75, 1].flatMap((share) => {
    const y = toY(share * yMax);
    return [
      element('line', { x1: area.left, x2: area.right, y1: y, y2: y, class: 'line' }),
      element('text', { x: area.left - 8, y: y + 4, class: 'quiet end' }, shortNumber(share * yMax)),
    ];
  });
}

/** To a number that divides into four well. */
function roundUp(value: number): number {
  if (value <= 0) return 1;
  const unit = 10 ** Math.floor(Math.log10(value));
  const step = [1, 2, 4, 6, 8, 10].find((each) => each * unit >= value) ?? 10;
  return step * unit;
}
