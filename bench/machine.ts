/** The machine and the code that are measured. */
import { execFile } from 'node:child_process';
import { cpus, release, totalmem } from 'node:os';
import { promisify } from 'node:util';
import { root } from './root.ts';

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGib: number;
  readonly kernel: string;
  readonly node: string;
  /** Of this repository; ends with `+` if something was not committed. */
  readonly commit: string;
}

export async function thisMachine(): Promise<Machine> {
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: cpus().length,
    memoryGib: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
    node: process.version,
    commit: await commit(),
  };
}

async function commit(): Promise<string> {
  try {
    const run = promisify(execFile);
    const { stdout: hash } = await run('git', ['rev-parse', '--short=12', 'HEAD'], { cwd: root });
    const { stdout: changes } = await run('git', ['status', '--porcelain', '--untracked-files=no'], {
      cwd: root,
    });
    return `${hash.trim()}${changes === '' ? '' : '+'}`;
  } catch {
    return 'unknown'; // no git, or not a clone
  }
}
