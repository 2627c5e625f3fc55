/** What is sent again when a client comes back, and what is not. */
import assert from 'node:assert/strict';
import { packet, u16 } from '../support/octets.ts';
import { puback, pubcomp, publish, pubrec, pubrel } from '../support/packets.ts';
import { pair, sessionExpiry } from '../support/pair.ts';
import { packetType } from '../support/received.ts';
import { section } from '../support/section.ts';
import { secondsPass } from '../support/server-clock.ts';

const test = section('5.0', '4.4 Message delivery retry');

test('[MQTT-4.4.0-1] after a reconnect PUBLISH and PUBREL come again, with their packet identifiers', async (context) => {
  const { publisher, subscriber, reconnect } = await pair(context, 2);
  const ids = new Map<string, number>();
  for (const [text, qos] of [
    ['a', 1],
    ['b', 2],
    ['c', 2],
    ['d', 1],
    ['e', 2],
  ] as const) {
    await publisher.publish(context.name(), text, { qos });
    ids.set(text, (await subscriber.nextPublish()).id);
  }
  const idOf = (text: string): number => ids.get(text) ?? 0;
  subscriber.send(puback(idOf('a')), pubrec(idOf('b')), pubrec(idOf('c')));
  for (const text of ['b', 'c']) {
    assert.equal((await subscriber.nextAcknowledgement(packetType.pubrel)).id, idOf(text));
  }
  subscriber.send(pubcomp(idOf('b')));
  await subscriber.ping();
  await subscriber.drop();
  for (let round = 0; round < 3; round++) {
    const again = await reconnect();
    const seen: string[] = [];
    while (seen.length < 3) {
      const next = await again.next();
      seen.push(`${next.header.toString(16)}`);
      if (next.type === packetType.pubrel) {
        assert.equal((next.body[0] ?? 0) * 256 + (next.body[1] ?? 0), idOf('c'));
        continue;
      }
      const id = next.body.subarray(2 + context.name().length);
      const text = next.header === 0x3a ? 'd' : 'e';
      assert.equal((id[0] ?? 0) * 256 + (id[1] ?? 0), idOf(text), `packet identifier of ${text}`);
    }
    // PUBLISH with DUP and QoS 1, with DUP and QoS 2, and PUBREL.
    assert.deepEqual(seen.sort(), ['3a', '3c', '62']);
    await again.ping();
    await again.drop();
  }
});

test('[MQTT-4.4.0-1] the server takes what a client sends again', async ({ connect, name }) => {
  const subscriber = await connect();
  await subscriber.subscribe(name(), 2);
  const session = { clientId: name('p'), properties: sessionExpiry };
  const first = await connect(session);
  first.send(
    publish('5.0', name(), 'one', { qos: 2, id: 1 }),
    publish('5.0', name(), 'two', { qos: 2, id: 2 }),
  );
  for (const id of [1, 2]) assert.equal((await first.nextAcknowledgement(packetType.pubrec)).id, id);
  first.send(pubrel(1));
  await first.nextAcknowledgement(packetType.pubcomp);
  await first.drop();
  const again = await connect({ ...session, clean: false });
  again.send(pubrel(1), publish('5.0', name(), 'two', { qos: 2, id: 2, dup: true }));
  assert.equal((await again.nextAcknowledgement(packetType.pubcomp)).id, 1);
  assert.equal((await again.nextAcknowledgement(packetType.pubrec)).id, 2);
  again.send(pubrel(2));
  assert.deepEqual((await again.nextAcknowledgement(packetType.pubcomp)).codes, [0]);
  assert.deepEqual(await subscriber.receiveTexts(2), ['one', 'two']);
  await subscriber.nothingBefore(again, name());
});

test('[MQTT-4.4.0-1] while the connection lasts nothing is sent again', async (context) => {
  const { publisher, subscriber } = await pair(context, 2);
  await publisher.publish(context.name(), 'one', { qos: 1 });
  await publisher.publish(context.name(), 'two', { qos: 2 });
  await subscriber.nextPublish();
  const two = await subscriber.nextPublish();
  subscriber.send(pubrec(two.id));
  await subscriber.nextAcknowledgement(packetType.pubrel);
  await secondsPass(context, 3);
  await subscriber.ping();
});

test('[MQTT-4.4.0-1] with a clean start nothing is sent again', async (context) => {
  const { publisher, subscriber } = await pair(context, 2);
  for (const qos of [1, 2] as const) await publisher.publish(context.name(), 'm', { qos });
  await subscriber.nextPublish();
  await subscriber.nextPublish();
  await subscriber.drop();
  const fresh = await context.connect({ clientId: context.name('s'), properties: sessionExpiry });
  assert.equal(fresh.connack.sessionPresent, false);
  await fresh.ping();
});

for (const [what, header, qos] of [
  ['PUBACK', 0x40, 1],
  ['PUBREC', 0x50, 2],
] as const) {
  test(`[MQTT-4.4.0-2] a message that a ${what} with 0x80 or more answered does not come again`, async (context) => {
    const { publisher, subscriber, reconnect } = await pair(context, 2);
    const codes = [0x80, 0x83, 0x87, 0x97];
    for (const code of codes) {
      await publisher.publish(context.name(), 'refused', { qos });
      const { id } = await subscriber.nextPublish();
      subscriber.send(packet(header, u16(id), Uint8Array.of(code)));
    }
    await subscriber.ping();
    await subscriber.drop();
    const again = await reconnect();
    await again.ping();
    await again.nothingBefore(publisher, context.name());
  });
}
