/** The command `npm run soak`. */
import { parseArgs } from 'node:util';
import { faultsOf, loseNetwork } from './lost.ts';
import { hunt, mutants, playSound } from './mutants.ts';
import { lineOf } from './report.ts';
import { soak } from './soak.ts';
import { isSwitch, knownBroken, type Switch, switches, switchesOf } from './switches.ts';

const usage = `Usage: npm run soak -- [flags]

Drives brokers with clients that do all that clients may do, and checks what comes of it against a model.

  --minutes N       for how long (default 2)
  --seed S          of the first round; each further one has the next (default: the clock)
  --workers LIST    numbers of worker threads, in turns (default 1,2,4)
  --rounds N        no more rounds than these
  --seconds N       of actions in each round (default 6)
  --without NAMES   leaves these out, separated by commas
  --with NAMES      takes these in, which are left out because they are known to be broken
  --mutants         shows that faults which are built in on purpose are found
  --lost N          instead: N clients with wills, or as many as there can be, are lost at once
  -h, --help        show this text

What can be left out:
${Object.entries(switches)
  .map(([name, what]) => `  ${name.padEnd(15)} ${what}`)
  .join('\n')}

Left out unless asked for: ${Object.keys(knownBroken).join(', ') || 'nothing'}
`;

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '2' },
    seed: { type: 'string' },
    workers: { type: 'string', default: '1,2,4' },
    rounds: { type: 'string' },
    seconds: { type: 'string', default: '6' },
    without: { type: 'string', default: '' },
    with: { type: 'string', default: '' },
    mutants: { type: 'boolean', default: false },
    lost: { type: 'string' },
    help: { type: 'boolean', short: 'h', default: false },
  },
});

if (values.help) console.log(usage);
else if (values.mutants) await runMutants();
else if (values.lost !== undefined) await runLoss(number(values.lost, 'lost'));
else await run();

function seedOf(): number {
  return values.seed === undefined ? Date.now() % 1_000_000_007 : number(values.seed, 'seed');
}

async function runMutants(): Promise<void> {
  const say = (line: string): void => console.log(line);
  let isSound = true;
  for (const workers of [1, 2]) {
    const result = await playSound(workers, seedOf());
    say(`no fault: ${lineOf(result)}`);
    isSound &&= result.model.broken.size === 0;
  }
  for (const mutant of mutants) {
    const { result } = await hunt(mutant, seedOf(), say);
    isSound &&= result !== undefined;
  }
  say(isSound ? 'All mutants were found, and nothing else.' : 'Not as it should be.');
  process.exitCode = isSound ? 0 : 1;
}

async function runLoss(clients: number): Promise<void> {
  for (const workers of workerCounts()) {
    const loss = await loseNetwork({ clients, workers });
    const faults = faultsOf(loss);
    const few = loss.clients < clients ? `, as many as a process may have open here, of ${clients}` : '';
    console.log(
      `${loss.clients} clients are lost at once${few}, workers ${workers}: ` +
        `${loss.topics.length} wills in ${Math.round(loss.tookMs)} ms, ${faults.join(', ') || 'ok'}`,
    );
    if (faults.length > 0) process.exitCode = 1;
  }
}

function workerCounts(): number[] {
  return values.workers.split(',').map((count) => number(count, 'workers'));
}

async function run(): Promise<void> {
  const result = await soak({
    seed: seedOf(),
    minutes: number(values.minutes, 'minutes'),
    rounds: values.rounds === undefined ? Number.POSITIVE_INFINITY : number(values.rounds, 'rounds'),
    workers: workerCounts(),
    secondsPerRound: number(values.seconds, 'seconds'),
    switches: switchesOf(names(values.with), names(values.without)),
    say: (line) => console.log(line),
  });
  const { rounds, failed, delivered } = result;
  console.log(`${rounds} rounds, ${delivered} deliveries, ${failed.length} rounds with faults`);
  for (const { plan } of failed) console.log(`  seed ${plan.seed} with ${plan.workers} workers`);
  process.exitCode = failed.length > 0 ? 1 : 0;
}

function number(text: string, flag: string): number {
  const value = Number(text);
  if (text !== '' && Number.isFinite(value) && value >= 0) return value;
  return fail(`--${flag} takes a number, not ${text}`);
}

function names(text: string): Switch[] {
  const all = text.split(',').filter((name) => name !== '');
  const strange = all.find((name) => !isSwitch(name));
  if (strange !== undefined) fail(`there is no ${strange}; --help lists what there is`);
  return all.filter(isSwitch);
}

function fail(why: string): never {
  console.error(`soak: ${why}`);
  process.exit(2);
}
