/** The subcommands `peers` and `load`: choose brokers and scenarios, play them and show the results. */
import { BenchError } from '../bench-error.ts';
import type { CommandLine } from '../command-line.ts';
import { compileGenerator, type Flags } from '../load/generator.ts';
import { faultsOf, generatorWasTheLimit, metricsOf } from '../load/metrics.ts';
import { type Profile, type Scenario, scenariosOf } from '../load/scenarios.ts';
import { clear, say, shortNumber, showStep, table } from '../progress.ts';
import { headerOf, type PeersFile, type Played, resultsFolder, writeResult } from '../results.ts';
import { behindHead, behindRows, standingsOf, titleOf, valuesOf } from '../standings.ts';
import { medianOf } from '../statistics.ts';
import { aedes } from './aedes.ts';
import { externalPeers } from './external.ts';
import { interleave } from './interleave.ts';
import { mosquitto } from './mosquitto.ts';
import { isOurs, ours, type Peer } from './peer.ts';
import { rallymq } from './rallymq.ts';

/** Returns whether this broker and those of others played without errors. */
export async function runPeers(command: CommandLine): Promise<boolean> {
  const profile = profileOf(command);
  const rounds = roundsOf(command);
  const peers = await chosenPeers(command);
  const scenarios = chosenScenarios(command, profile).filter((each) => isPossible(each, peers));
  const generator = await compileGenerator();
  const header = await headerOf(command.typed, profile);
  say(`Loads: ${peers.map(({ name }) => name).join(', ')}; ${scenarios.length} scenarios, ${rounds} rounds`);
  const played = await interleave({
    generator,
    scenarios,
    peers,
    rounds,
    flags: flagsOf(command),
    onStart: ({ name }, peer, round) => showStep(`${name}: ${peer.name}, round ${round + 1} of ${rounds}`),
    onPlayed: (entry, scenario) => {
      if (entry.error !== undefined) say(`${scenario.name}: ${entry.peer}: ${entry.error}`);
      showFaults(entry);
    },
  });
  clear();
  const entries = peers.map(({ name, description, isExternal }) => ({
    name,
    description,
    ...(isExternal ? { isExternal } : {}),
  }));
  const file: PeersFile = { ...header, peers: entries, scenarios, rounds, played };
  for (const scenario of scenarios) say(`\n${scenarioTable(file, scenario)}`);
  showStandings(file);
  const path = await writeResult(resultsFolder, command.subcommand === 'load' ? 'load' : 'peers', file);
  say(`\nWritten to ${path}`);
  return played.every(({ peer, result }) => !isOurs(peer) || result === undefined || faultsOf(result) === '');
}

export function profileOf({ full }: CommandLine): Profile {
  return full ? 'full' : 'quick';
}

export function roundsOf({ rounds, full }: CommandLine): number {
  return rounds ?? (full ? 5 : 1);
}

export function flagsOf({ threads, version, seconds }: CommandLine): Flags {
  return {
    ...(threads === undefined ? {} : { threads }),
    ...(version === undefined ? {} : { version }),
    ...(seconds === undefined ? {} : { duration: Math.round(seconds * 1_000) }),
  };
}

/** Errors: BenchError for a name that is none. */
function chosenScenarios({ only, full }: CommandLine, profile: Profile): readonly Scenario[] {
  const all = scenariosOf(profile);
  if (only === undefined) return all.filter(({ isLong }) => full || !isLong);
  const unknown = only.filter((name) => !all.some((scenario) => scenario.name === name));
  if (unknown.length > 0) {
    throw new BenchError(
      `There is no scenario ${unknown.join(' or ')}; "npm run bench -- scenarios" lists them.`,
    );
  }
  // The scenario that its rate depends on is added.
  const needed = all.flatMap(({ name, shareOf }) =>
    only.includes(name) && shareOf ? [shareOf.scenario] : [],
  );
  return all.filter(({ name }) => only.includes(name) || needed.includes(name));
}

/** False if its rate depends on a broker that does not take part. */
function isPossible({ shareOf }: Scenario, peers: readonly Peer[]): boolean {
  if (shareOf?.by === 'ours') return peers.some(({ name }) => name === ours);
  return shareOf?.by !== 'others' || peers.some(({ name }) => !isOurs(name));
}

/** Errors: BenchError for a name that is none. */
export async function chosenPeers(command: CommandLine): Promise<Peer[]> {
  const makers: Readonly<Record<string, () => Promise<Peer[]>>> = {
    [ours]: async () => command.workers.map(rallymq),
    mosquitto: async () => [await mosquitto()],
    aedes: async () => [await aedes()],
  };
  const peers: Peer[] = [];
  for (const name of command.peers) {
    const make = makers[name];
    if (!make)
      throw new BenchError(`There is no peer ${name}; --peers knows ${Object.keys(makers).join(', ')}.`);
    peers.push(...(await make()));
  }
  peers.push(...(await externalPeers(command.external, command.externalCommands)));
  const names = peers.map(({ name }) => name);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw new BenchError(`Two peers are called ${twice}.`);
  if (peers.length === 0) throw new BenchError('No peer is left to play against.');
  return peers;
}

function showFaults({ peer, scenario, result }: Played): void {
  if (!result) return;
  const faults = faultsOf(result);
  if (faults !== '')
    say(`${scenario}: ${peer}: ${faults}${result.firstFault ? ` (${result.firstFault})` : ''}`);
  if (generatorWasTheLimit(result))
    say(`${scenario}: ${peer}: the generator was the limit; the broker can do more`);
}

function showStandings(file: PeersFile): void {
  const standings = standingsOf(file);
  if (standings.lines === 0) return;
  const { lines, behind } = standings;
  say(`\nRallyMQ is first in ${lines - behind.length} of ${lines} lines.`);
  if (behind.length > 0) say(table([[...behindHead], ...behindRows(standings)]));
}

function scenarioTable(file: PeersFile, scenario: Scenario): string {
  const peers = file.peers.map(({ name }) => name);
  const rows = metricsOf(scenario.kind).map((metric) => [
    `  ${titleOf(metric)}`,
    ...peers.map((peer) => {
      const median = medianOf(valuesOf(file, scenario, peer, metric));
      return median === undefined ? '-' : shortNumber(median);
    }),
  ]);
  return `${scenario.name}: ${scenario.title}\n${table([['', ...peers], ...rows])}`;
}
