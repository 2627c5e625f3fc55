/** Runs native.cpp, the rivals that are the data plane's own headers. */
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { compile } from '../load/compile.ts';
import { nativeInputs } from './groups.ts';

export interface NativeOutcome {
  readonly group: string;
  readonly name: string;
  readonly perSecond: number;
  readonly found: number;
}

/** Each case for `ms` milliseconds; 0: once. */
export async function runNative(ms: number): Promise<readonly NativeOutcome[]> {
  const program = await compile({ name: 'micro', main: 'bench/micro/native.cpp', includes: ['native'] });
  const folder = await mkdtemp(join(tmpdir(), 'bench-micro-'));
  try {
    for (const [name, bytes] of Object.entries(nativeInputs)) await writeFile(join(folder, name), bytes);
    const { stdout } = await promisify(execFile)(program, [folder, `${ms}`]);
    return stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as NativeOutcome);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
