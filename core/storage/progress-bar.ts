/** A bar on the terminal while something takes long; nothing where standard error is not one. */
import { stderr } from 'node:process';

const everyMs = 200;
const barColumns = 40;

/** `percent` is asked for again and again. Gives a function that takes the bar away. */
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
