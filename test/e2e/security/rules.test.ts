/** What clients may publish and subscribe to (`rulesFile`), over real sockets and on every path of a message. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { BrokerOptions } from '../../../core/broker.ts';
import type { ConnectPacket, Will } from '../../../core/wire/packets.ts';
import { accessFolder, passwordLines } from '../../support/access-files.ts';
import { type RunningBroker, startBroker } from '../../support/broker.ts';
import { hexOf, publishFrame, publishOf, pubrelFrame, subscribeFrame, textOf } from '../../support/frames.ts';
import { openClient, openConnected, type RawClient, transports } from '../../support/raw-client.ts';
import { until } from '../../support/wait.ts';

const rules = {
  roles: {
    reader: { allow: { subscribe: ['scores/#', 'state/%u/#'] }, deny: { subscribe: 'scores/secret/#' } },
    umpire: { allow: { publish: ['scores/%u/+', 'will/%u'], subscribe: 'will/#' } },
    device: { allow: { publish: 'd/%c', subscribe: 'd/%c' } },
    team: { allow: { publish: 'teams/%{team}/#', subscribe: 'teams/%{team}/#' } },
    operator: { allow: { publish: '#', subscribe: ['#', '$SYS/#'] } },
  },
  users: { lee: 'umpire', op: 'operator', dev: 'device' },
  everyone: 'reader',
  anonymous: [],
};
const passwords = { lee: 'l', kim: 'k', op: 'o', dev: 'd' };
type User = keyof typeof passwords;

async function start(t: TestContext, options: BrokerOptions = {}): Promise<RunningBroker> {
  const folder = accessFolder(t);
  return await startBroker(t, {
    passwordFile: folder.write('users', passwordLines(passwords)),
    rulesFile: folder.write('rules', rules),
    sysIntervalSeconds: 0,
    ...options,
  });
}

function as(username: User, packet: Partial<ConnectPacket> = {}): Partial<ConnectPacket> {
  return { username, password: Buffer.from(passwords[username]), ...packet };
}

function willOn(topic: string): Will {
  return { topic, payload: Buffer.from('gone'), qos: 1, retain: false, properties: {} };
}

/** The next messages, as 'topic payload'. */
async function received(client: RawClient, count: number): Promise<string[]> {
  const texts: string[] = [];
  while (texts.length < count) {
    const message = publishOf(await client.nextPacket());
    texts.push(`${message.topic} ${textOf(message)}`);
  }
  return texts;
}

/** Behind all that was withheld. */
async function assertNothingMore(running: RunningBroker, client: RawClient, withheld: number): Promise<void> {
  await until(`${withheld} are withheld`, () => running.broker.statistics().withheld === withheld);
  await client.assertAlive();
}

