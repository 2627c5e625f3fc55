/** The command `npm run attack`. */
import { parseArgs } from 'node:util';
import type { Attack, AttackResult } from './attack.ts';
import { attacks } from './attacks.ts';
import { play } from './play.ts';
import { lineOf, writeDocument } from './report.ts';

const usage = `Usage: npm run attack -- [flags]

Attacks brokers of its own on loopback, one bound after the other, with a well-behaved client beside each attack, and
says whether what the bound promises holds. Takes some minutes; ends with status 1 if anything does not hold.

  --only NAMES   these attacks, separated by commas
  --list         shows their names, and ends
  --short        as in the test run: without the canary, and without attacks that count on a machine that is free
  --json         prints the results as JSON
  --docs         writes them into docs/attacks.md
  -h, --help     shows this text
`;

const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    list: { type: 'boolean', default: false },
    short: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    docs: { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h', default: false },
  },
});

if (values.help) console.log(usage);
else if (values.list) for (const { name } of attacks) console.log(name);
else await run(chosen());

function chosen(): readonly Attack[] {
  const names = values.only?.split(',');
  const strange = names?.find((name) => !attacks.some((attack) => attack.name === name));
  if (strange !== undefined) fail(`there is no ${strange}; --list shows what there is`);
  if (values.docs && names !== undefined) fail('--docs writes what all attacks have shown');
  return attacks.filter(({ name, isPaced = false }) => names?.includes(name) ?? !(values.short && isPaced));
}

async function run(all: readonly Attack[]): Promise<void> {
  const results: AttackResult[] = [];
  for (const [index, attack] of all.entries()) {
    showProgress(`${index + 1} of ${all.length}: ${attack.name}`);
    const result = await play(attack, { hasCanary: !values.short });
    results.push(result);
    showProgress('');
    if (!values.json) console.log(lineOf(result));
  }
  const failed = results.filter(({ faults }) => faults.length > 0);
  if (values.docs) writeDocument(results);
  if (values.json) console.log(JSON.stringify(results, undefined, 2));
  else console.log(`${results.length - failed.length} of ${results.length} held`);
  process.exitCode = failed.length > 0 ? 1 : 0;
}

/** On a terminal, in place of what stood there. */
function showProgress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`);
}

function fail(why: string): never {
  console.error(`attack: ${why}`);
  process.exit(2);
}
