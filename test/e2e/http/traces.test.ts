/** Traces in a running broker, on two workers, with real clients; and the command `rallymq trace`. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { type TestContext, test } from 'node:test';
import { trace as traceCommand } from '../../../core/command/trace.ts';
import { apiKeyLine, hashOfApiKey, newApiKey } from '../../../core/security/api-keys.ts';
import { apiScopes } from '../../../core/security/api-scope.ts';
import { accessFolder } from '../../support/access-files.ts';
import { startBroker } from '../../support/broker.ts';
import { connectRally } from '../../support/rally.ts';
import { openClient } from '../../support/raw-client.ts';
import { until } from '../../support/wait.ts';

const cli = resolve(import.meta.dirname, '../../../../dist/core/cli.js');

type Row = Readonly<Record<string, unknown>>;

async function startApi(t: TestContext, options: object = {}) {
  const folder = accessFolder(t);
  const key = newApiKey();
  const line = apiKeyLine({ name: 'admin', scopes: new Set(apiScopes) }, hashOfApiKey(key));
  const running = await startBroker(t, {
    workers: 2,
    apiKeysFile: folder.write('keys', `${line}\n`),
    ...options,
  });
  const origin = `http://127.0.0.1:${running.port}`;
  const headers = { authorization: `Bearer ${key}` };
  const api = async (path: string, method = 'GET', body: unknown = undefined) => {
    const init = { method, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) };
    const response = await fetch(`${origin}/api/v1/${path}`, init);
    return { status: response.status, text: await response.text() };
  };
  const start = async (body: object): Promise<string> => {
    const { status, text } = await api('traces', 'POST', body);
    assert.equal(status, 200, text);
    return (JSON.parse(text) as { id: string }).id;
  };
  const linesOf = async (id: string): Promise<Row[]> => {
    const { text } = await api(`traces/${id}/log`);
    return text.split('\n').flatMap((each) => (each === '' ? [] : [JSON.parse(each) as Row]));
  };
  return { ...running, origin, headers, key, folder, api, start, linesOf };
}

const shown = ({ event, clientid, topic, reason, payload }: Row) =>
  [event, clientid, topic, reason, payload].filter((each) => each !== undefined && each !== null).join(' ');

test('a trace of a client has all that it does and gets, from before it connects, on whatever worker', async (t) => {
  const { start, linesOf, api, wsUrl } = await startApi(t);
  const id = await start({ clientid: 'ada', payload_bytes: 100 });
  const ada = await connectRally(t, wsUrl, { clientId: 'ada' });
  const bob = await connectRally(t, wsUrl, { clientId: 'bob' });
  const heard: string[] = [];
  await ada.subscribe('to/ada', ({ topic }) => void heard.push(topic)).ready;
  await bob.publish('to/ada', 'hello', { qos: 1 });
  await bob.publish('to/others', 'hidden', { qos: 1 });
  await ada.publish('from/ada', 'answer', { qos: 1 });
  await until('it has come', () => heard.length === 1);
  await ada.close();
  await until('it has left', async () => (await linesOf(id)).some(({ event }) => event === 'disconnected'));
  const lines = await linesOf(id);
  assert.deepEqual(
    lines.map(shown).map((line) => line.split(' ').slice(0, 3).join(' ')),
    [
      'connected ada',
      'subscribe ada',
      'delivered ada to/ada',
      'published ada from/ada',
      'disconnected ada disconnected',
    ],
  );
  const [, subscribe, delivered, published] = lines;
  assert.deepEqual(subscribe?.['topics'], [{ topic: 'to/ada', reason: 'granted QoS 2' }]);
  assert.deepEqual([delivered?.['from'], delivered?.['payload'], delivered?.['qos']], ['bob', 'hello', 1]);
  assert.equal(published?.['payload'], 'answer');
  assert.equal((await api(`traces/${id}/stop`, 'POST')).status, 204);
  await bob.publish('to/ada', 'later', { qos: 1 });
  assert.equal((await linesOf(id)).length, lines.length);
  assert.equal((await api(`traces/${id}`, 'DELETE')).status, 204);
  assert.equal((await api(`traces/${id}`)).status, 404);
});

test('a trace of a topic filter and one of an address have the messages, those from HTTP and refused ones too', async (t) => {
  const folder = accessFolder(t);
  const rulesFile = folder.write('rules', {
    roles: { all: { allow: { subscribe: ['a/#'], publish: ['a/#'] } } },
    everyone: 'all',
    users: { admin: 'all' },
  });
  const { start, linesOf, api, wsUrl } = await startApi(t, { rulesFile });
  const client = await connectRally(t, wsUrl, { clientId: 'ada' });
  await client.subscribe('a/#', () => {}).ready;
  const ofTopic = await start({ topic: '+/1' });
  const ofAddress = await start({ ip_address: '127.0.0.1' });
  await api('publish', 'POST', { topic: 'a/1', payload: 'x', qos: 1 });
  await client.publish('a/2', 'y', { qos: 1 });
  await client.publish('b/1', 'z', { qos: 1 }).catch(() => {});
  await until('all has been written', async () => (await linesOf(ofAddress)).length >= 4);
  // Workers tell what they see, and none waits for another.
  assert.deepEqual((await linesOf(ofTopic)).map(shown).sort(), [
    'delivered ada a/1',
    'published a/1',
    'refused ada b/1 notAuthorized',
  ]);
  assert.deepEqual((await linesOf(ofAddress)).map(shown).sort(), [
    'delivered ada a/1',
    'delivered ada a/2',
    'published ada a/2',
    'refused ada b/1 notAuthorized',
  ]);
});

test('what waits for a client that is away, and what is dropped for it, is in its trace', async (t) => {
  const limits = { sessionQueueMessagesMax: 2 };
  const { start, linesOf, api, broker, port, tcpPort } = await startApi(t, { limits });
  const terms = { clientId: 'away', properties: { sessionExpiryInterval: 600 } };
  const away = await openClient(t, 'tcp', { port, tcpPort }, terms);
  await api('clients/away/subscriptions', 'POST', { topic: 'to/away', qos: 1 });
  away.destroy();
  await until('it is away', async () => /"connected":false/.test((await api('clients/away')).text));
  const id = await start({ clientid: 'away' });
  for (let n = 0; n < 3; n++) await broker.publish('to/away', 'x', { qos: 1 });
  await until('all is written', async () => (await linesOf(id)).length === 3);
  assert.deepEqual((await linesOf(id)).map(shown), [
    'queued away to/away',
    'queued away to/away',
    'dropped away to/away queue_full',
  ]);
  await openClient(t, 'tcp', { port, tcpPort }, { ...terms, cleanStart: false });
  await until('it has them', async () => (await linesOf(id)).length === 6);
  assert.deepEqual((await linesOf(id)).slice(3).map(shown).sort(), [
    'connected away',
    'delivered away to/away',
    'delivered away to/away',
  ]);
});

test('a trace streams as it comes, from where the last stream ended, and says that it has ended', async (t) => {
  const { start, origin, headers, api, wsUrl } = await startApi(t);
  const client = await connectRally(t, wsUrl, { clientId: 'ada' });
  const id = await start({ topic: 'a/#' });
  await client.publish('a/1', 'x', { qos: 1 });
  const read = async (more: Readonly<Record<string, string>>, wanted: RegExp): Promise<string> => {
    const controller = new AbortController();
    const response = await fetch(`${origin}/api/v1/traces/${id}/events`, {
      headers: { ...headers, ...more },
      signal: controller.signal,
    });
    assert.match(`${response.headers.get('content-type')}`, /^text\/event-stream/);
    let text = '';
    const decoder = new TextDecoder();
    for await (const chunk of response.body ?? []) {
      text += decoder.decode(chunk as Uint8Array, { stream: true });
      if (wanted.test(text)) break;
    }
    controller.abort();
    return text;
  };
  assert.match(await read({}, /\n\n/), /^id: 1\ndata: \{.*"topic":"a\/1"/);
  const later = read({ 'last-event-id': '1' }, /event: end/);
  await client.publish('a/2', 'x', { qos: 1 });
  await until('it is written', async () => JSON.parse((await api(`traces/${id}`)).text).lines === 2);
  await api(`traces/${id}/stop`, 'POST');
  assert.match(await later, /^id: 2\ndata: \{.*"topic":"a\/2".*\n\nevent: end\ndata: \{"by":"asked"\}/);
});

test('rallymq trace shows what comes, writes it to a file, and takes its trace away', async (t) => {
  const { origin, key, folder, api, wsUrl } = await startApi(t);
  const output = folder.write('trace.ndjson', '');
  const written: string[] = [];
  const stop = new AbortController();
  const args = ['--url', origin, '--topic', 'a/#', '--payload', '10', '--output', output];
  const running = traceCommand(args, { RALLYMQ_API_KEY: key }, (text) => written.push(text), stop.signal);
  const client = await connectRally(t, wsUrl, { clientId: 'ada' });
  await until('it shows', async () => {
    await client.publish('a/1', 'hello', { qos: 1, retain: true });
    return written.some((line) =>
      /published +ada {2}a\/1 {2}QoS 1 {2}retain {2}5 bytes {2}"hello"/.test(line),
    );
  });
  stop.abort();
  await running;
  assert.equal(JSON.parse((await api('traces')).text).data.length, 0);
  const [first = ''] = readFileSync(output, 'utf8').split('\n');
  assert.equal((JSON.parse(first) as Row)['topic'], 'a/1');
  const wrong = (more: readonly string[]) =>
    traceCommand(['--url', origin, ...more], { RALLYMQ_API_KEY: key }, () => {}, stop.signal);
  await assert.rejects(wrong([]), /one of --client, --topic and --address/);
  await assert.rejects(wrong(['--topic', 'a#']), /400.*topic filter/);
  for (const seconds of ['0', 'x', '3601'])
    await assert.rejects(
      wrong(['--client', 'a', '--seconds', seconds]),
      /: give a whole number from 1 to 3600/,
    );
  await assert.rejects(wrong(['--client', 'a', '--output', '/nowhere/x']), /no such file .*--output/);
});

test('the stream of a trace ends when rights change, and goes on for whoever still has them', async (t) => {
  const { broker, wsUrl, origin, headers, key, folder, start } = await startApi(t);
  const other = newApiKey();
  const lineOf = (name: string, each: string) =>
    `${apiKeyLine({ name, scopes: new Set(apiScopes) }, hashOfApiKey(each))}\n`;
  folder.write('keys', lineOf('admin', key) + lineOf('other', other));
  await broker.reload();
  const id = await start({ topic: 'a/#' });
  const events = `${origin}/api/v1/traces/${id}/events`;
  const revoked = await fetch(events, { headers: { authorization: `Bearer ${other}` } });
  const mine = await fetch(events, { headers });
  let printed = '';
  const stop = new AbortController();
  const command = traceCommand(
    ['--url', origin, '--topic', 'a/#'],
    { RALLYMQ_API_KEY: key },
    (text) => (printed += text),
    stop.signal,
  );
  const client = await connectRally(t, wsUrl, { clientId: 'ada' });
  await until('the first', async () => {
    await client.publish('a/1', 'first');
    return printed.includes('a/1');
  });
  folder.write('keys', lineOf('admin', key));
  await broker.reload();
  for (const stream of [revoked, mine]) await stream.text(); // to its end
  await client.publish('a/2', 'second');
  await until('the second', () => printed.includes('a/2'));
  assert.equal(printed.match(/published +ada {2}a\/2/g)?.length, 1, printed);
  stop.abort();
  await command;
});

test('rallymq trace whose output nobody reads any more takes its trace away, and ends', async (t) => {
  const { origin, key, api, wsUrl } = await startApi(t);
  const env = { ...process.env, RALLYMQ_API_KEY: key };
  const args = [process.execPath, cli, 'trace', '--url', origin, '--topic', 'a/#'];
  const shell = spawn('sh', ['-c', '"$0" "$@" | head -n 1', ...args], { env });
  t.after(() => shell.kill('SIGKILL'));
  let printed = '';
  for (const output of [shell.stdout, shell.stderr])
    output.setEncoding('utf8').on('data', (text: string) => (printed += text));
  const hasEnded = once(shell, 'close');
  const traces = async () => JSON.parse((await api('traces')).text).data.length;
  await until('its trace', async () => (await traces()) === 1);
  const client = await connectRally(t, wsUrl, { clientId: 'ada' });
  await until('no trace', async () => {
    await client.publish('a/1', 'hello');
    return (await traces()) === 0;
  });
  await hasEnded;
  assert.match(printed, /^\S+ +published +ada {2}a\/1[^\n]*\n$/);
});
