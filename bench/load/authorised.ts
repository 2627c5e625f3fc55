/**
 * `npm run bench -- load --only authorised`: the cost of access rules. The same loads are played against this
 * broker without rules and with 10,000 rules for 1,000 users, in turn; the result is the ratio of each pair
 * of rounds.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CommandLine } from '../command-line.ts';
import { interleave } from '../peers/interleave.ts';
import { ours } from '../peers/peer.ts';
import { rallymq, rallymqWith } from '../peers/rallymq.ts';
import { flagsOf, profileOf } from '../peers/run.ts';
import { clear, say, showStep, table } from '../progress.ts';
import type { Played } from '../results.ts';
import { medianOf } from '../statistics.ts';
import { compileGenerator } from './generator.ts';
import { manyRules, ruleCount, userCount } from './many-rules.ts';
import { cpuPerDelivery, last, rateOf } from './metrics.ts';
import { scenariosOf } from './scenarios.ts';

const withRules = `${ours}-rules`;
const names = ['p2p', 'fan-out', 'fan-in'];

export async function runAuthorised(command: CommandLine): Promise<boolean> {
  const folder = await mkdtemp(join(tmpdir(), 'rallymq-bench-'));
  try {
    const path = join(folder, 'rules.json');
    await writeFile(path, JSON.stringify(manyRules()));
    const rounds = command.rounds ?? (command.full ? 15 : 5);
    const played = await interleave({
      generator: await compileGenerator(),
      scenarios: scenariosOf(profileOf(command)).filter(({ name }) => names.includes(name)),
      peers: [
        rallymq(1),
        rallymqWith(withRules, ['--rules', path], `${ruleCount} rules for ${userCount} users`),
      ],
      rounds,
      flags: flagsOf(command),
      onStart: ({ name }, peer, round) => showStep(`${name}: ${peer.name}, round ${round + 1} of ${rounds}`),
    });
    clear();
    say(table([['', 'deliveries a second', 'CPU for each'], ...names.map((name) => rowOf(played, name))]));
    return played.every(({ error }) => error === undefined);
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** The part of the figures without rules that remains with them: the median of each round's ratio. */
function rowOf(played: readonly Played[], scenario: string): string[] {
  const ratios = (figureOf: (entry: Played) => number | undefined): string => {
    const each = played.flatMap((entry) => {
      if (entry.scenario !== scenario || entry.peer !== withRules) return [];
      const pair = played.find(
        ({ scenario: other, peer, round }) => other === scenario && peer === ours && round === entry.round,
      );
      const [figure, before] = [figureOf(entry), pair && figureOf(pair)];
      return figure === undefined || !before ? [] : [figure / before];
    });
    const median = medianOf(each);
    const [low, high] = [Math.min(...each), Math.max(...each)];
    return median === undefined ? '-' : `${median.toFixed(3)} (${low.toFixed(3)} to ${high.toFixed(3)})`;
  };
  const delivered = ({ result }: Played) => result && rateOf(last(result));
  const cpu = ({ result }: Played) => result && cpuPerDelivery(last(result));
  return [scenario, ratios(delivered), ratios(cpu)];
}
