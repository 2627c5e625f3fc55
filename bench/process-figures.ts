/** What a process has used, as /proc shows it. */
import { readFile } from 'node:fs/promises';

/** USER_HZ of Linux. */
const ticksPerSecond = 100;

/** In user and system mode, of all its threads. */
export async function cpuSecondsOf(pid: number): Promise<number> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8');
  // Behind the name, which may have spaces: state, parent and so on; the 12th and 13th are user and system time.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
}

/** What is resident, in MiB. */
export async function memoryMbOf(pid: number): Promise<number> {
  const [, kilobytes] = /^VmRSS:\s+(\d+)/m.exec(await readFile(`/proc/${pid}/status`, 'utf8')) ?? [];
  return Math.round(Number(kilobytes) / 1_024);
}
