/** The command line of the suite: `npm run bench -- SUBCOMMAND [flags]`. */
import { parseArgs } from 'node:util';
import { BenchError } from './bench-error.ts';

export const subcommands = {
  all: 'micro, http, peers, hand-over and browser, one after the other; what runs without a subcommand',
  micro: 'single functions against rivals from npm (benchmark)',
  http: 'the HTTP endpoints (autocannon)',
  lists:
    'the lists of the HTTP API and a scrape beside 10,000 clients, 100,000 with --full: each within its bound',
  streams:
    '500 streams of messages over HTTP beside subscribers by MQTT, 5,000 with --full: everything, in one order',
  load: 'the scenarios against this broker alone; --only authorised: 10,000 rules against none, observed: metrics and events against none, durable: disk against memory',
  peers: 'the scenarios against this broker and others, interleaved',
  'hand-over': 'this broker with 1, 2 and 4 workers, and what its lanes count meanwhile',
  cluster:
    'nodes over NATS against one alone; --only local, between, takeover, killed, connects, exact, wildcards, shared, rolling',
  log: 'the log alone: acknowledgements with 1 to 2,000 records in flight, on this disk and a slow one',
  logins:
    'logins with tokens and passwords, a storm of them, renewals, and rules that are loaded; --only rules, tokenLogins, passwordLogins, storm, renewal',
  tls: 'what TLS costs, and what a storm of handshakes does to the deliveries of others; --full writes the table of docs/tls.md, --only handshakes: the storm alone',
  start: 'how long a start on a large store takes: 1 million sessions and 10 million messages with --full',
  'catch-up':
    'sessions that were away come back at once to what was published meanwhile: 10,000 with --full; a live pair beside them',
  churn:
    'sessions and retained messages come and go for --minutes; what the data directory takes, and what is alive in it',
  backup:
    'a backup of a store while its broker runs, and the round trips of a client meanwhile: of 5 GB with --full',
  browser: 'a page of Chromium that gets its own messages back, with our client and with MQTT.js',
  soak: 'mixed load with churn for --minutes; checks memory, loss and order',
  report: 'writes docs/benchmarks.md, docs/capacity.md and their plots from bench/published/',
  publish: 'copies bench/results/ to bench/published/, then does what report does',
  scenarios: 'lists the scenarios',
} as const;
export type Subcommand = keyof typeof subcommands;

export interface CommandLine {
  readonly subcommand: Subcommand;
  readonly help: boolean;
  readonly full: boolean;
  readonly rounds: number | undefined;
  /** Scenarios whose name is one of these. */
  readonly only: readonly string[] | undefined;
  readonly peers: readonly string[];
  readonly external: readonly string[];
  readonly externalCommands: readonly string[];
  readonly workers: readonly number[];
  readonly minutes: number;
  readonly rate: number;
  readonly threads: number | undefined;
  readonly version: number | undefined;
  readonly seconds: number | undefined;
  /** What was typed, for the report. */
  readonly typed: string;
}

export const usage = `Usage: npm run bench -- [SUBCOMMAND] [flags]

Measures RallyMQ, and other brokers on the same work in the same run. A quick run takes a few minutes;
--full is for figures to publish, on a machine that does nothing else.

${Object.entries(subcommands)
  .map(([name, what]) => `  ${name.padEnd(10)} ${what}`)
  .join('\n')}

  --full             larger scenarios, longer, in 5 rounds; adds those over TCP
  --rounds N         how often each broker plays each scenario (default 1, with --full 5)
  --only NAMES       only these scenarios, separated by commas (see scenarios)
  --peers NAMES      of rallymq, mosquitto, aedes (default all)
  --peer NAME=URL[,PID]
                     a broker that runs already: ws://host:port/path, wss:// or mqtt://host:port. With its process
                     identifier its CPU and memory are known. Once for each transport, as often as you like
  --peer-command NAME=COMMAND
                     starts the broker with these addresses afresh whenever RallyMQ is, instead of one that runs
  --workers LIST     worker threads of RallyMQ, such as 1,2,4: a broker each (default 1)
  --seconds S        how long each load is measured
  --version 4|5      MQTT 3.1.1 or 5.0 (default 5)
  --threads N        of the load generator (default 1)
  --minutes M        of the soak and the churn (default 1, with --full 30)
  --rate R           messages a second of the soak and the churn (default 2000)
  -h, --help         show this text

Results go to bench/results/. Debian's mosquitto must be installed, or left out with --peers; Chromium
for browser; nats-server for cluster.
`;

/** Errors: BenchError for what it does not know. */
export function readCommandLine(args: readonly string[]): CommandLine {
  const { values, positionals } = parse(args);
  const [subcommand = 'all', ...rest] = positionals;
  if (!isSubcommand(subcommand)) {
    throw new BenchError(`There is no subcommand ${subcommand}; --help lists them.`);
  }
  if (rest.length > 0) throw new BenchError(`${rest.join(' ')} is one word too many; --help says more.`);
  const full = values.full ?? false;
  return {
    subcommand,
    help: values.help ?? false,
    full,
    rounds: whole('rounds', values.rounds),
    only: list(values.only),
    peers: list(values.peers) ?? ['rallymq', 'mosquitto', 'aedes'],
    external: values.peer ?? [],
    externalCommands: values['peer-command'] ?? [],
    workers: (list(values.workers) ?? ['1']).map((text) => whole('workers', text) ?? 1),
    minutes: positive('minutes', values.minutes) ?? (full ? 30 : 1),
    rate: whole('rate', values.rate) ?? 2_000,
    threads: whole('threads', values.threads),
    version: versionOf(values.version),
    seconds: positive('seconds', values.seconds),
    typed: `npm run bench${args.length > 0 ? ` -- ${args.map(quoted).join(' ')}` : ''}`,
  };
}

function quoted(word: string): string {
  return /[\s"'$]/.test(word) ? `'${word.replaceAll("'", "'\\''")}'` : word;
}

function parse(args: readonly string[]) {
  const text = { type: 'string' } as const;
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        full: { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
        rounds: text,
        only: text,
        peers: text,
        peer: { type: 'string', multiple: true },
        'peer-command': { type: 'string', multiple: true },
        workers: text,
        minutes: text,
        rate: text,
        threads: text,
        version: text,
        seconds: text,
      },
    });
  } catch (error) {
    throw new BenchError(`${(error as Error).message} --help lists the flags.`, { cause: error });
  }
}

function isSubcommand(text: string): text is Subcommand {
  return Object.hasOwn(subcommands, text);
}

function list(text: string | undefined): string[] | undefined {
  return text?.split(',').filter((each) => each !== '');
}

function positive(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (text.trim() === '' || !(value > 0) || !Number.isFinite(value)) {
    throw new BenchError(`--${name} needs a number above 0, not "${text}".`);
  }
  return value;
}

function whole(name: string, text: string | undefined): number | undefined {
  const value = positive(name, text);
  if (value !== undefined && !Number.isInteger(value)) {
    throw new BenchError(`--${name} needs a whole number, not "${text}".`);
  }
  return value;
}

function versionOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (text !== '4' && text !== '5') throw new BenchError(`--version is 4 (MQTT 3.1.1) or 5, not "${text}".`);
  return Number(text);
}
