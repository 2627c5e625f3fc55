/**
 * The log line in text form: `2026-11-28T16:00:00.000Z warn  a connection was refused  clientId=eve
 * reason="bad user"`. An error is followed by its stack. Text from a client cannot start a line of its own.
 */
import { pino } from 'pino';

/** `json`: a line as pino writes it. */
export function textLine(json: string): string {
  const { time, level, msg = '', err, ...fields } = JSON.parse(json) as Readonly<Record<string, unknown>>;
  const shown = Object.entries(fields).map(([name, value]) => `${name}=${shownValue(value)}`);
  const head = [
    new Date(Number(time)).toISOString(),
    `${pino.levels.labels[Number(level)] ?? level}`.padEnd(5),
    [printable(`${msg}`), ...shown].join('  ').trim(),
  ].join(' ');
  return `${head}\n${err === undefined ? '' : stackOf(err)}`;
}

function shownValue(value: unknown): string {
  if (typeof value === 'string' && /^[\w./:@#+-]+$/.test(value)) return value;
  return printable(JSON.stringify(value));
}

function stackOf(err: unknown): string {
  const { stack, message } = err as { readonly stack?: unknown; readonly message?: unknown };
  const lines = `${stack ?? message ?? JSON.stringify(err)}`.split('\n');
  return lines.map((line) => `    ${printable(line.trim())}\n`).join('');
}

/** Control characters could move the cursor of a terminal. */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, (character) => {
    const code = character.codePointAt(0) ?? 0;
    return `\\u${code.toString(16).padStart(4, '0')}`;
  });
}