for (const transport of transports) {
  for (const workers of [1, 3]) {
    const title = `${transport}, ${workers} workers`;

    test(`${title}: a PUBLISH that no rule allows goes nowhere, and MQTT 5 is told 0x87`, async (t) => {
      const running = await start(t, { workers });
      const listener = await openClient(t, transport, running, as('op'));
      listener.send(subscribeFrame('#', 0));
      await listener.nextPacket();
      const umpire = await openClient(t, transport, running, as('lee'));
      umpire.send(publishFrame('scores/kim/1', 'x', { qos: 1, packetId: 7 }));
      assert.equal(await umpire.nextHex(), hexOf('40 03 0007 87'));
      umpire.send(publishFrame('scores/kim/1', 'x', { qos: 2, packetId: 8, retain: true }));
      assert.equal(await umpire.nextHex(), hexOf('50 03 0008 87'));
      umpire.send(publishFrame('scores/lee/1/deep', 'x'));
      umpire.send(publishFrame('scores/lee/1', 'in', { qos: 1, packetId: 9 }));
      assert.equal(await umpire.nextHex(), hexOf('40 02 0009'));
      assert.deepEqual(await received(listener, 1), ['scores/lee/1 in']);
      await assertNothingMore(running, listener, 0);
      const { publishRefused, publishReceived, retained } = running.broker.statistics();
      assert.deepEqual([publishRefused, publishReceived, retained], [3, 1, 0]);
    });

    test(`${title}: older clients get their acknowledgement`, async (t) => {
      const running = await start(t, { workers });
      const kim = await openClient(t, transport, running, as('kim', { protocolVersion: 4 }));
      kim.send(publishFrame('scores/kim/1', 'x', { qos: 1, packetId: 7 }, 4));
      assert.equal(await kim.nextHex(), hexOf('40 02 0007'));
      kim.send(publishFrame('scores/kim/1', 'x', { qos: 2, packetId: 8 }, 4));
      assert.equal(await kim.nextHex(), hexOf('50 02 0008'));
      kim.send(pubrelFrame(8));
      assert.equal(await kim.nextHex(), hexOf('70 02 0008'));
      kim.send(subscribeFrame('#', 0, {}, 4));
      assert.equal(await kim.nextHex(), hexOf('90 03 0001 80'));
      assert.equal(running.broker.statistics().publishRefused, 2);
    });

    test(`${title}: a filter that is too broad gets 0x87, and the connection stays`, async (t) => {
      const running = await start(t, { workers });
      const kim = await openClient(t, transport, running, as('kim'));
      for (const filter of [
        '#',
        '+/x',
        'state/#',
        'state/lee/x',
        '$SYS/#',
        '$share/g/#',
        '$share/g/scores/#',
        'teams/#',
      ]) {
        kim.send(subscribeFrame(filter));
        assert.equal(await kim.nextHex(), hexOf('90 04 0001 00 87'), filter);
      }
      for (const filter of ['scores/#', 'scores/+/1', 'state/kim/+', '$share/g/scores/1']) {
        kim.send(subscribeFrame(filter));
        assert.equal(await kim.nextHex(), hexOf('90 04 0001 00 00'), filter);
      }
    });

    test(`${title}: what a rule denies is withheld live, retained and from a queue`, async (t) => {
      const running = await start(t, { workers });
      const operator = await openClient(t, transport, running, as('op'));
      const publish = async (topic: string, payload: string, retain: boolean): Promise<void> => {
        operator.send(publishFrame(topic, payload, { qos: 1, packetId: 1, retain }));
        await operator.nextPacket();
      };
      await publish('scores/secret/1', 'retained', true);
      await publish('scores/1', 'retained', true);
      const persistent = { clientId: 'k', cleanStart: false, properties: { sessionExpiryInterval: 60 } };
      const kim = await openClient(t, transport, running, as('kim', persistent));
      kim.send(subscribeFrame('scores/#', 0));
      await kim.nextPacket();
      assert.deepEqual(await received(kim, 1), ['scores/1 retained']);
      await publish('scores/secret/1', 'live', false);
      await publish('scores/1', 'live', false);
      assert.deepEqual(await received(kim, 1), ['scores/1 live']);
      await assertNothingMore(running, kim, 2);
    });

    test(`${title}: a will that may not be published is refused with the CONNECT`, async (t) => {
      const running = await start(t, { workers });
      const listener = await openClient(t, transport, running, as('lee'));
      listener.send(subscribeFrame('will/#', 0));
      await listener.nextPacket();
      const refused = await openConnected(t, transport, running, as('lee', { will: willOn('will/kim') }));
      assert.equal(refused.connack.reasonCode, 0x87);
      const older = await openConnected(
        t,
        transport,
        running,
        as('kim', { protocolVersion: 4, will: willOn('will/kim') }),
      );
      assert.equal(older.connack.reasonCode, 0x87); // on the wire: 5
      const allowed = await openClient(t, transport, running, as('lee', { will: willOn('will/lee') }));
      allowed.destroy();
      assert.equal(textOf(publishOf(await listener.nextPacket())), 'gone');
    });
  }

  test(`${transport}: by option a denied PUBLISH ends the connection with 0x87`, async (t) => {
    const running = await start(t, { deniedPublish: 'disconnect' });
    const kim = await openClient(t, transport, running, as('kim'));
    kim.send(publishFrame('scores/1', 'x', { qos: 1, packetId: 7 }));
    assert.match(await kim.nextHex(), /^e0..87/);
    await kim.closed();
    assert.equal(running.broker.statistics().publishRefused, 1);
  });

  test(`${transport}: by option a broad filter is granted, and what is allowed of it is delivered`, async (t) => {
    const running = await start(t, { broadFilters: 'deliverAllowed' });
    const operator = await openClient(t, transport, running, as('op'));
    const kim = await openClient(t, transport, running, as('kim'));
    kim.send(subscribeFrame('#', 0));
    assert.equal(await kim.nextHex(), hexOf('90 04 0001 00 00'));
    kim.send(subscribeFrame('teams/#', 0));
    assert.equal(await kim.nextHex(), hexOf('90 04 0001 00 87'), 'nothing of it is allowed');
    for (const topic of ['scores/1', 'scores/secret/1', 'state/kim/x', 'state/lee/x', 'other']) {
      operator.send(publishFrame(topic, 'x', { qos: 1, packetId: 1 }));
      await operator.nextPacket();
    }
    assert.deepEqual(await received(kim, 2), ['scores/1 x', 'state/kim/x x']);
    await assertNothingMore(running, kim, 3);
  });

  test(`${transport}: a denied PUBLISH counts with its topic alias, too`, async (t) => {
    const running = await start(t);
    const lee = await openClient(t, transport, running, as('lee'));
    lee.send(publishFrame('scores/kim/1', 'x', { qos: 1, packetId: 1, properties: { topicAlias: 1 } }));
    assert.equal(await lee.nextHex(), hexOf('40 03 0001 87'));
    lee.send(publishFrame('', 'x', { qos: 1, packetId: 2, properties: { topicAlias: 1 } }));
    assert.equal(await lee.nextHex(), hexOf('40 03 0002 87'));
    lee.send(publishFrame('scores/lee/1', 'x', { qos: 1, packetId: 3, properties: { topicAlias: 1 } }));
    assert.equal(await lee.nextHex(), hexOf('40 03 0003 10'));
  });
}

