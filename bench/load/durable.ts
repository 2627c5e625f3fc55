/**
 * `npm run bench -- load --only durable`: the cost of durability. The same loads, with sessions that outlive
 * their connections, are played against this broker in memory and with a data directory (fsync), in turn. The
 * result is the ratio of each pair of rounds, and the duration of a sync on this disk.
 */
import { closeSync, fdatasyncSync, openSync, writeSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CommandLine } from '../command-line.ts';
import { interleave } from '../peers/interleave.ts';
import { ours } from '../peers/peer.ts';
import { rallymq, rallymqWith } from '../peers/rallymq.ts';
import { flagsOf, profileOf } from '../peers/run.ts';
import { clear, say, showStep, table } from '../progress.ts';
import type { Played } from '../results.ts';
import { medianOf } from '../statistics.ts';
import { compileGenerator } from './generator.ts';
import { cpuPerDelivery, last, rateOf } from './metrics.ts';
import { durableScenarios } from './scenarios.ts';

const withDisk = `${ours}-durable`;
const syncs = 200;

export async function runDurable(command: CommandLine): Promise<boolean> {
  const folder = await mkdtemp(join(tmpdir(), 'rallymq-bench-'));
  try {
    const scenarios = durableScenarios(profileOf(command));
    const rounds = command.rounds ?? (command.full ? 9 : 3);
    const data = join(folder, 'data');
    say(`A write of 4 KiB and its fdatasync here: ${syncMicroseconds(join(folder, 'probe'))} us (median)`);
    const played = await interleave({
      generator: await compileGenerator(),
      scenarios,
      peers: [rallymq(1), rallymqWith(withDisk, ['--data', data], 'kept with fsync')],
      rounds,
      flags: flagsOf(command),
      onStart: ({ name }, peer, round) => showStep(`${name}: ${peer.name}, round ${round + 1} of ${rounds}`),
    });
    clear();
    const head = ['', 'in memory', 'kept', 'ratio of deliveries a second', 'of CPU for each'];
    say(table([head, ...scenarios.map(({ name }) => rowOf(played, name))]));
    for (const { scenario, peer, error } of played)
      if (error !== undefined) say(`${scenario}: ${peer}: ${error}`);
    return played.every(({ error }) => error === undefined);
  } finally {
    await rm(folder, { recursive: true });
  }
}

function syncMicroseconds(path: string): number {
  const file = openSync(path, 'w');
  const page = Buffer.alloc(4_096, 1);
  const each: number[] = [];
  for (let at = 0; at < syncs; at++) writeSync(file, page, 0, page.length, at * page.length);
  for (let at = 0; at < syncs; at++) {
    const beforeMs = performance.now();
    writeSync(file, page, 0, page.length, at * page.length);
    fdatasyncSync(file);
    each.push((performance.now() - beforeMs) * 1_000);
  }
  closeSync(file);
  return Math.round(medianOf(each) ?? 0);
}

function rowOf(played: readonly Played[], scenario: string): string[] {
  const of = (name: string) => played.filter((each) => each.scenario === scenario && each.peer === name);
  const figures = (name: string, figureOf: (entry: Played) => number | undefined) =>
    of(name).flatMap((entry) => figureOf(entry) ?? []);
  const ratio = (figureOf: (entry: Played) => number | undefined): string => {
    const each = of(withDisk).flatMap((entry) => {
      const pair = of(ours).find(({ round }) => round === entry.round);
      const [figure, before] = [figureOf(entry), pair && figureOf(pair)];
      return figure === undefined || !before ? [] : [figure / before];
    });
    const median = medianOf(each);
    return median === undefined
      ? '-'
      : `${median.toFixed(2)} (${Math.min(...each).toFixed(2)} to ${Math.max(...each).toFixed(2)})`;
  };
  const delivered = ({ result }: Played) => result && rateOf(last(result));
  const cpu = ({ result }: Played) => result && cpuPerDelivery(last(result));
  const shown = (name: string): string => {
    const median = medianOf(figures(name, delivered));
    return median === undefined ? '-' : Math.round(median).toLocaleString('en');
  };
  return [scenario, shown(ours), shown(withDisk), ratio(delivered), ratio(cpu)];
}
