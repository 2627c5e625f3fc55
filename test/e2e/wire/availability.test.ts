/** Features disabled by the operator: announced in the CONNACK, and refused as specified. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ProtocolVersion, QoS, Will } from '../../../core/wire/packets.ts';
import { startBroker } from '../../support/broker.ts';
import {
  connectFrame,
  hexOf,
  pingreqFrame,
  publishFrame,
  publishOf,
  subscribeFrame,
  textOf,
} from '../../support/frames.ts';
import { openClient, openConnected, type Ports, RawClient, transports } from '../../support/raw-client.ts';

const will: Will = {
  topic: 'last/words',
  payload: new Uint8Array(),
  qos: 0,
  retain: false,
  properties: {},
};

test('by default the CONNACK says of nothing but shared subscriptions that it is not available', async (t) => {
  const running = await startBroker(t);
  const { connack } = await openConnected(t, 'tcp', running);
  const { assignedClientIdentifier: _, ...properties } = connack.properties;
  assert.deepEqual(properties, {
    receiveMaximum: 1_024,
    topicAliasMaximum: 64,
    maximumPacketSize: 1_048_576,
  });
});

test('what is not available stands in the CONNACK [MQTT-3.2.2-9]', async (t) => {
  const running = await startBroker(t, {
    retainAvailable: false,
    wildcardSubscriptionAvailable: false,
    subscriptionIdentifiersAvailable: false,
    limits: {
      maximumQoS: 1,
      receiveMaximum: 65_535,
      topicAliasMaximum: 0,
      maximumPacketSizeBytes: 4_096,
      serverKeepAliveSeconds: 7,
      sessionExpiryIntervalMax: 60,
    },
  });
  const { connack } = await openConnected(t, 'ws', running, {
    clientId: 'c',
    properties: { sessionExpiryInterval: 61 },
  });
  assert.deepEqual(connack.properties, {
    maximumQoS: 1,
    retainAvailable: 0,
    wildcardSubscriptionAvailable: 0,
    subscriptionIdentifiersAvailable: 0,
    maximumPacketSize: 4_096,
    serverKeepAlive: 7,
    sessionExpiryInterval: 60,
  });
});

for (const transport of transports) {
  for (const maximumQoS of [0, 1] as const) {
    const above = (maximumQoS + 1) as QoS;

    test(`${transport}: with Maximum QoS ${maximumQoS} a PUBLISH above it ends with 0x9B [MQTT-3.2.2-11]`, async (t) => {
      const running = await startBroker(t, { limits: { maximumQoS } });
      const client = await openClient(t, transport, running);
      client.send(publishFrame('t', '', { qos: maximumQoS }), pingreqFrame);
      if (maximumQoS === 1) assert.equal(await client.nextHex(), hexOf('40 03 0001 10'));
      assert.equal(await client.nextHex(), hexOf('d0 00'));
      client.send(publishFrame('t', '', { qos: above }));
      assert.equal(await client.nextHex(), hexOf('e0 01 9b'));
      await client.closed();
      const older = await openClient(t, transport, running, { protocolVersion: 4 });
      older.send(publishFrame('t', '', { qos: above }, 4));
      await older.closed();
      assert.deepEqual(older.packets, []);
    });

    test(`${transport}: with Maximum QoS ${maximumQoS} a will above it is refused with 0x9B [MQTT-3.2.2-12]`, async (t) => {
      const running = await startBroker(t, { limits: { maximumQoS } });
      await openClient(t, transport, running, { will: { ...will, qos: maximumQoS } });
      await assertRefused(t, transport, running, { ...will, qos: above }, 0x9b);
    });

    test(`${transport}: with Maximum QoS ${maximumQoS} a SUBSCRIBE is granted no more [MQTT-3.2.2-10]`, async (t) => {
      const running = await startBroker(t, { limits: { maximumQoS } });
      for (const version of [4, 5] as const) {
        const client = await openClient(t, transport, running, { protocolVersion: version });
        for (const qos of [0, 1, 2] as const) {
          client.send(subscribeFrame(`q/${qos}`, qos, {}, version));
          const granted = Math.min(qos, maximumQoS);
          assert.equal(
            await client.nextHex(),
            hexOf(`90 ${version === 5 ? '04 0001 00' : '03 0001'} 0${granted}`),
          );
        }
      }
    });
  }

  test(`${transport}: without retained messages a PUBLISH with RETAIN ends with 0x9A [MQTT-3.2.2-14]`, async (t) => {
    const running = await startBroker(t, { retainAvailable: false });
    for (const qos of [0, 1, 2] as const) {
      const client = await openClient(t, transport, running);
      client.send(publishFrame('t', 'x', { qos, retain: true }));
      assert.equal(await client.nextHex(), hexOf('e0 01 9a'));
      await client.closed();
    }
    const older = await openClient(t, transport, running, { protocolVersion: 4 });
    older.send(publishFrame('t', 'x', { retain: true }, 4));
    await older.closed();
    assert.deepEqual(older.packets, []);
    assert.equal(running.broker.statistics().retained, 0);
  });

  test(`${transport}: without retained messages a will with RETAIN is refused with 0x9A [MQTT-3.2.2-13]`, async (t) => {
    const running = await startBroker(t, { retainAvailable: false });
    await openClient(t, transport, running, { will });
    await assertRefused(t, transport, running, { ...will, retain: true }, 0x9a);
  });

  test(`${transport}: without wildcards a filter with one ends with 0xA2, and is 0x80 for older clients`, async (t) => {
    const running = await startBroker(t, { wildcardSubscriptionAvailable: false });
    for (const filter of ['#', '+/a', 'a/+/b', '$share/g/a/#']) {
      const client = await openClient(t, transport, running);
      client.send(subscribeFrame('a/b'));
      assert.equal(await client.nextHex(), hexOf('90 04 0001 00 00'));
      client.send(subscribeFrame(filter));
      assert.equal(await client.nextHex(), hexOf('e0 01 a2'), filter);
      await client.closed();
      const older = await openClient(t, transport, running, { protocolVersion: 4 });
      older.send(subscribeFrame(filter, 0, {}, 4));
      assert.equal(await older.nextHex(), hexOf('90 03 0001 80'), filter);
    }
  });

  test(`${transport}: without shared subscriptions one ends with 0x9E, and is 0x80 for older clients`, async (t) => {
    const running = await startBroker(t, { sharedSubscriptionAvailable: false });
    const { client, connack } = await openConnected(t, transport, running);
    assert.equal(connack.properties.sharedSubscriptionAvailable, 0);
    client.send(subscribeFrame('$share/g/a'));
    assert.equal(await client.nextHex(), hexOf('e0 01 9e'));
    await client.closed();
    const older = await openClient(t, transport, running, { protocolVersion: 4 });
    older.send(subscribeFrame('$share/g/a', 0, {}, 4));
    assert.equal(await older.nextHex(), hexOf('90 03 0001 80'));
  });

  test(`${transport}: without subscription identifiers a SUBSCRIBE with one ends with 0xA1`, async (t) => {
    const running = await startBroker(t, { subscriptionIdentifiersAvailable: false });
    const client = await openClient(t, transport, running);
    client.send(subscribeFrame('a'));
    assert.equal(await client.nextHex(), hexOf('90 04 0001 00 00'));
    client.send(subscribeFrame('a', 0, { properties: { subscriptionIdentifiers: [1] } }));
    assert.equal(await client.nextHex(), hexOf('e0 01 a1'));
    await client.closed();
  });

  test(`${transport}: the program itself may publish what clients may not`, async (t) => {
    const running = await startBroker(t, { retainAvailable: false, limits: { maximumQoS: 0 } });
    await running.broker.publish('t', 'x', { qos: 2, retain: true });
    const client = await openClient(t, transport, running);
    client.send(subscribeFrame('t', 2));
    assert.equal(await client.nextHex(), hexOf('90 04 0001 00 00'));
    const message = publishOf(await client.nextPacket());
    assert.deepEqual([textOf(message), message.qos], ['x', 0]);
  });
}

const notUtf8 = Uint8Array.of(0x61, 0xff);
const text = { properties: { payloadFormatIndicator: 1 } };

for (const transport of transports) {
  test(`${transport}: a payload that is not the UTF-8 that it says is 0x99 where that is checked`, async (t) => {
    const running = await startBroker(t, { checksPayloadFormat: true });
    const listener = await openClient(t, transport, running);
    listener.send(subscribeFrame('t', 2));
    await listener.nextPacket();
    const client = await openClient(t, transport, running);
    client.send(publishFrame('t', notUtf8, { ...text, qos: 1, packetId: 1 }));
    assert.equal(await client.nextHex(), hexOf('40 03 0001 99'));
    client.send(publishFrame('t', notUtf8, { ...text, qos: 2, packetId: 2 }));
    assert.equal(await client.nextHex(), hexOf('50 03 0002 99'));
    // U+0000 is UTF-8, and without the indicator everything is allowed.
    client.send(publishFrame('t', 'a\0b\u{1f3be}', text), publishFrame('t', notUtf8));
    assert.equal(textOf(publishOf(await listener.nextPacket())), 'a\0b\u{1f3be}');
    assert.deepEqual([...publishOf(await listener.nextPacket()).payload], [...notUtf8]);
    assert.equal(running.broker.statistics().publishRefused, 2);
    client.send(publishFrame('t', notUtf8, text));
    assert.equal(await client.nextHex(), hexOf('e0 01 99'));
    await client.closed();
    await assertRefused(t, transport, running, { ...will, payload: notUtf8, ...text }, 0x99, [5]);
  });
}

test('without the check such a payload is delivered as it is', async (t) => {
  const running = await startBroker(t);
  const client = await openClient(t, 'tcp', running);
  client.send(subscribeFrame('t'), publishFrame('t', notUtf8, text));
  await client.nextPacket();
  assert.deepEqual([...publishOf(await client.nextPacket()).payload], [...notUtf8]);
});

async function assertRefused(
  t: Parameters<typeof startBroker>[0],
  transport: (typeof transports)[number],
  ports: Ports,
  refused: Will,
  reasonCode: number,
  versions: readonly ProtocolVersion[] = [4, 5],
): Promise<void> {
  for (const protocolVersion of versions) {
    const client = await RawClient.open(transport, ports);
    t.after(() => client.destroy());
    client.send(connectFrame({ protocolVersion, clientId: 'w', will: refused }));
    if (protocolVersion === 5) {
      assert.equal(await client.nextHex(), hexOf(`20 03 00 ${reasonCode.toString(16)} 00`));
    }
    await client.closed(); // 3.1.1 has no return code for it
    assert.deepEqual(client.packets, []);
  }
}
