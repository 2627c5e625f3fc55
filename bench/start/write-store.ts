/**
 * Stores for benchmarks, written in the form in which a broker would have written them
 * (bench/start/store.cpp).
 */
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { compile } from '../load/compile.ts';
import { root } from '../root.ts';

export interface StoreSize {
  /** Each with a subscription of its own. */
  readonly sessions: number;
  /** In all. */
  readonly messages: number;
  readonly payloadBytes: number;
}

/**
 * A folder for a benchmark, next to the sources, since the system's folder for temporary files may be in
 * memory.
 */
export async function benchFolder(name: string): Promise<string> {
  await mkdir(join(root, 'build', 'bench'), { recursive: true });
  return await mkdtemp(join(root, 'build', 'bench', `data-of-${name}-`));
}

export async function writeStore(
  folder: string,
  { sessions, messages, payloadBytes }: StoreSize,
): Promise<void> {
  const program = await compile({
    name: 'start',
    main: 'bench/start/store.cpp',
    linked: ['native/log'],
    includes: ['native'],
  });
  await promisify(execFile)(program, ['write', folder, `${sessions}`, `${messages}`, `${payloadBytes}`]);
}
