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
import { clear, say, showStep } from '../progress.ts';
import { compileGenerator } from './generator.ts';
import { manyRules, ruleCount, userCount } from './many-rules.ts';
import { ratioTable } from './ratios.ts';
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
    say(ratioTable(played, names, ours, withRules));
    return played.every(({ error }) => error === undefined);
  } finally {
    await rm(folder, { recursive: true });
  }
}
