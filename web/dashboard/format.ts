/** Figures in human-readable form. */
import { numberFormat } from '../shared/dom.ts';

const compact = new Intl.NumberFormat(undefined, { notation: 'compact', maximumFractionDigits: 1 });
const units = ['B', 'KB', 'MB', 'GB', 'TB'];

export function shownCount(value: number): string {
  return value < 10_000 ? numberFormat.format(Math.round(value)) : compact.format(value);
}

/** Small rates keep one decimal place. */
export function shownRate(value: number): string {
  return value > 0 && value < 10 ? value.toFixed(1) : shownCount(value);
}

export function shownBytes(bytes: number): string {
  const power = Math.min(units.length - 1, Math.floor(Math.log10(Math.max(1, bytes)) / 3));
  const value = bytes / 1_000 ** power;
  return `${value < 10 && power > 0 ? value.toFixed(1) : Math.round(value)} ${units[power]}`;
}

export function shownDuration(seconds: number): string {
  const parts: [number, string][] = [
    [Math.floor(seconds / 86_400), 'd'],
    [Math.floor(seconds / 3_600) % 24, 'h'],
    [Math.floor(seconds / 60) % 60, 'min'],
    [Math.floor(seconds) % 60, 's'],
  ];
  const first = parts.findIndex(([value]) => value > 0);
  if (first < 0) return '0 s';
  return parts
    .slice(first, first + 2)
    .filter(([value]) => value > 0)
    .map(([value, unit]) => `${value} ${unit}`)
    .join(' ');
}

const timeOfDay = new Intl.DateTimeFormat(undefined, {
  hour: 'numeric',
  minute: '2-digit',
  second: '2-digit',
});

const dayAndTime = new Intl.DateTimeFormat(undefined, {
  month: 'short',
  day: 'numeric',
  hour: 'numeric',
  minute: '2-digit',
  second: '2-digit',
});

/** With the day if that is not today. */
export function shownTime(iso: string): string {
  const time = new Date(iso);
  const isToday = time.toDateString() === new Date().toDateString();
  return (isToday ? timeOfDay : dayAndTime).format(time);
}

/** Time elapsed since. */
export function shownAge(iso: string): string {
  return shownDuration(Math.max(0, (Date.now() - Date.parse(iso)) / 1_000));
}
