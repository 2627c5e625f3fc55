/** `rallymq store export`, `import` and `compact`: all of a broker's data as human-readable lines, and back. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { loadAddon } from '../../../core/data-plane/addon.ts';
import { exportStore, importStore } from '../../../core/storage/export.ts';
import { startBroker } from '../../support/broker.ts';
import { runCommand } from '../../support/command.ts';
import { publishFrame, subscribeFrame, subscription } from '../../support/frames.ts';
import { MqttSession } from '../../support/mqtt-session.ts';
import { openConnected } from '../../support/raw-client.ts';
import { until } from '../../support/wait.ts';

const small = { logSegmentBytes: 1_048_576 };

async function folderFor(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'rallymq-store-'));
  t.after(() => rm(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 })); // a broker may run on
  return folder;
}

async function store(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await runCommand(['store', ...args]);
  assert.equal(code, 0, stdout + stderr);
  return stdout;
}

/** The lines of an export, in an order that depends on nothing; times of expiry to the hour. */
async function exportOf(directory: string, file: string): Promise<string[]> {
  await store('export', file, '--data', directory);
  const lines = readFileSync(file, 'utf8').trimEnd().split('\n').sort();
  return lines.map((line) => line.replace(/("expiresAt":"\d+-\d+-\d+T\d+)[^"]*"/, '$1"'));
}

const phone = { properties: { sessionExpiryInterval: 86_400 } };

/** A store with something of every kind. */
async function fullStore(t: TestContext, dataDirectory: string): Promise<void> {
  const running = await startBroker(t, { dataDirectory, workers: 2, limits: small });
  const { broker } = running;
  const { client } = await openConnected(t, 'tcp', running, {
    clientId: 'phone',
    cleanStart: false,
    ...phone,
    will: {
      topic: 'last/words',
      payload: Uint8Array.of(0xff, 0),
      qos: 1,
      retain: true,
      properties: { willDelayInterval: 86_400, contentType: 'x/y' },
    },
  });
  client.send(
    subscribeFrame('news/#', 2, {
      subscriptions: [{ ...subscription('news/#', 2), noLocal: true, retainAsPublished: true }],
      properties: { subscriptionIdentifiers: [7] },
    }),
  );
  await client.nextPacket();
  client.send(subscribeFrame('$share/workers/jobs/+', 1, { packetId: 2 }));
  await client.nextPacket();
  client.send(publishFrame('news/own', 'not for itself', { qos: 2, packetId: 9 })); // and no PUBREL
  await client.nextPacket();
  client.destroy();
  await until('it has left', () => broker.statistics().connections === 0);
  for (let number = 0; number < 4; number++) {
    await broker.publish(`news/${number % 2}`, `${number}`, {
      qos: number % 2 === 0 ? 1 : 2,
      properties: { userProperties: [['n', `${number}`]], messageExpiryInterval: 86_400 },
    });
    await broker.publish(`jobs/${number}`, 'work', { qos: 1 });
  }
  await broker.publish('state', 'on', { qos: 1, retain: true, properties: { responseTopic: 'answers' } });
  await broker.publish('picture', Uint8Array.of(0x89, 0xff), { qos: 0, retain: true });
  await until('the one of QoS 0 is kept', () => broker.statistics().retained === 2);
  await broker.stop();
}

test('an export has all that is kept, an import makes the same of it, and clients find their sessions', async (t) => {
  const folder = await folderFor(t);
  await fullStore(t, join(folder, 'data'));
  const lines = await exportOf(join(folder, 'data'), join(folder, 'lines'));
  assert.equal(statSync(join(folder, 'lines')).mode & 0o777, 0o600);
  const objects = lines.map((line) => JSON.parse(line));
  const picture = objects.find(({ topic }) => topic === 'picture');
  assert.deepEqual(picture.payload, { base64: 'if8=' });
  const news = objects.find(({ topic, payload }) => topic === 'news/1' && payload === '3');
  assert.deepEqual(news.properties, { userProperties: [['n', '3']] });
  const expiresInMs = Date.parse(`${news.expiresAt}:00Z`) - Date.now();
  assert.ok(expiresInMs > 82_000_000 && expiresInMs <= 86_400_000, `${expiresInMs}`);
  const session = objects.find(({ clientId }) => clientId === 'phone');
  assert.deepEqual(
    session.subscriptions.find(({ filter }: { filter: string }) => filter === 'news/#'),
    { filter: 'news/#', noLocal: true, retainAsPublished: true, qos: 2, subscriptionId: 7 },
  );
  assert.deepEqual(session.received, [9]);
  assert.equal(session.waiting.length, 8);
  assert.deepEqual([session.will.topic, session.will.payload], ['last/words', { base64: '/wA=' }]);

  const again = join(folder, 'again');
  assert.match(
    await store('import', join(folder, 'lines'), '--data', again),
    /again has 1 session and \d+ messages, 2 of them retained\.\n$/,
  );
  assert.deepEqual(await exportOf(again, join(folder, 'lines again')), lines);
  const running = await startBroker(t, { dataDirectory: again, limits: small });
  const reader = new MqttSession(t, running, 'phone', phone);
  await reader.connect('ws');
  assert.ok(reader.isSessionPresent);
  await until('all that has waited', () => reader.handed.length >= 8);
  const texts = reader.handed.filter(({ topic }) => topic.startsWith('news/')).map(({ text }) => text);
  assert.deepEqual(texts.sort(), ['0', '1', '2', '3']);
  await until('what is retained', () => running.broker.statistics().retained === 2);
});

test('a compacted store has the same in it, and is smaller', async (t) => {
  const folder = await folderFor(t);
  const data = join(folder, 'data');
  await fullStore(t, data);
  const { broker } = await startBroker(t, { dataDirectory: data, limits: small });
  const large = new Uint8Array(100_000);
  for (let round = 0; round < 60; round++) await broker.publish('large', large, { qos: 1, retain: true });
  await broker.stop();
  const before = await exportOf(data, join(folder, 'before'));
  const segments = async (): Promise<number> =>
    JSON.parse(await store('info', '--data', data, '--json')).segments;
  assert.ok((await segments()) > 5);
  assert.match(
    await store('compact', '--data', data),
    /data takes [\d.]+ MiB now, down from [\d.]+ MiB\.\n$/,
  );
  assert.ok((await segments()) <= 2);
  assert.deepEqual(await exportOf(data, join(folder, 'after')), before);
  assert.match(await store('check', '--data', data), /Nothing is damaged\.\n$/);
  const { broker: later } = await startBroker(t, { dataDirectory: data, limits: small });
  await until('what is retained', () => later.statistics().retained === 3);
});

const addon = loadAddon();
const unseen = (): Uint8Array => new Uint8Array(1);

/** The lines of an export of sessions that wait for these messages, with this payload each. */
function linesOf(waiting: Readonly<Record<string, readonly number[]>>, payload: string): string {
  const numbers = [...new Set(Object.values(waiting).flat())];
  const lines = [
    { rallymq: 'store', version: 1, run: 1, lastMessage: 64 * 10_000 },
    ...numbers.map((number) => ({ message: 64 * number, topic: `news/${number}`, payload, qos: 1 })),
    ...Object.entries(waiting).map(([clientId, messages], index) => ({
      session: index + 1,
      clientId,
      expirySeconds: 86_400,
      subscriptions: [{ filter: 'news/#', qos: 1 }],
      waiting: messages.map((number) => ({ message: 64 * number, qos: 1 })),
    })),
  ];
  return `${[...lines, { end: lines.length }].map((line) => JSON.stringify(line)).join('\n')}\n`;
}

/** How many messages each session of an export waits for. */
function waitingIn(file: string): Record<string, number> {
  const objects = readFileSync(file, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  const sessions = objects.filter(({ session }) => session !== undefined);
  return Object.fromEntries(sessions.map(({ clientId, waiting = [] }) => [clientId, waiting.length]));
}

test('what many sessions wait for is stored once, also by an import and when it is compacted; what is damaged is left out', async (t) => {
  const folder = await folderFor(t);
  const [data, lines, later] = [join(folder, 'data'), join(folder, 'lines'), join(folder, 'later')];
  const numbers = Array.from({ length: 200 }, (_, index) => index + 1);
  const sessions = Object.fromEntries(numbers.map((number) => [`session-${number}`, numbers]));
  writeFileSync(lines, linesOf(sessions, 'as long as a short message is'));
  await importStore(addon, data, lines, () => {});
  const recordBytes = (): number => addon.checkStore(data, false, unseen(), 0, false).recordBytes;
  assert.ok(recordBytes() < 100_000, `${recordBytes()}`); // 40,000 entries, of some 40 bytes each
  assert.ok(!('fault' in addon.compactStore(data, unseen())));
  assert.ok(recordBytes() < 100_000, `${recordBytes()}`);
  await exportStore(addon, data, later, unseen(), () => {});
  assert.deepEqual(waitingIn(later), waitingIn(lines));
  const [segment = ''] = readdirSync(data).filter((name) => name.endsWith('.seg'));
  const bytes = readFileSync(join(data, segment));
  bytes[bytes.indexOf('news/7')] = 0x41;
  writeFileSync(join(data, segment), bytes);
  const damaged = join(folder, 'damaged');
  assert.equal((await exportStore(addon, data, damaged, unseen(), () => {})).damaged, 1);
  const again = join(folder, 'again');
  await importStore(addon, again, damaged, () => {});
  await exportStore(addon, again, join(folder, 'last'), unseen(), () => {});
  assert.deepEqual(new Set(Object.values(waitingIn(join(folder, 'last')))), new Set([199]));
});

test('a store that is larger than what is kept of it in memory is exported and compacted whole', async (t) => {
  const folder = await folderFor(t);
  const [data, lines] = [join(folder, 'data'), join(folder, 'lines')];
  const waiting = { one: [1, 2, 3, 4, 5, 6, 7, 8], both: [1, 3, 5, 7], alone: [9, 10, 11, 12, 13, 14] };
  writeFileSync(lines, linesOf(waiting, 'x'.repeat(6_000_000)));
  await importStore(addon, data, lines, () => {});
  assert.ok(!('fault' in addon.compactStore(data, unseen())));
  await exportStore(addon, data, join(folder, 'after'), unseen(), () => {});
  const sorted = (file: string): string[] => readFileSync(file, 'utf8').split('\n').sort();
  const messages = (file: string): string[] => sorted(file).filter((line) => line.startsWith('{"message"'));
  assert.ok(messages(join(folder, 'after')).join() === messages(lines).join());
  assert.deepEqual(waitingIn(join(folder, 'after')), { one: 8, both: 4, alone: 6 });
});

test('what is no export is refused with its line, and leaves nothing', async (t) => {
  const folder = await folderFor(t);
  const first = '{"rallymq":"store","version":1,"run":1,"lastMessage":64}';
  const session = '{"session":1,"clientId":"a","expirySeconds":9';
  const wrong: [string | Uint8Array, RegExp][] = [
    ['', /wrong is empty/],
    [first, /line 2: the last line of the export, .* does not follow: the file is cut off/],
    [`${first}\n{"end":2}`, /line 2: there should be 2 lines before it, not 1/],
    [`${first}\n{"end":1}\n{"message":64,"topic":"a","qos":1}`, /line 3: it follows the last line/],
    ['{}', /line 1: it is not the first line/],
    ['{"rallymq":"store","version":2}', /line 1: version 2 was written by a newer RallyMQ/],
    [`${first}\nnonsense`, /line 2: it is not JSON/],
    [`${first}\n\n \r\nnonsense`, /line 4: it is not JSON/],
    [`${first}\n{"message":64,"topic":"a","qos":1,"payloda":"1"}`, /line 2: message has no field payloda/],
    [`${first}\n${session},"subscriptons":[]}`, /line 2: session has no field subscriptons/],
    [`${first}\n${session},"subscriptions":[{"filter":"a","qos":1,"noLokal":true}]}`, /has no field noLokal/],
    [
      `${first}\n{"message":64,"topic":"a","qos":1,"payload":{"base64":"AAE*"}}`,
      /payload is not valid base64/,
    ],
    [
      Buffer.concat([Buffer.from(`${first}\n{"message":64,"topic":"`), Buffer.of(0xff)]),
      /line 2: it is not UTF-8/,
    ],
    [`${first}\n{"message":64,"topic":"a/#","qos":1}`, /line 2: topic: 'a\/#' is not a topic name/],
    [`${first}\n{"message":64,"topic":"a","qos":3}`, /line 2: qos is not a whole number from 0 to 2/],
    [`${first}\n{"message":64,"topic":"a","qos":1,"properties":{"colour":1}}`, /there is no colour/],
    [`${first}\n{"retained":64}`, /line 2: there is no message 64 before it/],
    [`${first}\n${session},"waiting":[{"message":3,"qos":1}]}`, /there is no message 3 before it/],
    [`${first}\n${session},"leftAt":"soon"}`, /leftAt is not a time/],
    [`${first}\n${session}}\n${session}}`, /line 3: clientId: 'a' is empty, or occurs twice/],
    [
      `${first}\n${session}}\n{"session":1,"clientId":"b","expirySeconds":9}`,
      /line 3: session 1 occurs twice/,
    ],
  ];
  for (const [content, sentence] of wrong) {
    const file = join(folder, 'wrong');
    writeFileSync(file, content);
    const { code, stderr } = await runCommand(['store', 'import', file, '--data', join(folder, 'data')]);
    assert.equal(code, 2, stderr);
    assert.match(stderr, sentence);
    assert.match(stderr, /^rallymq: [^\n]+ Nothing was imported\.\n$/);
    assert.ok(!existsSync(join(folder, 'data')), String(content));
  }
});
