/**
 * The subcommand `soak`: a mixed load with churn for a long time against this broker. All is well if nothing
 * was lost, doubled or out of order, and its memory stayed flat once it was warm.
 */
import type { CommandLine } from '../command-line.ts';
import { compileGenerator, type Sample } from '../load/generator.ts';
import { faultsOf } from '../load/metrics.ts';
import { soakOf } from '../load/scenarios.ts';
import { clear, say, shortNumber, showStep } from '../progress.ts';
import { headerOf, resultsFolder, writeResult } from '../results.ts';
import { spreadOf } from '../statistics.ts';
import { play } from './interleave.ts';
import { rallymq } from './rallymq.ts';
import { flagsOf } from './run.ts';

/** Its memory may grow by so much after the first quarter: what sessions of churning clients come to. */
const growthBytesMax = 8 * 1_024 * 1_024;
const bytesPerMb = 1_024 * 1_024;

export async function runSoak(command: CommandLine): Promise<boolean> {
  const scenario = soakOf(command.minutes, command.rate);
  const peer = rallymq(command.workers[0] ?? 1);
  const generator = await compileGenerator();
  const header = await headerOf(command.typed, command.full ? 'full' : 'quick');
  say(`${scenario.title}, ${command.rate} messages a second`);
  const samples: Sample[] = [];
  const running = await peer.start();
  try {
    const result = await play(generator, scenario, running, flagsOf(command), (sample) => {
      samples.push(sample);
      const { seconds, delivered, brokerBytes } = sample;
      showStep(
        `${Math.round(seconds)} s: ${delivered.toLocaleString('en')} delivered, ${Math.round(brokerBytes / bytesPerMb)} MB`,
      );
    });
    clear();
    const path = await writeResult(resultsFolder, 'soak', {
      ...header,
      peer: peer.name,
      scenario,
      result,
      samples,
    });
    const [stage] = result.stages;
    const growth = memoryGrowth(samples);
    const faults = faultsOf(result);
    say(`  delivered          ${(stage?.delivered ?? 0).toLocaleString('en')}`);
    say(`  reconnects         ${(stage?.reconnects ?? 0).toLocaleString('en')}`);
    say(`  latency p99        ${shortNumber((stage?.latencyNs?.p99 ?? 0) / 1e6)} ms`);
    say(
      `  memory grew by     ${growth === undefined ? '-' : shortNumber(growth / bytesPerMb)} MB after the first quarter`,
    );
    say(`  faults             ${faults || 'none'}${result.firstFault ? ` (${result.firstFault})` : ''}`);
    say(`Written to ${path}`);
    return faults === '' && (growth ?? 0) <= growthBytesMax;
  } finally {
    await running.stop();
  }
}

/** By how many bytes the median of the last quarter is above that of the second; nothing of too few samples. */
export function memoryGrowth(samples: readonly Sample[]): number | undefined {
  const quarter = Math.floor(samples.length / 4);
  const medianOf = (part: readonly Sample[]): number | undefined =>
    spreadOf(part.map(({ brokerBytes }) => brokerBytes))?.median;
  const early = medianOf(samples.slice(quarter, 2 * quarter));
  const late = medianOf(samples.slice(samples.length - quarter));
  return early === undefined || late === undefined ? undefined : late - early;
}
