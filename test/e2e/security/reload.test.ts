/** Users and rules that change while the broker runs: reload(), and SIGHUP of the command. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { accessFolder, passwordLines } from '../../support/access-files.ts';
import { startBroker } from '../../support/broker.ts';
import { startCommand } from '../../support/command.ts';
import { hexOf, publishFrame, publishOf, subscribeFrame, textOf } from '../../support/frames.ts';
import { openClient, openConnected, type RawClient } from '../../support/raw-client.ts';
import { until } from '../../support/wait.ts';

const ok = hexOf('40 03 0001 10'); // no subscriber
const denied = hexOf('40 03 0001 87');

function rulesFor(filters: readonly string[]): object {
  return { roles: { all: { allow: { publish: filters, subscribe: filters } } }, everyone: 'all' };
}

async function publishes(client: RawClient, topic: string): Promise<string> {
  client.send(publishFrame(topic, 'x', { qos: 1, packetId: 1 }));
  return await client.nextHex();
}

for (const workers of [1, 3]) {
  test(`${workers} workers: rules that are reloaded count for whoever is connected, publishing and subscribing`, async (t) => {
    const folder = accessFolder(t);
    const rulesFile = folder.write('rules', rulesFor(['a/#', 'b/#']));
    const running = await startBroker(t, { workers, rulesFile });
    const clients = await Promise.all(
      Array.from({ length: 2 * workers }, () => openClient(t, 'tcp', running)),
    );
    const watcher = await openClient(t, 'tcp', running);
    for (const filter of ['a/#', 'b/#', 'b/1']) {
      watcher.send(subscribeFrame(filter));
      assert.equal(await watcher.nextHex(), hexOf('90 04 0001 00 00'));
    }
    folder.write('rules', rulesFor(['a/#', 'b/1', 'c']));
    await running.broker.reload();
    for (const client of clients) {
      assert.equal(await publishes(client, 'c'), ok);
      assert.equal(await publishes(client, 'b/2'), denied);
    }
    await running.broker.publish('b/2', 'x', { qos: 1 });
    await running.broker.publish('b/1', 'y', { qos: 1 });
    assert.equal(textOf(publishOf(await watcher.nextPacket())), 'y');
    await until(
      'the filter that is too broad now is gone',
      () => running.broker.statistics().subscriptions === 2,
    );
    folder.write('rules', rulesFor([]));
    await running.broker.reload();
    for (const client of clients) assert.equal(await publishes(client, 'a/1'), denied);
    await until('no subscription is left', () => running.broker.statistics().subscriptions === 0);
  });
}

test('a file that is wrong changes nothing, and says where', async (t) => {
  const folder = accessFolder(t);
  const rulesFile = folder.write('rules', rulesFor(['a']));
  const passwordFile = folder.write('users', passwordLines({ lee: 'l' }));
  const running = await startBroker(t, { rulesFile, passwordFile });
  const lee = await openClient(t, 'tcp', running, { username: 'lee', password: Buffer.from('l') });
  folder.write('rules', '{ "roles": { "all": { "allow": {} } },\n  "everyone": "al" }');
  folder.write('users', '');
  await assert.rejects(running.broker.reload(), {
    code: 'ACCESS_FILE_INVALID',
    message: `${rulesFile}, line 2, column 15: there is no role "al": did you mean "all"?`,
  });
  assert.equal(await publishes(lee, 'a'), ok);
  await openClient(t, 'tcp', running, { username: 'lee', password: Buffer.from('l') });
  folder.write('rules', rulesFor(['a']));
  folder.write('users', 'lee:secret');
  await assert.rejects(running.broker.reload(), { code: 'ACCESS_FILE_INVALID', message: /line 1, column 5/ });
  assert.equal(await publishes(lee, 'a'), ok);
});

test('a broker does not start with a file that is wrong, or not there', async (t) => {
  const folder = accessFolder(t);
  await assert.rejects(startBroker(t, { aclFile: folder.write('acl', 'topik a') }), {
    code: 'ACCESS_FILE_INVALID',
  });
  await assert.rejects(startBroker(t, { passwordFile: '/nowhere/users' }), {
    code: 'ACCESS_FILE_UNREADABLE',
    message: /^The file \/nowhere\/users cannot be read \(no such file or directory\)/,
  });
});

test('users who are gone or have another password are ended with 0x87, all others stay', async (t) => {
  const folder = accessFolder(t);
  const passwordFile = folder.write('users', passwordLines({ gone: '1', changed: '2', same: '3' }));
  const running = await startBroker(t, { passwordFile, workers: 2 });
  const open = (username: string, password: string): Promise<RawClient> =>
    openClient(t, 'tcp', running, { username, password: Buffer.from(password) });
  const [gone, changed, same] = await Promise.all([
    open('gone', '1'),
    open('changed', '2'),
    open('same', '3'),
  ]);
  folder.write('users', passwordLines({ changed: 'new', same: '3', added: '4' }));
  await running.broker.reload();
  for (const client of [gone, changed]) {
    assert.match(await client.nextHex(), /^e0..87/);
    await client.closed();
  }
  assert.equal(await publishes(same, 'a'), ok);
  await open('added', '4');
  const stale = await openConnected(t, 'tcp', running, { username: 'changed', password: Buffer.from('2') });
  assert.equal(stale.connack.reasonCode, 0x86);
});

test('a session whose next user may less gets less of what waits in it', async (t) => {
  const folder = accessFolder(t);
  const passwordFile = folder.write('users', passwordLines({ lee: 'l', kim: 'k' }));
  const rulesFile = folder.write('rules', {
    roles: { a: { allow: { subscribe: ['a', 'b'] } }, b: { allow: { subscribe: 'b' } } },
    users: { lee: 'a', kim: 'b' },
  });
  const running = await startBroker(t, { passwordFile, rulesFile, workers: 2 });
  const session = { clientId: 's', cleanStart: false, properties: { sessionExpiryInterval: 60 } };
  const lee = await openClient(t, 'tcp', running, {
    username: 'lee',
    password: Buffer.from('l'),
    ...session,
  });
  for (const filter of ['a', 'b']) {
    lee.send(subscribeFrame(filter, 1));
    assert.equal(await lee.nextHex(), hexOf('90 04 0001 00 01'));
  }
  lee.destroy();
  await until('lee is gone', () => running.broker.statistics().connections === 0);
  await running.broker.publish('a', 'for lee', { qos: 1 });
  await running.broker.publish('b', 'for both', { qos: 1 });
  const kim = await openClient(t, 'tcp', running, {
    username: 'kim',
    password: Buffer.from('k'),
    ...session,
  });
  assert.equal(textOf(publishOf(await kim.nextPacket())), 'for both');
  assert.equal(running.broker.statistics().withheld, 1);
});

test('a program gives other options: what is live counts at once, the rest is named, hooks stay', async (t) => {
  const options = { authenticate: () => true, workers: 2, port: 0, tcpPort: 0 };
  const running = await startBroker(t, options);
  const limits = { connectionsMax: 1 };
  assert.deepEqual(await running.broker.reload({ ...options, limits, pages: false }), {
    changed: ['limits.connectionsMax'],
    needsRestart: ['pages'],
  });
  await openClient(t, 'tcp', running);
  assert.equal((await openConnected(t, 'tcp', running)).connack.reasonCode, 0x97);
  await assert.rejects(running.broker.reload({ ...options, limits: { connectionsMax: 0 } }), {
    code: 'CONFIG_INVALID',
  });
  assert.deepEqual(await running.broker.reload(), { changed: [], needsRestart: ['pages'] });
});

test('SIGHUP reloads, and the log says what is wrong with a file', async (t) => {
  const folder = accessFolder(t);
  const rulesFile = folder.write('rules', rulesFor(['a']));
  const command = startCommand(t, ['--rules', rulesFile, '--workers', '2']);
  const ports = await command.ready();
  const client = await openClient(t, 'tcp', ports);
  assert.equal(await publishes(client, 'b'), denied);
  folder.write('rules', '{');
  command.kill('SIGHUP');
  await until('the log names the place', () => /line 1, column 2/.test(command.stderr));
  assert.match(command.stderr, /the reload failed/);
  assert.equal(await publishes(client, 'a'), ok);
  folder.write('rules', rulesFor(['b']));
  command.kill('SIGHUP');
  await until('the log says so', () => command.stderr.includes('were reloaded and are in force'));
  assert.equal(await publishes(client, 'b'), ok);
  assert.equal(await publishes(client, 'a'), denied);
});
