/** The subcommand `micro`: each rival of each group with the package benchmark, one after the other. */
import Benchmark from 'benchmark';
import type { CommandLine } from '../command-line.ts';
import { profileOf } from '../peers/run.ts';
import { clear, say, shortNumber, showStep, table } from '../progress.ts';
import { headerOf, type MicroCase, resultsFolder, writeResult } from '../results.ts';
import { laneGroup, type MicroGroup, type MicroRival, microGroups } from './groups.ts';
import { messagePortRate } from './lanes.ts';
import { runNative } from './native.ts';

export async function runMicro(command: CommandLine): Promise<boolean> {
  const seconds = command.seconds ?? (command.full ? 3 : 0.5);
  const header = await headerOf(command.typed, profileOf(command));
  say(`Micro benchmarks, ${seconds} s each`);
  const groups = microGroups();
  const cases: MicroCase[] = groups.flatMap((group) =>
    group.rivals.map((rival) => measure(group, rival, seconds)),
  );
  showStep('native');
  for (const { group, name, perSecond } of await runNative(seconds * 1_000)) {
    cases.push({ group, name, perSecond, isOurs: true });
  }
  showStep(laneGroup.title);
  for (const [name, batch] of [
    ['one by one', 1],
    ['batches of 128', 128],
  ] as const) {
    const perSecond = await messagePortRate(Math.round(seconds * 200_000), batch);
    cases.push({ group: laneGroup.name, name: `MessagePort, ${name}`, perSecond, isOurs: false });
  }
  clear();
  for (const group of [...groups, laneGroup]) say(`\n${groupTable(group, cases)}`);
  say(`\nWritten to ${await writeResult(resultsFolder, 'micro', { ...header, cases })}`);
  return true;
}

function measure(group: MicroGroup, rival: MicroRival, seconds: number): MicroCase {
  showStep(`${group.title}: ${rival.name}`);
  check(group, rival);
  const benchmark = new Benchmark(() => rival.run(), { minSamples: 5, maxTime: seconds });
  benchmark.run();
  return {
    group: group.name,
    name: rival.name,
    perSecond: benchmark.hz * (rival.operations ?? group.operations),
    errorPercent: benchmark.stats.rme,
    isOurs: rival.isOurs,
  };
}

/** Runs it once. Throws if it does not find what its group is about. */
export function check(group: MicroGroup, rival: Pick<MicroRival, 'name' | 'run'>): void {
  const found = rival.run();
  if (found !== group.expected) {
    throw new Error(`${group.name}: ${rival.name} gives ${found} in place of ${group.expected}`);
  }
}

function groupTable(
  group: Pick<MicroGroup, 'name' | 'title' | 'operation'>,
  cases: readonly MicroCase[],
): string {
  const own = cases.filter((each) => each.group === group.name).sort((a, b) => b.perSecond - a.perSecond);
  const slowest = own.at(-1)?.perSecond ?? 1;
  const rows = own.map(({ name, perSecond }) => [
    `  ${name}`,
    `${shortNumber(perSecond)} ${group.operation}/s`,
    `${shortNumber(perSecond / slowest)}×`,
  ]);
  return `${group.title}\n${table(rows)}`;
}
