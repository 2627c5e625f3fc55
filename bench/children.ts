/** The processes started by the suite, which all end with it. */
import type { ChildProcess } from 'node:child_process';

const children = new Set<ChildProcess>();

export function endWithUs(child: ChildProcess): void {
  children.add(child);
  child.once('exit', () => children.delete(child));
}

process.once('exit', () => {
  for (const child of children) child.kill('SIGKILL');
});
