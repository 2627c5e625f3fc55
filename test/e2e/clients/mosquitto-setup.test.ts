/**
 * A mosquitto setup, with its password file and its acl_file, is adopted unchanged: both brokers behave the same with
 * it.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import type { ConnectPacket } from '../../../core/wire/packets.ts';
import { accessFolder } from '../../support/access-files.ts';
import { startBroker } from '../../support/broker.ts';
import { pingreqFrame, publishFrame, publishOf, subscribeFrame, textOf } from '../../support/frames.ts';
import { runMosquitto } from '../../support/mosquitto-broker.ts';
import { openClient, openConnected, type Ports, type RawClient } from '../../support/raw-client.ts';

const acl = `# who may do what
topic read public/#

user lee
topic readwrite lee/#
topic deny lee/secret
topic write in/lee

user boss
topic #
topic read $SYS/#

user stranger+
topic read x

pattern readwrite state/%c/%u
pattern write up/%u
pattern deny all/nobody
`;

const users = { lee: 'l', boss: 'b', 'stranger+': 's', plain: 'p' };
type Who = keyof typeof users | 'anonymous';
const everyone: readonly Who[] = ['lee', 'boss', 'stranger+', 'plain', 'anonymous'];
const published = [
  'public/1',
  'lee/1',
  'lee/secret',
  'in/lee',
  'state/client/lee',
  'state/client/plain',
  'state/other/lee',
  'up/lee',
  'up/plain',
  'all/nobody',
  'x',
];

function as(who: Who): Partial<ConnectPacket> {
  const common = { clientId: 'client', protocolVersion: 4 } as const;
  return who === 'anonymous' ? common : { ...common, username: who, password: Buffer.from(users[who]) };
}

/** All that has come, up to the answer to a PINGREQ behind what was sent. */
async function receivedBy(client: RawClient): Promise<string[]> {
  client.send(pingreqFrame);
  const texts: string[] = [];
  for (let packet = await client.nextPacket(); packet.type !== 13; packet = await client.nextPacket())
    if (packet.type === 3) texts.push(textOf(publishOf(packet, 4)));
  return texts;
}

/** Who publishes what, and whom it reaches: 'lee>lee/1' came to the boss, 'lee<lee/1' to lee. One worker: in order. */
async function outcomes(t: TestContext, ports: Ports): Promise<string[]> {
  const found: string[] = [];
  const boss = await openClient(t, 'tcp', ports, { ...as('boss'), clientId: 'boss' });
  boss.send(subscribeFrame('#', 0, {}, 4));
  for (const who of everyone) {
    const client = await openClient(t, 'tcp', ports, as(who));
    client.send(...published.map((topic) => publishFrame(topic, `${who}>${topic}`, {}, 4)));
    await receivedBy(client);
    found.push(...(await receivedBy(boss)));
    client.send(subscribeFrame('#', 0, {}, 4));
    await receivedBy(client);
    boss.send(...published.map((topic) => publishFrame(topic, `${who}<${topic}`, {}, 4)));
    await receivedBy(boss);
    found.push(...(await receivedBy(client)));
    client.destroy();
  }
  return found.sort();
}

test('mosquitto and this broker let the same through', async (t) => {
  const folder = accessFolder(t);
  const passwordFile = folder.write('users', '');
  for (const [username, password] of Object.entries(users))
    execFileSync('mosquitto_passwd', ['-b', passwordFile, username, password]);
  const aclFile = folder.write('acl', acl);
  for (const path of [passwordFile, aclFile]) chmodSync(path, 0o600);
  // Without a bound on what it queues, it ends connections whose PUBLISH it denies.
  const bound = 'max_queued_messages 1000';
  const theirs = await runMosquitto(t, [`password_file ${passwordFile}`, `acl_file ${aclFile}`, bound]);
  const ours = await startBroker(t, { passwordFile, aclFile, allowAnonymous: true, sysIntervalSeconds: 0 });
  const expected = await outcomes(t, { port: 0, tcpPort: theirs.tcpPort });
  assert.ok(expected.includes('lee>lee/1') && expected.includes('anonymous<public/1'), expected.join('\n'));
  assert.ok(!expected.includes('lee>lee/secret'));
  assert.deepEqual(await outcomes(t, ours), expected);
  for (const ports of [ours, { port: 0, tcpPort: theirs.tcpPort }]) {
    const wrong = { clientId: 'w', username: 'lee', password: Buffer.from('x') };
    assert.equal(
      (await openConnected(t, 'tcp', ports, { ...wrong, protocolVersion: 4 })).connack.reasonCode !== 0,
      true,
    );
  }
});
