/** What `npm run conformance -- …` was told. */
import { parseArgs } from 'node:util';
import type { TransportName } from '../../support/raw-client.ts';
import { type Version, versions } from '../support/packets.ts';
import type { Target } from '../support/target.ts';

export const usage = `npm run conformance -- [options] [text]

Runs the conformance tests of MQTT 3.1.1 and 5.0 against RallyMQ, and writes docs/conformance.md if both
versions and both transports were run. With a text, only the tests whose title has it: a statement, or a
part of one (MQTT-3.3.1); then nothing is written.

  --url URL           ask a broker that runs already, in place of RallyMQ: mqtt://host:port, or
                      ws://host:port/path; give it twice to test both; nothing is written
  --peer mosquitto    start Debian's mosquitto and ask it; its results go into docs/conformance.md
  --version VERSION   3.1.1 or 5.0; default both
  --transport NAME    tcp, ws or both; default both
  --workers N,M       the numbers of workers of RallyMQ, one run for each; default 1,4
  --help              this text
`;

export interface Arguments {
  readonly versions: readonly Version[];
  readonly transports: readonly TransportName[];
  readonly workers: readonly number[];
  readonly only: string | undefined;
  /** A broker that runs already. */
  readonly target: Target | undefined;
  readonly peer: 'mosquitto' | undefined;
  readonly help: boolean;
}

/** Throws an Error that says what is wrong. */
export function parse(args: readonly string[]): Arguments {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      url: { type: 'string', multiple: true },
      peer: { type: 'string' },
      version: { type: 'string' },
      transport: { type: 'string', default: 'both' },
      workers: { type: 'string', default: '1,4' },
      help: { type: 'boolean', default: false },
    },
  });
  const { url = [], peer, version, transport, workers, help } = values;
  const [only, ...rest] = positionals;
  if (rest.length > 0) throw new Error(`one text at most, not also ${rest.join(' ')}`);
  if (peer !== undefined && peer !== 'mosquitto') throw new Error(`no peer ${peer}: there is mosquitto`);
  if (peer !== undefined && url.length > 0)
    throw new Error('--peer starts a broker, --url asks one that runs');
  const target = url.length === 0 ? undefined : targetOf(url);
  return {
    versions: versionsOf(version),
    transports: transportsOf(transport, url),
    workers: workersOf(workers),
    only,
    target,
    peer,
    help,
  };
}

function versionsOf(text: string | undefined): readonly Version[] {
  if (text === undefined) return versions;
  const version = versions.find((each) => each === text);
  if (version === undefined) throw new Error(`no version ${text}: there are ${versions.join(' and ')}`);
  return [version];
}

function transportsOf(text: string, urls: readonly string[]): readonly TransportName[] {
  const asked = (['tcp', 'ws'] as const).filter((name) => text === 'both' || text === name);
  if (asked.length === 0) throw new Error(`no transport ${text}: there are tcp, ws and both`);
  const scheme = { tcp: 'mqtt:', ws: 'ws:' };
  const reachable = asked.filter(
    (name) => urls.length === 0 || urls.some((url) => url.startsWith(scheme[name])),
  );
  if (reachable.length === 0) throw new Error(`no --url for the transport ${text}`);
  return reachable;
}

function workersOf(text: string): number[] {
  const numbers = text.split(',').map(Number);
  if (numbers.some((number) => !Number.isInteger(number) || number < 1)) {
    throw new Error(`--workers ${text}: whole numbers with commas between them`);
  }
  return numbers;
}

function targetOf(urls: readonly string[]): Target {
  const target = { isOurs: false, host: '127.0.0.1', port: 0, tcpPort: 0, path: '/mqtt' };
  for (const text of urls) {
    if (!URL.canParse(text)) throw new Error(`--url ${text}: mqtt://host:port or ws://host:port/path`);
    const { protocol, hostname, port, pathname } = new URL(text);
    target.host = hostname.replace(/^\[|\]$/g, '');
    if (protocol === 'mqtt:') target.tcpPort = Number(port || 1_883);
    else if (protocol !== 'ws:') throw new Error(`--url ${text}: neither mqtt: nor ws:`);
    else Object.assign(target, { port: Number(port || 80), path: pathname });
  }
  return target;
}
