/**
 * The subcommand `hand-over`: the same load with 1, 2 and 4 workers, and the broker's counters of its lanes
 * during that. The kernel distributes the connections, and a hash the topics, so it is a matter of chance how
 * often publisher, owner and subscriber are on different workers; the counters show it.
 */
import { BenchError } from '../bench-error.ts';
import type { CommandLine } from '../command-line.ts';
import { compileGenerator } from '../load/generator.ts';
import { faultsOf } from '../load/metrics.ts';
import { type Scenario, scenariosOf } from '../load/scenarios.ts';
import { play, rotated } from '../peers/interleave.ts';
import type { RunningPeer } from '../peers/peer.ts';
import { rallymq } from '../peers/rallymq.ts';
import { flagsOf, profileOf, roundsOf } from '../peers/run.ts';
import { clear, say, showStep, table } from '../progress.ts';
import {
  type HandOverFile,
  type HandOverPlayed,
  headerOf,
  type LaneCounts,
  laneCounters,
  resultsFolder,
  writeResult,
} from '../results.ts';
import { handOverRows } from './figures.ts';
import { countMemoryTraffic, whyNoMemoryTraffic } from './memory-traffic.ts';

const handOverScenarios = ['p2p', 'p2p-1', 'fan-out', 'quiet'];
const workersPlayed = [1, 2, 4];

export async function runHandOver(command: CommandLine): Promise<boolean> {
  const profile = profileOf(command);
  const rounds = roundsOf(command);
  const wanted = command.only ?? handOverScenarios;
  const scenarios = scenariosOf(profile).filter(({ name }) => wanted.includes(name));
  const workers = command.workers.length > 1 ? command.workers : workersPlayed;
  const generator = await compileGenerator();
  const header = await headerOf(command.typed, profile);
  const noMemoryTraffic = await whyNoMemoryTraffic();
  say(`Hand-over: ${workers.join(', ')} workers; ${scenarios.length} scenarios, ${rounds} rounds`);
  const played: HandOverPlayed[] = [];
  for (const scenario of scenarios) {
    for (let round = 0; round < rounds; round++) {
      for (const count of rotated(workers, round)) {
        showStep(`${scenario.name}: ${count} workers, round ${round + 1} of ${rounds}`);
        played.push({
          workers: count,
          round,
          ...(await playOnce(generator, scenario, count, command, noMemoryTraffic === undefined)),
        });
      }
    }
  }
  clear();
  const file: HandOverFile = {
    ...header,
    scenarios,
    workers,
    rounds,
    played,
    ...(noMemoryTraffic === undefined ? {} : { noMemoryTraffic }),
  };
  for (const scenario of scenarios) {
    const head = ['', ...workers.map((count) => `${count} workers`)];
    const rows = handOverRows(file, scenario).map(([title, ...cells]) => [`  ${title}`, ...cells]);
    say(`\n${scenario.name}: ${scenario.title}\n${table([head, ...rows])}`);
  }
  say(`\nWritten to ${await writeResult(resultsFolder, 'handOver', file)}`);
  return played.every(({ result }) => faultsOf(result) === '');
}

async function playOnce(
  generator: string,
  scenario: Scenario,
  workers: number,
  command: CommandLine,
  countsMemoryTraffic: boolean,
): Promise<Pick<HandOverPlayed, 'scenario' | 'result' | 'lanes' | 'cacheMisses'>> {
  const running = await rallymq(workers).start();
  try {
    const before = await laneCountsOf(running);
    const stop = countsMemoryTraffic && running.pid ? await countMemoryTraffic(running.pid) : undefined;
    const result = await play(generator, scenario, running, flagsOf(command));
    const cacheMisses = await stop?.();
    const after = await laneCountsOf(running);
    const lanes = Object.fromEntries(laneCounters.map((name) => [name, after[name] - before[name]]));
    return {
      scenario: scenario.name,
      result,
      lanes: lanes as LaneCounts,
      ...(cacheMisses === undefined ? {} : { cacheMisses }),
    };
  } finally {
    await running.stop();
  }
}

async function laneCountsOf({ http }: RunningPeer): Promise<LaneCounts> {
  if (!http) throw new BenchError('The broker has no HTTP.');
  const response = await fetch(`http://${http.host}:${http.port}/api/statistics`);
  if (!response.ok) throw new BenchError(`/api/statistics answers with ${response.status}.`);
  return (await response.json()) as LaneCounts;
}
