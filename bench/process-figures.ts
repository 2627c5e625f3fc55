/** The resources used by a process, from /proc. */
import { readFile } from 'node:fs/promises';

/** USER_HZ of Linux. */
const ticksPerSecond = 100;

/** In user and system mode, of all its threads. */
export async function cpuSecondsOf(pid: number): Promise<number> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8');
  // After the name, which may contain spaces: state, parent and so on;
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
}

/** What is resident, in MiB. */
export async function memoryMbOf(pid: number): Promise<number> {
  const [, kilobytes] = /^VmRSS:\s+(\d+)/m.exec(await readFile(`/proc/${pid}/status`, 'utf8')) ?? [];
  return Math.round(Number(kilobytes) / 1_024);
}
