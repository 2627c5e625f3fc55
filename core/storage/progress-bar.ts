/** A progress bar on the terminal; nothing if standard error is not a terminal. */
import { stderr } from 'node:process';

const everyMs = 200;
const barColumns = 40;

/** `percent` is called repeatedly. Returns a function that removes the bar. */
export function showProgress(what: string, percent: () => number): () => void {
  if (!stderr.isTTY) return () => undefined;
  const timer = setInterval(() => stderr.write(`\r${progressLine(what, percent())}`), everyMs);
  return () => {
    clearInterval(timer);
    stderr.write('\r\x1b[K');
  };
}

export function progressLine(what: string, percent: number): string {
  const full = Math.round((percent * barColumns) / 100);
  return `${what} [${'#'.repeat(full)}${'.'.repeat(barColumns - full)}] ${`${percent}`.padStart(3)} %`;
}
