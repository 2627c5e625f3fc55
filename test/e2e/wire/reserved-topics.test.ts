/** Topics below $SYS, to which only the broker publishes, and below $share, which have no subscribers. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startBroker } from '../../support/broker.ts';
import {
  connectFrame,
  hexOf,
  pingreqFrame,
  publishFrame,
  publishOf,
  pubrelFrame,
  subscribeFrame,
  textOf,
} from '../../support/frames.ts';
import { openClient, RawClient, transports } from '../../support/raw-client.ts';

const reserved = ['$SYS', '$SYS/broker/version', '$SYS//', '$share', '$share/group/topic'];
const free = ['$SYSTEM/x', '$sys/x', '$shared/x', '$', '$S', 'a/$SYS/b', '/$SYS'];

/** What the broker itself says there would be among what is waited for. */
const silentSys = { sysIntervalSeconds: 0 } as const;

for (const transport of transports) {
  test(`${transport}: MQTT 5 clients get 0x87 for a PUBLISH to a reserved topic, and nobody gets it`, async (t) => {
    const running = await startBroker(t, silentSys);
    const listener = await openClient(t, transport, running);
    listener.send(subscribeFrame('$SYS/#', 2));
    await listener.nextPacket();
    const client = await openClient(t, transport, running);
    for (const topic of reserved) {
      client.send(publishFrame(topic, 'x', { qos: 1, packetId: 7 }));
      assert.equal(await client.nextHex(), hexOf('40 03 0007 87'), topic);
      client.send(publishFrame(topic, 'x', { qos: 2, packetId: 8, retain: true }));
      assert.equal(await client.nextHex(), hexOf('50 03 0008 87'), topic);
      client.send(publishFrame(topic, 'x'), pingreqFrame);
      assert.equal(await client.nextHex(), hexOf('d0 00'), topic);
    }
    await listener.assertAlive();
    const { publishRefused, publishReceived, retained } = running.broker.statistics();
    assert.deepEqual([publishRefused, publishReceived, retained], [3 * reserved.length, 0, 0]);
  });

  test(`${transport}: older clients get their acknowledgement, and nobody the message`, async (t) => {
    const running = await startBroker(t, silentSys);
    const client = await openClient(t, transport, running, { protocolVersion: 4 });
    client.send(subscribeFrame('$SYS/#', 2, {}, 4));
    await client.nextPacket();
    client.send(publishFrame('$SYS/x', 'x', { qos: 1, packetId: 7, retain: true }, 4));
    assert.equal(await client.nextHex(), hexOf('40 02 0007'));
    client.send(publishFrame('$SYS/x', 'x', { qos: 2, packetId: 8 }, 4));
    assert.equal(await client.nextHex(), hexOf('50 02 0008'));
    client.send(pubrelFrame(8));
    assert.equal(await client.nextHex(), hexOf('70 02 0008'));
    client.send(publishFrame('$SYS/x', 'x', {}, 4), pingreqFrame);
    assert.equal(await client.nextHex(), hexOf('d0 00'));
    assert.equal(running.broker.statistics().publishRefused, 3);
  });

  test(`${transport}: a will to a reserved topic is refused`, async (t) => {
    const running = await startBroker(t);
    const answers = [
      [4, '20 02 00 05'],
      [5, '20 03 00 87 00'],
    ] as const;
    for (const [protocolVersion, answer] of answers) {
      const client = await RawClient.open(transport, running);
      t.after(() => client.destroy());
      const will = {
        topic: '$SYS/x',
        payload: new Uint8Array(),
        qos: 0,
        retain: false,
        properties: {},
      } as const;
      client.send(connectFrame({ protocolVersion, will }));
      assert.equal(await client.nextHex(), hexOf(answer));
      await client.closed();
    }
  });

  test(`${transport}: topics that only look like reserved ones are free`, async (t) => {
    const running = await startBroker(t);
    const client = await openClient(t, transport, running);
    for (const topic of free) {
      client.send(subscribeFrame(topic));
      await client.nextPacket();
      client.send(publishFrame(topic, topic));
      assert.equal(textOf(publishOf(await client.nextPacket())), topic);
    }
  });
}

test('a topic alias does not hide a reserved topic', async (t) => {
  const running = await startBroker(t);
  const client = await openClient(t, 'tcp', running);
  client.send(publishFrame('$SYS/x', 'x', { properties: { topicAlias: 1 } }));
  client.send(publishFrame('', 'x', { qos: 1, properties: { topicAlias: 1 } }));
  assert.equal(await client.nextHex(), hexOf('40 03 0001 87'));
});
