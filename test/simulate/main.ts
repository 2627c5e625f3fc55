/**
 * The command `npm run simulate`: plays schedules of a simulated cluster, each from a seed of its own, and stops at the
 * first that fails, with the seed. Exit status: 0 if all went well, 1 if one failed, 2 if it was started in a wrong way.
 */
import { parseArgs } from 'node:util';
import { playSchedule, type ScheduleName, schedules } from '../support/cluster/schedules.ts';
import { refuse, wholeNumber } from '../support/flags.ts';

const usage = `Usage: npm run simulate -- [flags]

Plays schedules of a simulated cluster: ${Object.keys(schedules).join(', ')}, in turns.

  --count N          how many (default 10000)
  --seed S           the first seed (default: of the clock); each schedule has the next one
  --only NAMES       only these, separated by commas
  -h, --help         show this text
`;

const text = { type: 'string' } as const;

function isSchedule(name: string): name is ScheduleName {
  return Object.hasOwn(schedules, name);
}

const { values } = parseArgs({
  options: { count: text, seed: text, only: text, help: { type: 'boolean', short: 'h' } },
});
if (values.help === true) {
  process.stdout.write(usage);
  process.exit(0);
}
const count = wholeNumber('simulate', 'count', values.count ?? '10000');
const first = wholeNumber('simulate', 'seed', values.seed ?? `${Date.now() % 1_000_000_007}`);
const names = values.only?.split(',') ?? Object.keys(schedules);
const chosen = names.filter(isSchedule);
if (chosen.length < names.length || chosen.length === 0)
  refuse('simulate', '--only has a name that is none; see --help.');

const startMs = performance.now();
const played = new Map<ScheduleName, number>();
for (let number = 0; number < count; number++) {
  const name = chosen[number % chosen.length] ?? 'faults';
  try {
    playSchedule(name, first + number);
  } catch (error) {
    const again = `npm run simulate -- --only ${name} --count 1 --seed ${first + number}`;
    process.stdout.write(`${error instanceof Error ? error.message : error}\nor with ${again}\n`);
    process.exit(1);
  }
  played.set(name, (played.get(name) ?? 0) + 1);
}
const seconds = ((performance.now() - startMs) / 1_000).toFixed(0);
const shown = [...played].map(([name, times]) => `${times} ${name}`).join(', ');
process.stdout.write(
  `${count} schedules (${shown}) from seed ${first} in ${seconds} s: nothing was wrong.\n`,
);
