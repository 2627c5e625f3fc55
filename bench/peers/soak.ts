/**
 * The subcommand `soak`: a mixed load with churn for a long time against this broker. All is well if nothing
 * was lost, doubled or out of order, and its memory stayed flat once it was warm.
 */
import type { CommandLine } from '../command-line.ts';
import { compileGenerator, type Sample } from '../load/generator.ts';
import { soakOf } from '../load/scenarios.ts';
import { clear, say, showStep, table } from '../progress.ts';
import { headerOf, resultsFolder, writeResult } from '../results.ts';
import { play } from './interleave.ts';
import { rallymq } from './rallymq.ts';
import { flagsOf, profileOf } from './run.ts';
import { soakFaults, soakRows } from './soak-verdict.ts';

const bytesPerMb = 1_024 * 1_024;

export async function runSoak(command: CommandLine): Promise<boolean> {
  const scenario = soakOf(command.minutes, command.rate);
  const peer = rallymq(command.workers[0] ?? 1);
  const generator = await compileGenerator();
  const header = await headerOf(command.typed, profileOf(command));
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
    const faults = soakFaults({ result, samples });
    say(table(soakRows({ result, samples }).map(([title, figure]) => [`  ${title}`, figure])));
    for (const fault of faults) say(`  not as it should be: ${fault}`);
    say(`Written to ${path}`);
    return faults.length === 0;
  } finally {
    await running.stop();
  }
}
