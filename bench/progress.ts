/** What the suite shows while it runs: lines, and on a terminal the current step below them. */
import { stderr, stdout } from 'node:process';

let isShowing = false;

/** A line that stays. */
export function say(line: string): void {
  clear();
  stdout.write(`${line}\n`);
}

/** The current step; on a terminal it is shown until the next one. */
export function showStep(step: string): void {
  if (!stderr.isTTY) return;
  clear();
  stderr.write(step.slice(0, Math.max(20, (stderr.columns || 80) - 1)));
  isShowing = true;
}

export function clear(): void {
  if (!isShowing) return;
  stderr.write('\r\x1b[K');
  isShowing = false;
}

/** Columns of text: the first to the left, the others to the right. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [column, cell] of row.entries()) widths[column] = Math.max(widths[column] ?? 0, cell.length);
  }
  const lines = rows.map((row) =>
    row
      .map((cell, column) =>
        column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0),
      )
      .join('  ')
      .trimEnd(),
  );
  return lines.join('\n');
}

/** With three significant digits and separators: 1,230,000, 12.3, 0.0123. */
export function shortNumber(value: number): string {
  if (value === 0 || !Number.isFinite(value)) return `${value}`;
  const digits = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value))));
  const rounded = Number(value.toPrecision(3));
  return rounded.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits });
}
