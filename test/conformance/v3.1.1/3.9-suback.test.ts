/** SUBACK: the answer to SUBSCRIBE. */
import assert from 'node:assert/strict';
import { subscribe } from '../support/packets.ts';
import { packetType } from '../support/received.ts';
import { section } from '../support/section.ts';

const test = section('3.1.1', '3.9 SUBACK');

test('[MQTT-3.9.3-1] the codes are in the order of the filters', async ({ connect, name }) => {
  const client = await connect();
  const requested = [2, 0, 1, 1, 0, 2, 0];
  const entries = requested.map((qos, index) => [name(`/${index}`), qos] as const);
  client.send(subscribe('3.1.1', entries, { id: 5 }));
  const { id, codes } = await client.nextAcknowledgement(packetType.suback);
  assert.equal(id, 5);
  assert.deepEqual(codes, requested);
});

test('[MQTT-3.9.3-2] the codes are 0, 1, 2 and 0x80', async ({ connect, name }) => {
  const client = await connect();
  // Also where a server may refuse: other servers' topics, and the shared subscriptions of later versions.
  const filters = [name('/t'), '$SYS/#', `$share/${name()}/t`, '$share/g/', '$share', '$other/x', '/'];
  for (const filter of filters) {
    for (const qos of [0, 1, 2]) {
      const [code = 0xff] = await client.subscribe(filter, qos);
      assert.ok([0, 1, 2, 0x80].includes(code), `${filter}: ${code}`);
    }
  }
});
