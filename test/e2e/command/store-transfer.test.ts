/** `rallymq store export`, `import` and `compact`: all of a broker's data as human-readable lines, and back. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
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

test('what is no export is refused with its line, and leaves nothing', async (t) => {
  const folder = await folderFor(t);
  const first = '{"rallymq":"store","version":1,"run":1,"lastMessage":64}';
  const session = '{"session":1,"clientId":"a","expirySeconds":9';
  const wrong: [string, RegExp][] = [
    ['', /wrong is empty/],
    [first, /line 2: the last line of the export, .* does not follow: the file is cut off/],
    [`${first}\n{"end":2}`, /line 2: there should be 2 lines before it, not 1/],
    [`${first}\n{"end":1}\n{"message":64,"topic":"a","qos":1}`, /line 3: it follows the last line/],
    ['{}', /line 1: it is not the first line/],
    ['{"rallymq":"store","version":2}', /line 1: version 2 was written by a newer RallyMQ/],
    [`${first}\nnonsense`, /line 2: it is not JSON/],
    [`${first}\n{"message":64,"topic":"a/#","qos":1}`, /line 2: topic: 'a\/#' is not a topic name/],
    [`${first}\n{"message":64,"topic":"a","qos":3}`, /line 2: qos is not a whole number from 0 to 2/],
    [`${first}\n{"message":64,"topic":"a","qos":1,"properties":{"colour":1}}`, /there is no colour/],
    [`${first}\n{"retained":64}`, /line 2: there is no message 64 before it/],
    [`${first}\n${session},"waiting":[{"message":3,"qos":1}]}`, /there is no message 3 before it/],
    [`${first}\n${session},"leftAt":"soon"}`, /leftAt is not a time/],
    [`${first}\n${session}}\n${session}}`, /line 3: clientId: 'a' is empty, or occurs twice/],
  ];
  for (const [content, sentence] of wrong) {
    const file = join(folder, 'wrong');
    writeFileSync(file, content);
    const { code, stderr } = await runCommand(['store', 'import', file, '--data', join(folder, 'data')]);
    assert.equal(code, 2, stderr);
    assert.match(stderr, sentence);
    assert.match(stderr, /^rallymq: [^\n]+ Nothing was imported\.\n$/);
    assert.ok(!existsSync(join(folder, 'data')), content);
  }
});
