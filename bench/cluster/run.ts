/** The subcommand `cluster`: what a cluster over NATS costs and how fast it heals, all on this machine. */
import { BenchError } from '../bench-error.ts';
import type { CommandLine } from '../command-line.ts';
import { compileGenerator } from '../load/generator.ts';
import { profileOf } from '../peers/run.ts';
import { clear, say, showStep, table } from '../progress.ts';
import { type ClusterCosts, type ClusterFigure, headerOf, resultsFolder, writeResult } from '../results.ts';
import { measurements } from './figures.ts';
import { sizesOf } from './loads.ts';
import { natsServer } from './nodes.ts';

export async function runCluster(command: CommandLine): Promise<boolean> {
  const { version } = natsServer();
  const { only } = command;
  const chosen = measurements.filter(({ name }) => only?.includes(name) ?? true);
  if (chosen.length === 0) {
    const names = measurements.map(({ name }) => name).join(', ');
    throw new BenchError(`There is no measurement ${only?.join(', ')} of cluster: ${names}.`);
  }
  const header = await headerOf(command.typed, profileOf(command));
  const generator = await compileGenerator();
  const sizes = sizesOf(command);
  say(`Cluster: nats-server ${version}; ${chosen.length} measurements`);
  const figures: ClusterFigure[] = [];
  let costs: ClusterCosts | undefined;
  for (const { name, measure } of chosen) {
    showStep(name);
    figures.push(
      ...(await measure(generator, sizes, (measured) => {
        costs = measured;
      })),
    );
  }
  clear();
  const rows = figures.map(({ title, value, goal, isMet, note }) => [
    title,
    value,
    goal,
    isMet ? 'met' : 'NOT met',
    note,
  ]);
  say(table([['', 'measured', 'goal', '', ''], ...rows]));
  say(
    `\nWritten to ${await writeResult(resultsFolder, 'cluster', { ...header, nats: version, figures, ...(costs && { costs }) })}`,
  );
  return true;
}