test('a rule with %c is about the client identifier, whoever the user is', async (t) => {
  const running = await start(t);
  const device = await openClient(t, 'tcp', running, as('dev', { clientId: 'd1' }));
  device.send(publishFrame('d/d1', 'x', { qos: 1, packetId: 1 }));
  assert.equal(await device.nextHex(), hexOf('40 03 0001 10'));
  device.send(publishFrame('d/d2', 'x', { qos: 1, packetId: 1 }));
  assert.equal(await device.nextHex(), hexOf('40 03 0001 87'));
});

test('the host program is excepted, and $SYS goes to those alone who have a rule for it', async (t) => {
  const running = await start(t, { sysIntervalSeconds: 1 });
  await running.broker.publish('any/topic', 'x', { qos: 1, retain: true });
  const got: string[] = [];
  await running.broker.subscribe('any/#', ({ topic }) => void got.push(topic));
  await running.broker.publish('any/topic', 'y', { qos: 1 });
  assert.ok(got.length > 0);
  const operator = await openClient(t, 'tcp', running, as('op'));
  operator.send(subscribeFrame('$SYS/broker/version', 0));
  await operator.nextPacket();
  assert.match(textOf(publishOf(await operator.nextPacket())), /^RallyMQ/i);
});

test('HTTP gives what everybody may receive, and nothing else', async (t) => {
  const folder = accessFolder(t);
  const running = await startBroker(t, {
    rulesFile: folder.write('rules', {
      roles: { open: { allow: { subscribe: 'open/#' } } },
      anonymous: 'open',
    }),
  });
  await running.broker.publish('open/1', 'seen', { qos: 1, retain: true });
  await running.broker.publish('shut/1', 'unseen', { qos: 1, retain: true });
  const get = async (path: string): Promise<[number, string]> => {
    const response = await fetch(`http://127.0.0.1:${running.port}${path}`);
    return [response.status, await response.text()];
  };
  assert.deepEqual(await get('/api/retained/open/1'), [200, 'seen']);
  for (const path of ['/api/retained/shut/1', '/api/retained/%24SYS/broker/version', '/api/statistics']) {
    const [status, text] = await get(path);
    assert.equal(status, 403, path);
    assert.ok(!text.includes('unseen'));
  }
});

test('a grant of authenticate() says who the client is, with roles and claims; what cannot be read refuses', async (t) => {
  const folder = accessFolder(t);
  const grants = new Map<string | undefined, unknown>([
    ['a', { username: 'lee' }],
    ['b', { roles: ['team'], claims: { team: 'red' } }],
    ['c', true],
    ['d', { roles: 'team' }],
    ['e', { claims: { team: 1 } }],
    ['f', { user: 'lee' }],
    ['g', 1],
  ]);
  const running = await startBroker(t, {
    rulesFile: folder.write('rules', rules),
    authenticate: ({ username }) => grants.get(username) as boolean,
  });
  const allowed = async (username: string, topic: string): Promise<boolean> => {
    const client = await openClient(t, 'tcp', running, { username });
    client.send(publishFrame(topic, 'x', { qos: 1, packetId: 1 }));
    return (await client.nextHex()) !== hexOf('40 03 0001 87');
  };
  assert.ok(await allowed('a', 'scores/lee/1'));
  assert.ok(!(await allowed('a', 'scores/a/1')));
  assert.ok(await allowed('b', 'teams/red/1'));
  assert.ok(!(await allowed('b', 'teams/blue/1')));
  assert.ok(!(await allowed('c', 'teams/red/1')));
  for (const username of ['d', 'e', 'f', 'g'])
    assert.equal((await openConnected(t, 'tcp', running, { username })).connack.reasonCode, 0x88, username);
});

test('a user name that nobody has verified is no user to the rules', async (t) => {
  const folder = accessFolder(t);
  const running = await startBroker(t, { allowAnonymous: true, rulesFile: folder.write('rules', rules) });
  const pretender = await openClient(t, 'tcp', running, { username: 'lee' });
  pretender.send(publishFrame('scores/lee/1', 'x', { qos: 1, packetId: 1 }));
  assert.equal(await pretender.nextHex(), hexOf('40 03 0001 87'));
});
