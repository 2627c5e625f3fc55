/**
 * The SUBACK precedes retained messages and the client's own messages published right after its SUBSCRIBE in the same
 * piece; and from the SUBACK on nothing is missed.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PacketType } from '../../../core/wire/packet-type.ts';
import { startBroker } from '../../support/broker.ts';
import { pingreqFrame, publishFrame, publishOf, subscribeFrame, textOf } from '../../support/frames.ts';
import { openClient, transports } from '../../support/raw-client.ts';

for (const transport of transports) {
  for (const workers of [1, 4]) {
    test(`${transport}, ${workers} workers: SUBACK, then retained, then what was published right behind`, async (t) => {
      const running = await startBroker(t, { workers });
      for (let index = 0; index < 20; index++) {
        await running.broker.publish(`r/${index}`, `retained ${index}`, { retain: true });
      }
      for (let round = 0; round < 10; round++) {
        const client = await openClient(t, transport, running);
        client.send(
          subscribeFrame('r/+', 1, { packetId: 77 }),
          publishFrame('r/live', 'live 0'),
          publishFrame('r/live', 'live 1', { qos: 1, packetId: 78 }),
          publishFrame('r/3', 'live 3', { qos: 1, packetId: 79 }),
          pingreqFrame,
        );
        const suback = await client.nextPacket();
        assert.equal(suback.type, PacketType.suback);
        const texts: string[] = [];
        let others = 0;
        while (texts.length < 23) {
          const packet = await client.nextPacket();
          if (packet.type !== PacketType.publish) others++;
          else texts.push(textOf(publishOf(packet)));
        }
        while (others < 3) {
          assert.notEqual((await client.nextPacket()).type, PacketType.publish);
          others++;
        }
        const retained = texts.filter((text) => text.startsWith('retained'));
        assert.deepEqual(new Set(retained).size, 20, 'each retained message once');
        assert.deepEqual(texts.filter((text) => !text.startsWith('retained')).sort(), [
          'live 0',
          'live 1',
          'live 3',
        ]);
        // Of one topic: what was retained comes before what is live.
        assert.ok(texts.indexOf('retained 3') < texts.indexOf('live 3'), texts.join(', '));
        assert.ok(texts.indexOf('live 0') < texts.indexOf('live 1'));
        client.destroy();
      }
    });

    test(`${transport}, ${workers} workers: none of what others publish is missed behind the SUBACK, nor out of order`, async (t) => {
      const running = await startBroker(t, { workers });
      const publisher = await openClient(t, transport, running);
      let published = 0;
      const publishSome = (): void => {
        const burst = Array.from({ length: 20 }, () => publishFrame('live', `${published++}`));
        publisher.send(...burst);
      };
      for (let round = 0; round < 20; round++) {
        const subscriber = await openClient(t, transport, running);
        publishSome();
        subscriber.send(subscribeFrame('live'));
        publishSome();
        const seen: number[] = [];
        // Messages of others may come before the SUBACK (3.8.4).
        let packet = await subscriber.nextPacket();
        for (; packet.type !== PacketType.suback; packet = await subscriber.nextPacket()) {
          seen.push(Number(textOf(publishOf(packet))));
        }
        const firstAfter = published;
        publishSome();
        publishSome();
        while (seen.at(-1) !== published - 1)
          seen.push(Number(textOf(publishOf(await subscriber.nextPacket()))));
        const [first = Number.POSITIVE_INFINITY] = seen;
        assert.ok(first <= firstAfter, `${first} is the first, but the SUBACK came before ${firstAfter}`);
        assert.deepEqual(
          seen,
          Array.from({ length: seen.length }, (_, index) => first + index),
        );
        subscriber.destroy();
      }
    });
  }

  test(`${transport}: a large PUBLISH right behind a SUBSCRIBE`, async (t) => {
    const running = await startBroker(t, { workers: 4 });
    for (const qos of [0, 1] as const) {
      const client = await openClient(t, transport, running);
      client.send(
        subscribeFrame('large', 0),
        publishFrame('large', new Uint8Array(900_000), { qos }),
        pingreqFrame,
      );
      assert.equal((await client.nextPacket()).type, PacketType.suback);
      const types = [(await client.nextPacket()).type, (await client.nextPacket()).type];
      assert.ok(types.includes(PacketType.publish), `QoS ${qos}: ${types}`);
    }
  });
}
