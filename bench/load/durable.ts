/**
 * `npm run bench -- load --only durable`: the cost of durability. The same loads, with sessions that outlive
 * their connections, are played against this broker in memory and with a data directory (fsync), in turn. The
 * result is the ratio of each pair of rounds, and, with one message in flight, how long its PUBACK takes beside a sync
 * of this disk, which is measured before and after.
 *
 * Some of the cost is that of the disk: syncs take processor time, of which broker and load have too little. So the
 * loads are also played against the broker in memory while another program does nothing but write and sync.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { endWithUs } from '../children.ts';
import type { CommandLine } from '../command-line.ts';
import { interleave } from '../peers/interleave.ts';
import { ours } from '../peers/peer.ts';
import { rallymq, rallymqWith } from '../peers/rallymq.ts';
import { flagsOf, profileOf } from '../peers/run.ts';
import { clear, say, showStep, table } from '../progress.ts';
import type { Played } from '../results.ts';
import { medianOf } from '../statistics.ts';
import { compile } from './compile.ts';
import { compileGenerator } from './generator.ts';
import { cpuPerDelivery, last, rateOf } from './metrics.ts';
import { durableScenarios } from './scenarios.ts';

const withDisk = `${ours}-durable`;
const besideSyncs = `${ours}-beside-syncs`;
/** About the size of the log's writes with 200 messages in flight. */
const syncedBytes = 16_384;
const oneInFlight = 'durable-1';
const syncsMeasured = 1_000;

export async function runDurable(command: CommandLine): Promise<boolean> {
  const folder = await mkdtemp(join(tmpdir(), 'rallymq-bench-'));
  try {
    const scenarios = durableScenarios(profileOf(command));
    const rounds = command.rounds ?? (command.full ? 9 : 3);
    const data = join(folder, 'data');
    const syncsFile = join(folder, 'syncs');
    const syncing = await compile({
      name: 'syncs',
      main: 'bench/log/syncs.cpp',
      includes: ['bench/log', 'native/log'],
    });
    const before = await syncMicroseconds(syncing, syncsFile);
    let syncs: ChildProcess | undefined;
    const played = await interleave({
      generator: await compileGenerator(),
      scenarios,
      peers: [
        rallymq(1),
        rallymqWith(withDisk, ['--data', data], 'kept with fsync'),
        rallymqWith(besideSyncs, [], 'beside a program that only writes and syncs'),
      ],
      rounds,
      flags: flagsOf(command),
      onStart: ({ name }, peer, round) => {
        showStep(`${name}: ${peer.name}, round ${round + 1} of ${rounds}`);
        if (peer.name !== besideSyncs) return;
        syncs = spawn(syncing, [syncsFile, `${syncedBytes}`], { stdio: ['ignore', 'ignore', 'inherit'] });
        endWithUs(syncs);
      },
      onPlayed: () => void syncs?.kill('SIGKILL'),
    });
    clear();
    const head = ['', 'in memory', 'kept', 'ratio of deliveries a second', 'of CPU for each', 'beside syncs'];
    say(table([head, ...scenarios.map(({ name }) => rowOf(played, name))]));
    say(acknowledgementsOf(played, [before, await syncMicroseconds(syncing, syncsFile)]));
    for (const { scenario, peer, error } of played)
      if (error !== undefined) say(`${scenario}: ${peer}: ${error}`);
    return played.every(({ error }) => error === undefined);
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** How long a write of a page and its sync take (p50). */
async function syncMicroseconds(syncing: string, file: string): Promise<number> {
  const { stdout } = await promisify(execFile)(syncing, [file, '4096', `${syncsMeasured}`]);
  return Number(stdout);
}

/** How long a publisher with one message in flight waits for its PUBACK. */
function acknowledgementsOf(played: readonly Played[], syncMicros: readonly number[]): string {
  const of = (name: string): string => {
    const each = played.flatMap(({ scenario, peer, result }) => {
      const ns = result && last(result)?.acknowledgeNs?.p50;
      return scenario === oneInFlight && peer === name && ns !== undefined ? [ns / 1_000] : [];
    });
    return `${Math.round(medianOf(each) ?? Number.NaN)} us`;
  };
  return [
    `${oneInFlight}: PUBACK after ${of(ours)} in memory, ${of(withDisk)} kept (p50)`,
    `a write of 4 KiB and its fdatasync on this disk: ${syncMicros.join(' us before, ')} us after (p50)`,
  ].join('\n');
}

/** `beside syncs`: deliveries a second of the broker in memory, relative to those without the other program. */
function rowOf(played: readonly Played[], scenario: string): string[] {
  const of = (name: string) => played.filter((each) => each.scenario === scenario && each.peer === name);
  const figures = (name: string, figureOf: (entry: Played) => number | undefined) =>
    of(name).flatMap((entry) => figureOf(entry) ?? []);
  const ratio = (figureOf: (entry: Played) => number | undefined, name = withDisk): string => {
    const each = of(name).flatMap((entry) => {
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
  return [
    scenario,
    shown(ours),
    shown(withDisk),
    ratio(delivered),
    ratio(cpu),
    ratio(delivered, besideSyncs),
  ];
}
