/** What the server keeps for a client, and for how long. */
import assert from 'node:assert/strict';
import { withTimeEnough } from '../../support/time-enough.ts';
import type { Client } from '../support/client.ts';
import { octets, u32 } from '../support/octets.ts';
import { publish, pubrec, pubrel } from '../support/packets.ts';
import { packetType } from '../support/received.ts';
import { section } from '../support/section.ts';
import { secondsPass } from '../support/server-clock.ts';

const test = section('5.0', '4.1 Session State');

const sessionExpiry = (seconds: number): Uint8Array => octets('11', u32(seconds));

test('[MQTT-4.1.0-1] a session outlives any session expiry while its connection is open', async (context) => {
  const { connect, name } = context;
  const publisher = await connect();
  const brief = await connect({ properties: sessionExpiry(1) });
  const none = await connect();
  for (const client of [brief, none]) await client.subscribe(name(), 1);
  await secondsPass(context, 2);
  await publisher.publish(name(), 'still', { qos: 1 });
  for (const client of [brief, none]) assert.equal((await client.receive()).text, 'still');
});

test('[MQTT-4.1.0-1] the expiry of a session counts from the end of its last connection', async (context) => {
  const { connect, name } = context;
  await withTimeEnough(async (seconds, inTime) => {
    const session = { clientId: name(`s${seconds}`), properties: sessionExpiry(seconds) };
    const backAfter = async (before: Client): Promise<Client> => {
      await before.disconnect();
      return await connect({ ...session, clean: false });
    };
    const first = await connect(session);
    const second = await inTime(1, () => backAfter(first));
    assert.ok(second.connack.sessionPresent);
    await secondsPass(context, seconds + 1);
    const third = await inTime(1, () => backAfter(second));
    assert.ok(third.connack.sessionPresent);
  });
});

for (const [how, seconds] of [
  ['without a session expiry', undefined],
  ['with a session expiry of 0', 0],
  ['with a session expiry that has passed', 1],
] as const) {
  test(`[MQTT-4.1.0-2] ${how} nothing of a session is left: no subscription, no message, no packet identifier`, async (context) => {
    const { connect, name } = context;
    const publisher = await connect();
    const session = seconds === undefined ? {} : { properties: sessionExpiry(seconds) };
    const first = await connect({ clientId: name('s'), ...session });
    await first.subscribe(name(), 2);
    for (const text of ['one', 'two']) await publisher.publish(name(), text, { qos: 2 });
    const one = await first.nextPublish();
    await first.nextPublish();
    first.send(pubrec(one.id), publish('5.0', name('/x'), 'm', { qos: 2, id: 9 }));
    await first.nextAcknowledgement(packetType.pubrel);
    await first.nextAcknowledgement(packetType.pubrec);
    await first.disconnect();
    if (seconds !== undefined && seconds > 0) await secondsPass(context, seconds + 1);
    const second = await connect({ clientId: name('s'), clean: false });
    assert.equal(second.connack.sessionPresent, false);
    await publisher.publish(name(), 'three', { qos: 1 });
    await second.ping();
    second.send(pubrel(9));
    const { codes } = await second.nextAcknowledgement(packetType.pubcomp);
    assert.ok(codes[0] === 0x92 || !context.target.isOurs);
  });
}

test('[MQTT-4.1.0-2] until the session expiry has passed all of it is there', async ({ connect, name }) => {
  const publisher = await connect();
  const session = { clientId: name('s'), properties: sessionExpiry(60) };
  const first = await connect(session);
  await first.subscribe([name('/1'), name('/2')], 2);
  await first.subscribe(name('/0'), 0);
  for (const text of ['sent', 'released']) await publisher.publish(name('/1'), text, { qos: 2 });
  const sent = await first.nextPublish();
  const released = await first.nextPublish();
  first.send(pubrec(released.id), publish('5.0', name('/x'), 'm', { qos: 2, id: 9 }));
  await first.nextAcknowledgement(packetType.pubrel);
  await first.nextAcknowledgement(packetType.pubrec);
  await first.drop();
  for (const topic of ['/1', '/2']) await publisher.publish(name(topic), `late ${topic}`, { qos: 1 });
  const second = await connect({ ...session, clean: false });
  assert.ok(second.connack.sessionPresent);
  const again = await second.nextPublish();
  assert.deepEqual([again.text, again.id, again.dup], ['sent', sent.id, true]);
  assert.equal((await second.nextAcknowledgement(packetType.pubrel)).id, released.id);
  const late = [(await second.nextPublish()).text, (await second.nextPublish()).text];
  assert.deepEqual(late.sort(), ['late /1', 'late /2']);
  second.send(pubrel(9));
  assert.deepEqual((await second.nextAcknowledgement(packetType.pubcomp)).codes, [0]);
  await publisher.publish(name('/0'), 'subscribed', { qos: 2 });
  assert.deepEqual((await second.nextPublish()).text, 'subscribed');
});

test('[MQTT-4.1.0-2] retained messages are not part of a session: they stay when it ends', async ({
  connect,
  name,
}) => {
  const publisher = await connect();
  await publisher.publish(name(), 'kept', { qos: 1, retain: true });
  await publisher.disconnect();
  const client = await connect();
  await client.subscribe(name());
  assert.equal((await client.receive()).text, 'kept');
  await client.publish(name(), '', { retain: true });
});

test('[MQTT-4.1.0-2] a clean start ends the session that there was', async ({ connect, name }) => {
  const publisher = await connect();
  const session = { clientId: name('s'), properties: sessionExpiry(60) };
  const first = await connect(session);
  await first.subscribe(name(), 1);
  await first.disconnect();
  await publisher.publish(name(), 'waiting', { qos: 1 });
  const second = await connect(session);
  assert.equal(second.connack.sessionPresent, false);
  await publisher.publish(name(), 'not subscribed', { qos: 1 });
  await second.ping();
});
