/** Topic aliases set by the broker for a client (MQTT 5, 3.1.2.11.5 and 3.3.2.3.4), byte by byte. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startBroker } from '../../support/broker.ts';
import { hexOf, publishFrame, subscribeFrame } from '../../support/frames.ts';
import { openClient, transports } from '../../support/raw-client.ts';

for (const transport of transports) {
  test(`${transport}: [MQTT-3.1.2-26] [MQTT-3.1.2-27] aliases within the client's Topic Alias Maximum, anew on each connection`, async (t) => {
    const running = await startBroker(t);
    const terms = { clientId: 'a', cleanStart: false };
    const properties = { sessionExpiryInterval: 60, topicAliasMaximum: 1 };
    const asking = await openClient(t, transport, running, { ...terms, properties });
    asking.send(subscribeFrame('+/+', 1));
    await asking.nextPacket();
    for (const topic of ['room/1', 'room/2', 'room/1', 'room/2']) asking.send(publishFrame(topic, 'm'));
    asking.send(publishFrame('room/1', 'm', { qos: 1, packetId: 7 }));
    const hexes = await asking.nextHexes(6);
    assert.deepEqual(
      hexes.filter((hex) => !hex.startsWith('40')),
      [
        "30 0d 0006 'room/1' 03 23 0001 'm'",
        "30 0a 0006 'room/2' 00 'm'",
        "30 07 0000 03 23 0001 'm'",
        "30 0a 0006 'room/2' 00 'm'",
        "32 09 0000 0001 03 23 0001 'm'",
      ].map(hexOf),
    );
    asking.destroy();
    const again = await openClient(t, transport, running, { ...terms, properties });
    assert.equal(await again.nextHex(), hexOf("3a 0f 0006 'room/1' 0001 03 23 0001 'm'"));
    again.destroy();
    const without = await openClient(t, transport, running, { ...terms, properties: {} });
    assert.equal(await without.nextHex(), hexOf("3a 0c 0006 'room/1' 0001 00 'm'"));
  });
}
