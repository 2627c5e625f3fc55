/**
 * The subcommand `backup`: `rallymq store backup` of a store in use, and its effect on a client of the
 * broker. A store of 5 GB with --full. Checkpoints are off, since one would rewrite the store meanwhile.
 */
import { execFile } from 'node:child_process';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { CommandLine } from '../command-line.ts';
import { rallymqWith } from '../peers/rallymq.ts';
import { clear, say, showStep, table } from '../progress.ts';
import { root } from '../root.ts';
import { benchFolder, writeStore } from '../start/write-store.ts';
import { RoundTrips } from './round-trips.ts';

const payloadBytes = 1_024;
const restMs = 5_000;

export async function runBackup({ full }: CommandLine): Promise<boolean> {
  const messages = full ? 4_500_000 : 450_000;
  const folder = await benchFolder('backup');
  const data = join(folder, 'data');
  const config = join(folder, 'config.json');
  try {
    showStep(`a store of ${messages} messages of ${payloadBytes} bytes`);
    await writeStore(data, { sessions: 1_000, messages, payloadBytes });
    await writeFile(config, JSON.stringify({ limits: { checkpointBytesMin: 2 ** 40 } }));
    showStep('the broker starts');
    const broker = await rallymqWith('durable', ['--data', data, '--config', config], 'kept').start();
    const trips = await RoundTrips.start(broker.tcp?.port ?? 0);
    try {
      showStep('round trips at rest');
      await delay(restMs);
      const before = await trips.take();
      showStep('the backup');
      const startedAtMs = performance.now();
      const command = [join(root, 'dist', 'core', 'rallymq.js'), 'store', 'backup', join(folder, 'copy')];
      const { stdout } = await promisify(execFile)(process.execPath, [...command, '--data', data]);
      const seconds = (performance.now() - startedAtMs) / 1_000;
      const meanwhile = await trips.take();
      clear();
      say(stdout.trim().replace(folder, ''));
      say(
        table([
          ['', 'seconds', 'round trips', 'p50 ms', 'p99 ms', 'longest ms'],
          ['at rest', (restMs / 1_000).toFixed(1), ...before],
          ['during the backup', seconds.toFixed(2), ...meanwhile],
        ]),
      );
    } finally {
      trips.stop();
      await broker.stop();
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  return true;
}
