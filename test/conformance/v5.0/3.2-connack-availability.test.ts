/** A server that does not offer everything says so in its CONNACK, and refuses what it does not offer. */
import assert from 'node:assert/strict';
import { octets } from '../support/octets.ts';
import { connect as connectPacket, publish, subscribe } from '../support/packets.ts';
import {
  identifier,
  payloadFormatIndicator,
  requestProblemInformation,
  subscriptionIdentifier,
} from '../support/properties.ts';
import { packetType, singleValueOf, valuesOf } from '../support/received.ts';
import { tooManyLevels } from '../support/refused.ts';
import { section } from '../support/section.ts';

const test = section('5.0', '3.2.2.3 CONNACK, availability');

const payloadFormatInvalid = 0x99;
const retainNotSupported = 0x9a;
const qosNotSupported = 0x9b;
const subscriptionIdentifiersNotSupported = 0xa1;
const wildcardSubscriptionsNotSupported = 0xa2;

for (const maximumQoS of [0, 1] as const) {
  const options = { broker: { limits: { maximumQoS } } };

  test(
    `[MQTT-3.2.2-9] [MQTT-3.2.2-11] with Maximum QoS ${maximumQoS} a PUBLISH above it ends with 0x9B`,
    async ({ connect, name }) => {
      for (const qos of [0, 1, 2] as const) {
        const client = await connect();
        assert.equal(singleValueOf(client.connack.properties, identifier.maximumQoS), maximumQoS);
        if (qos <= maximumQoS) {
          await client.publish(name(), 'x', { qos });
          await client.ping();
        } else {
          client.send(publish('5.0', name(), 'x', { qos }));
          await client.ended(qosNotSupported);
        }
      }
    },
    options,
  );

  test(
    `[MQTT-3.2.2-10] with Maximum QoS ${maximumQoS} a SUBSCRIBE may ask for each QoS`,
    async ({ connect, name }) => {
      const client = await connect();
      for (const qos of [0, 1, 2]) {
        const [code = 0xff] = await client.subscribe(name(`/${qos}`), qos);
        assert.ok(code <= qos, `granted ${code}`);
        await client.publish(name(`/${qos}`), 'x', { qos: maximumQoS });
        assert.equal((await client.receive()).qos, Math.min(qos, maximumQoS));
      }
    },
    options,
  );

  test(
    `[MQTT-3.2.2-12] with Maximum QoS ${maximumQoS} a CONNECT with a will above it is refused with 0x9B`,
    async ({ name, tryConnect }) => {
      for (const qos of [0, 1, 2] as const) {
        const client = await tryConnect({ will: { topic: name(), qos } });
        assert.equal(client.connack.code, qos <= maximumQoS ? 0 : qosNotSupported);
        if (qos > maximumQoS) await client.closed();
      }
    },
    options,
  );
}

const withoutRetain = { broker: { retainAvailable: false } };

test(
  '[MQTT-3.2.2-14] without retained messages a PUBLISH with RETAIN ends the connection with 0x9A',
  async ({ connect, name }) => {
    for (const qos of [0, 1, 2] as const) {
      const client = await connect();
      assert.equal(singleValueOf(client.connack.properties, identifier.retainAvailable), 0);
      await client.publish(name(), 'x', { qos });
      client.send(publish('5.0', name(), 'x', { qos, retain: true }));
      await client.ended(retainNotSupported);
    }
  },
  withoutRetain,
);

test(
  '[MQTT-3.2.2-13] without retained messages a CONNECT with will retain is refused with 0x9A',
  async ({ name, tryConnect }) => {
    const refused = await tryConnect({ will: { topic: name(), retain: true } });
    assert.equal(refused.connack.code, retainNotSupported);
    await refused.closed();
    const accepted = await tryConnect({ will: { topic: name(), retain: false } });
    assert.equal(accepted.connack.code, 0);
  },
  withoutRetain,
);

