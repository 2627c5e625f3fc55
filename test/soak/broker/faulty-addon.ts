/**
 * The addon with faults built in (native/faults/), compiled beside the one that is shipped, when first asked for:
 * the same Makefile, another folder, one definition more, and optimised less, since that compiles faster.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';
import type { FaultyAddon } from './broker-process.ts';

const root = resolve(import.meta.dirname, '../../../..'); // from dist/test/soak/broker
const folder = 'Faults';

let built: Promise<void> | undefined;

export async function faultyAddon(environment: Readonly<Record<string, string>>): Promise<FaultyAddon> {
  built ??= build();
  await built;
  return { path: resolve(root, 'build', folder, 'rallymq.node'), environment };
}

async function build(): Promise<void> {
  const make = ['make', '-s', '-C', 'build', `builddir=${folder}`, 'CXXFLAGS=-DRALLYMQ_FAULTS -O1'];
  // Several test files begin with this at once: one builds, the others find it built.
  const building = spawn('flock', ['build/Faults.lock', ...make], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [building.stdout, building.stderr]) stream.on('data', (chunk) => (output += chunk));
  const [status] = await once(building, 'close');
  if (status !== 0) throw new Error(`the addon with faults does not build:\n${output}`);
}
