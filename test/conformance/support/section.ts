/**
 * The tests of one section of the specification: they share a broker, run at the same time, over each
 * transport, and have topics and client identifiers of their own.
 */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, describe, it, type TestContext } from 'node:test';
import type { BrokerOptions } from '../../../core/broker.ts';
import { RawClient, type TransportName } from '../../support/raw-client.ts';
import { Client } from './client.ts';
import { type ConnectFields, connect, type Version } from './packets.ts';
import { isForeign, isWanted, type RunningTarget, startTarget, type Target, transports } from './target.ts';

export interface Context {
  readonly version: Version;
  readonly transport: TransportName;
  readonly target: Target;
  /** A topic name or client identifier that no other test uses: 8 letters and digits, then `suffix`. */
  name(suffix?: string): string;
  /** A connection on which nothing was sent. */
  open(): Promise<Client>;
  /** A client that was accepted; its client identifier is one of its own unless given. */
  connect(fields?: ConnectFields): Promise<Client>;
  /** Sends a CONNECT and gives back the client behind its CONNACK, whatever that says. */
  tryConnect(fields?: ConnectFields): Promise<Client>;
}

export interface TestOptions {
  /** Starts a broker of its own with these. Skipped where the broker is someone else's. */
  readonly broker?: BrokerOptions;
  /** Runs over this one alone. Default: over each. */
  readonly transport?: TransportName;
}

type Run = (context: Context) => Promise<void>;
export type SectionTest = (title: string, run: Run, options?: TestOptions) => void;

interface Registered {
  readonly title: string;
  readonly run: Run;
  readonly options: TestOptions;
}

const listed: { version: Version; title: string }[] = [];
let isListing = false;

/** The titles of the tests that a file of this version registers; none is run. Works once for each file. */
export async function titlesIn(version: Version, file: string): Promise<string[]> {
  isListing = true;
  await import(file);
  isListing = false;
  const tests = listed.splice(0);
  for (const test of tests) assert.equal(test.version, version, `the version of "${test.title}" in ${file}`);
  return tests.map(({ title }) => title);
}

// Enough that waiting for one answer does not make the others wait; not so many that deadlines are at risk.
const concurrency = 16;

/**
 * Begins a section; gives back what its tests are registered with. They are handed to node:test together when
 * the file has been read, in order to run at the same time. With `options` the broker that they share is started.
 */
export function section(version: Version, name: string, options?: BrokerOptions): SectionTest {
  const tests: Registered[] = [];
  queueMicrotask(() => {
    if (isListing) listed.push(...tests.map(({ title }) => ({ version, title })));
    else runSection(version, name, tests, options);
  });
  return (title, run, own = {}) => void tests.push({ title, run, options: own });
}

function runSection(
  version: Version,
  name: string,
  tests: readonly Registered[],
  sharedOptions: BrokerOptions | undefined,
): void {
  const wanted = tests.filter(({ title }) => isWanted(title));
  describe(`MQTT ${version}, ${name}`, { concurrency }, () => {
    let shared: RunningTarget | undefined;
    before(async () => {
      shared = await startTarget(sharedOptions);
    });
    after(() => shared?.stop());
    for (const { title, run, options } of wanted) {
      for (const transport of transports) {
        if (options.transport !== undefined && options.transport !== transport) continue;
        const skip = (options.broker ?? sharedOptions) !== undefined && isForeign;
        it(`${title} (${transport})`, { skip }, async (test) => {
          const own = options.broker === undefined ? undefined : await startTarget(options.broker);
          const target = (own ?? shared)?.target ?? assert.fail('no broker');
          try {
            await runTest(test, run, { version, transport, target });
          } finally {
            await own?.stop();
          }
        });
      }
    }
  });
}

type Place = Pick<Context, 'version' | 'transport' | 'target'>;

async function runTest(test: TestContext, run: Run, place: Place): Promise<void> {
  const clients: Client[] = [];
  const persistent = new Set<string>();
  const prefix = randomBytes(4).toString('hex');
  let clientCount = 0;
  const add = async (clientId: string): Promise<Client> => {
    const raw = await RawClient.open(place.transport, place.target);
    const client = new Client(place.version, raw, clientId, place.target.isOurs);
    clients.push(client);
    return client;
  };
  const tryConnect = async (fields: ConnectFields = {}): Promise<Client> => {
    const clientId = fields.clientId ?? `${prefix}c${++clientCount}`;
    const client = await add(clientId);
    if (fields.clean === false && clientId !== '') persistent.add(clientId);
    client.send(connect(place.version, { ...fields, clientId }));
    await client.nextConnack();
    return client;
  };
  test.diagnostic(`topics and client identifiers begin with ${prefix}`);
  try {
    await run({
      ...place,
      name: (suffix = '') => prefix + suffix,
      open: () => add(''),
      tryConnect,
      connect: async (fields) => {
        const client = await tryConnect(fields);
        assert.equal(client.connack.code, 0, 'not accepted');
        return client;
      },
    });
  } finally {
    // A broker of someone else is left as it was found.
    if (isForeign) for (const clientId of persistent) await (await tryConnect({ clientId })).disconnect();
    for (const { raw } of clients) raw.destroy();
  }
}
