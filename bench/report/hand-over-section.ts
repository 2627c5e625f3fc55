/** The part of docs/benchmarks.md about several workers: what it costs to hand a message from one to another. */
import { handOverRows, memoryTrafficNote } from '../hand-over/figures.ts';
import { faultsOf } from '../load/metrics.ts';
import type { HandOverFile } from '../results.ts';
import { markdownTable, provenance } from './markdown.ts';
import type { Section } from './peers-section.ts';

const explanation = [
  'The same loads with several workers on the same cores, which they share with the load generator. The kernel assigns',
  'connections to workers, and a hash assigns topics: a message crosses a lane from its publisher to its',
  'owner if those are two workers, and another one from the owner to each other worker that has subscribers. *CPU of a',
  'crossing* is what a delivery costs more than with one worker, by the lanes that it crossed: writing and reading the',
  'record, keeping the message, waking the reader, and batches that are smaller because the work is divided. A *batch* is',
  'what one worker hands to another at once. The doorbell is rung only if the reader sleeps.',
].join('\n');

export function handOverSection(file: HandOverFile): Section {
  const head = ['', ...file.workers.map((count) => `${count} ${count === 1 ? 'worker' : 'workers'}`)];
  const parts = file.scenarios.map((scenario) =>
    [
      `### ${scenario.name}, by workers`,
      `${scenario.title}.`,
      markdownTable(head, handOverRows(file, scenario)),
    ].join('\n\n'),
  );
  const faults = file.played.flatMap(({ scenario, workers, result }) => {
    const said = faultsOf(result);
    return said === '' ? [] : [`- ${scenario} with ${workers} workers: ${said}`];
  });
  const notes = [memoryTrafficNote(file), faults.join('\n')].filter((each) => each !== '');
  return {
    markdown: ['## Several workers', provenance(file), explanation, ...parts, ...notes].join('\n\n'),
    plots: {},
  };
}