test(
  '[MQTT-3.2.2-8] without wildcard subscriptions a SUBSCRIBE with one ends the connection with 0xA2',
  async ({ connect, name }) => {
    for (const filter of ['#', '+', name('/+'), name('/#')]) {
      const client = await connect();
      const available = identifier.wildcardSubscriptionAvailable;
      assert.equal(singleValueOf(client.connack.properties, available), 0);
      assert.deepEqual(await client.subscribe(name()), [0]);
      client.send(subscribe('5.0', [[filter, 0]]));
      await client.ended(wildcardSubscriptionsNotSupported);
    }
  },
  { broker: { wildcardSubscriptionAvailable: false } },
);

test(
  '[MQTT-3.2.2-8] without subscription identifiers a SUBSCRIBE with one ends the connection with 0xA1',
  async ({ connect, name }) => {
    const client = await connect();
    const available = identifier.subscriptionIdentifiersAvailable;
    assert.equal(singleValueOf(client.connack.properties, available), 0);
    assert.deepEqual(await client.subscribe(name()), [0]);
    client.send(subscribe('5.0', [[name(), 0]], { properties: subscriptionIdentifier(1) }));
    await client.ended(subscriptionIdentifiersNotSupported);
  },
  { broker: { subscriptionIdentifiersAvailable: false } },
);

const checking = { broker: { checksPayloadFormat: true } };

test(
  '[MQTT-3.3.2-4] a server that checks the payload format answers wrong text with 0x99',
  async ({ connect, name }) => {
    const watcher = await connect();
    await watcher.subscribe(name());
    const properties = payloadFormatIndicator(1);
    const wrong = octets('c3 28');
    const client = await connect();
    client.send(publish('5.0', name(), wrong, { qos: 1, id: 1, properties }));
    assert.deepEqual((await client.nextAcknowledgement(packetType.puback)).codes, [payloadFormatInvalid]);
    client.send(publish('5.0', name(), wrong, { qos: 2, id: 2, properties }));
    assert.deepEqual((await client.nextAcknowledgement(packetType.pubrec)).codes, [payloadFormatInvalid]);
    // The identifier is free again, and what is text goes on.
    await client.publish(name(), 'text ✓', { qos: 2, id: 2, properties });
    assert.equal((await watcher.receive()).text, 'text ✓');
    await client.publish(name(), wrong, { qos: 1 }); // nobody said that it is text
    assert.deepEqual((await watcher.receive()).payload, wrong);
    client.send(publish('5.0', name(), wrong, { properties }));
    await client.ended(payloadFormatInvalid);
    await watcher.nothingBefore(await connect(), name());
  },
  checking,
);

test(
  '[MQTT-3.3.2-4] a server that checks the payload format refuses a will that is not the text it claims to be',
  async ({ open, name }) => {
    const will = { topic: name(), properties: payloadFormatIndicator(1) };
    const accepted = await open();
    accepted.send(connectPacket('5.0', { clientId: name(), will: { ...will, payload: 'ä' } }));
    assert.equal((await accepted.nextConnack()).code, 0);
    const refused = await open();
    refused.send(connectPacket('5.0', { clientId: name(), will: { ...will, payload: octets('c3') } }));
    await refused.ended(payloadFormatInvalid);
  },
  checking,
);

for (const [reasonStrings, unasked] of [
  ['always', 1],
  ['onRequest', 0],
] as const) {
  test(
    `[MQTT-3.1.2-29] who asks is told what is wrong, and who wants to be spared is not (${reasonStrings})`,
    async ({ connect }) => {
      for (const [properties, expected] of [
        ['', unasked],
        [requestProblemInformation(1), 1],
        [requestProblemInformation(0), 0],
      ] as const) {
        const client = await connect({ properties });
        client.send(subscribe('5.0', [[tooManyLevels, 0]]));
        const suback = await client.nextAcknowledgement(packetType.suback);
        assert.deepEqual(suback.codes, [0x8f]);
        assert.equal(valuesOf(suback.properties, identifier.reasonString).length, expected);
      }
    },
    { broker: { reasonStrings } },
  );
}
