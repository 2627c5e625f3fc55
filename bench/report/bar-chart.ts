/**
 * Horizontal bars in groups. Each group has its own scale, since scenarios differ by orders of magnitude: a
 * bar is as long as its share of the longest in its group, followed by its value.
 */
import { shortNumber } from '../progress.ts';
import { element, picture, seriesClass } from './svg.ts';

export interface BarGroup {
  readonly label: string;
  /** One for each series; undefined: not measured. */
  readonly values: readonly (number | undefined)[];
}

export interface BarChart {
  readonly title: string;
  readonly unit: string;
  readonly series: readonly string[];
  readonly groups: readonly BarGroup[];
}

const width = 760;
const labelWidth = 170;
const valueWidth = 110;
const barHeight = 14;
const groupGap = 12;
const top = 62;
const padding = 16;

export function barChart({ title, unit, series, groups }: BarChart): string {
  const groupHeight = series.length * barHeight + groupGap;
  const height = top + groups.length * groupHeight + padding;
  const content = [
    element('text', { x: padding, y: 26, class: 'title' }, unit === '' ? title : `${title} (${unit})`),
    ...legend(series),
    ...groups.flatMap((group, index) => bars(group, top + index * groupHeight, series.length)),
  ];
  return picture(width, height, title, content);
}

function legend(series: readonly string[]): string[] {
  let x = padding;
  return series.flatMap((name, index) => {
    const at = x;
    x += 30 + name.length * 7.5;
    return [
      element('rect', { x: at, y: 38, width: 10, height: 10, class: seriesClass(index) }),
      element('text', { x: at + 15, y: 47, class: 'quiet' }, name),
    ];
  });
}

function bars({ label, values }: BarGroup, y: number, count: number): string[] {
  const longest = Math.max(...values.map((value) => value ?? 0));
  const room = width - labelWidth - valueWidth - padding;
  const middle = y + (count * barHeight) / 2 + 4;
  return [
    element('text', { x: labelWidth - 8, y: middle, class: 'end' }, label),
    ...values.flatMap((value, index) => {
      const top = y + index * barHeight;
      const text = { x: labelWidth + 6, y: top + 11, class: 'quiet' };
      if (value === undefined) return [element('text', text, 'not possible')];
      const length = longest > 0 ? (room * value) / longest : 0;
      const bar = {
        x: labelWidth,
        y: top + 1,
        width: Math.max(1, length),
        height: barHeight - 2,
        class: seriesClass(index),
      };
      return [
        element('rect', bar),
        element('text', { ...text, x: labelWidth + length + 6 }, shortNumber(value)),
      ];
    }),
  ];
}
