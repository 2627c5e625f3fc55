/**
 * The subcommand `tls`: the cost of TLS compared with plain connections, and how long other deliveries take
 * while one worker does as many handshakes as it can. With --full it writes the table of docs/tls.md.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { loadavg } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { BenchError } from '../bench-error.ts';
import type { CommandLine } from '../command-line.ts';
import { compileGenerator, generate } from '../load/generator.ts';
import { cpuPerDelivery, faultsOf, last, metricsOf } from '../load/metrics.ts';
import { scenariosOf } from '../load/scenarios.ts';
import { DeliveryProbe } from '../logins/delivery-probe.ts';
import { interleave } from '../peers/interleave.ts';
import { rallymq } from '../peers/rallymq.ts';
import { flagsOf, profileOf } from '../peers/run.ts';
import { clear, say, shortNumber, showStep, table } from '../progress.ts';
import { markdownTable, provenance } from '../report/markdown.ts';
import { type Header, headerOf, type Played } from '../results.ts';
import { root } from '../root.ts';
import { medianOf } from '../statistics.ts';

const calmMs = 3_000;
const handshakes = 10_000;
const p99MsMax = 20;
const idleKbMax = 20;
/** A load average from other programs; above it, they determine the latencies. */
const idleLoadMax = 0.5;
const [beginning, end] = ['<!-- written by npm run bench -- tls --full -->', '<!-- end -->'];

type Row = readonly [what: string, plain: string, tls: string];

/** Returns whether all limits were kept and nothing was lost. */
export async function runTls(command: CommandLine): Promise<boolean> {
  const generator = await compileGenerator();
  if (command.only?.includes('handshakes')) {
    const storm = await besideHandshakes(generator);
    say(stormSentence(storm));
    return storm.p99Ms < p99MsMax;
  }
  const [loadBefore = 0] = loadavg();
  const names = ['fan-out', 'p2p', 'idle-connections'].flatMap((name) => [name, `${name}-wss`]);
  const rounds = command.rounds ?? (command.full ? 3 : 1);
  const played = await interleave({
    generator,
    scenarios: scenariosOf(profileOf(command)).filter(({ name }) => names.includes(name)),
    peers: [rallymq(1)],
    rounds,
    flags: flagsOf(command),
    onStart: ({ name }, _, round) => showStep(`${name}, round ${round + 1} of ${rounds}`),
  });
  showStep('handshakes beside others');
  const storm = await besideHandshakes(generator);
  clear();
  const idleKb = connectionFigure(played, 'idle-connections-wss', 'bytesPerConnection');
  const rows: Row[] = [
    ['CPU of a delivery, fan-out to 500, µs', ...pairOf(played, 'fan-out', cpuOf)],
    ['CPU of a delivery, 10 pairs, window 50, µs', ...pairOf(played, 'p2p', cpuOf)],
    [
      'CPU of a connection that is made, µs',
      ...pairOf(played, 'idle-connections', (entry) => metricOf(entry, 'cpuPerConnect')),
    ],
    [
      'memory of an idle connection, KB',
      ...pairOf(played, 'idle-connections', (entry) => metricOf(entry, 'bytesPerConnection')),
    ],
  ];
  say(table([['', 'plain', 'TLS'], ...rows]));
  const sentence = stormSentence(storm);
  say(`\n${sentence}`);
  if (command.full) await writeTable(rows, await headerOf(command.typed, 'full'), loadBefore, sentence);
  const isSound = played.every(
    ({ error, result }) => error === undefined && (!result || faultsOf(result) === ''),
  );
  return isSound && storm.p99Ms < p99MsMax && (idleKb ?? 0) <= idleKbMax;
}

interface Storm {
  readonly perSecond: number;
  readonly calmP99Ms: number;
  readonly p99Ms: number;
}

/** One worker; all handshakes are full ones, each followed by a CONNECT. */
async function besideHandshakes(generator: string): Promise<Storm> {
  const broker = await rallymq(1).start();
  const { wss, pid } = broker;
  if (wss === undefined || pid === undefined) throw new BenchError('The broker has no TLS.');
  try {
    const probe = await DeliveryProbe.open(broker, {});
    try {
      const calmP99Ms = await probe.p99Of(delay(calmMs));
      const load = generate(generator, {
        scenario: 'connections',
        transport: 'wss',
        connections: handshakes,
        concurrency: 200,
        duration: 50,
        host: wss.host,
        port: wss.port,
        path: wss.path ?? '/',
        pid,
      });
      const p99Ms = await probe.p99Of(load);
      const [stage] = (await load).stages;
      if (stage === undefined || stage.refused > 0) throw new BenchError('A client was refused.');
      return { perSecond: stage.clients / stage.openSeconds, calmP99Ms, p99Ms };
    } finally {
      probe.close();
    }
  } finally {
    await broker.stop();
  }
}

function stormSentence({ perSecond, calmP99Ms, p99Ms }: Storm): string {
  return (
    `While ${handshakes.toLocaleString('en')} clients shake hands and connect, ${shortNumber(perSecond)} a second on one worker, ` +
    `99 % of the messages of others arrive within ${p99Ms.toFixed(1)} ms (${calmP99Ms.toFixed(1)} ms before).`
  );
}

type FigureOf = (entry: Played) => number | undefined;

const cpuOf: FigureOf = ({ result }) => result && cpuPerDelivery(last(result));

const metricOf = ({ result }: Played, name: string): number | undefined =>
  result &&
  metricsOf('connections')
    .find((metric) => metric.name === name)
    ?.of(result);

function pairOf(played: readonly Played[], name: string, figureOf: FigureOf): [plain: string, tls: string] {
  const [plain, tls] = [name, `${name}-wss`].map((scenario) =>
    medianOf(played.filter((entry) => entry.scenario === scenario).map(figureOf)),
  );
  const shown = (figure: number | undefined): string => (figure === undefined ? '-' : shortNumber(figure));
  return [shown(plain), shown(tls)];
}

function connectionFigure(played: readonly Played[], scenario: string, name: string): number | undefined {
  return medianOf(
    played.filter((entry) => entry.scenario === scenario).map((entry) => metricOf(entry, name)),
  );
}

async function writeTable(
  rows: readonly Row[],
  header: Header,
  loadBefore: number,
  sentence: string,
): Promise<void> {
  const path = join(root, 'docs', 'tls.md');
  const text = await readFile(path, 'utf8');
  const [from, to] = [text.indexOf(beginning), text.indexOf(end)];
  if (from < 0 || to < from)
    throw new BenchError(`${path} has no place for the table: ${beginning} and ${end}.`);
  const written = [
    beginning,
    '',
    provenance(header),
    '',
    'The load has the same cores, so only the ratios of the table are meaningful.',
    ...(loadBefore < idleLoadMax
      ? []
      : [`Other programs kept ${loadBefore.toFixed(1)} threads busy, so the latencies below say little.`]),
    '',
    markdownTable(['', 'plain', 'TLS'], rows),
    '',
    sentence,
    '',
  ].join('\n');
  await writeFile(path, text.slice(0, from) + written + text.slice(to));
}
