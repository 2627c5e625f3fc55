/** Server references (MQTT 5, 4.11), and Response Information. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeServerDisconnect } from '../../../core/wire/decode-disconnect.ts';
import { isProtocolError } from '../../../core/wire/protocol-error.ts';
import { startBroker } from '../../support/broker.ts';
import { openClient, openConnected, transports } from '../../support/raw-client.ts';

const serverReference = 'mqtt2.example:1883 mqtt3.example';

for (const transport of transports) {
  test(`${transport}: a full broker sends clients to another server with 0x9C`, async (t) => {
    const running = await startBroker(t, { serverReference, limits: { connectionsMax: 1 } });
    await openClient(t, transport, running);
    const { connack } = await openConnected(t, transport, running);
    assert.deepEqual([connack.reasonCode, connack.properties], [0x9c, { serverReference }]);
    const older = await openConnected(t, transport, running, { protocolVersion: 4 });
    assert.equal(older.connack.reasonCode, 0x88); // server unavailable
  });

  test(`${transport}: a broker that stops sends its clients to another server with 0x9C`, async (t) => {
    const running = await startBroker(t, { serverReference });
    const client = await openClient(t, transport, running);
    const stopped = running.broker.stop();
    const { header, body } = await client.nextPacket();
    const disconnect = decodeServerDisconnect(header, body, 5);
    assert.ok(!isProtocolError(disconnect));
    assert.deepEqual(disconnect, { reasonCode: 0x9c, properties: { serverReference } });
    await stopped;
  });

  test(`${transport}: a server that has moved refuses everyone with 0x9D`, async (t) => {
    const running = await startBroker(t, { serverReference, serverMoved: true });
    const { connack } = await openConnected(t, transport, running);
    assert.deepEqual([connack.reasonCode, connack.properties], [0x9d, { serverReference }]);
  });

  test(`${transport}: Response Information is given to those who ask for it [MQTT-3.1.2-28]`, async (t) => {
    const running = await startBroker(t, { responseTopicPrefix: 'answers/of' });
    const informationFor = async (clientId: string, requestResponseInformation?: number) => {
      const properties = requestResponseInformation === undefined ? {} : { requestResponseInformation };
      const { connack } = await openConnected(t, transport, running, { clientId, properties });
      assert.equal(connack.reasonCode, 0);
      return [connack.properties.responseInformation, connack.properties.assignedClientIdentifier];
    };
    assert.deepEqual(await informationFor('c', 1), ['answers/of/c', undefined]);
    assert.deepEqual(await informationFor('a/+#', 1), ['answers/of/a%2F%2B%23', undefined]);
    const [information, assigned] = await informationFor('', 1);
    assert.equal(information, `answers/of/${assigned}`);
    assert.deepEqual(await informationFor('c', 0), [undefined, undefined]);
    assert.deepEqual(await informationFor('c'), [undefined, undefined]);
  });
}

test('without a prefix there is no Response Information', async (t) => {
  const running = await startBroker(t);
  const properties = { requestResponseInformation: 1 };
  const { connack } = await openConnected(t, 'tcp', running, { properties });
  assert.equal(connack.properties.responseInformation, undefined);
});
