/** SUBACK: the answer to SUBSCRIBE. */
import assert from 'node:assert/strict';
import { subscribe } from '../support/packets.ts';
import { packetType, readAcknowledgement } from '../support/received.ts';
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
  // Also where a server may refuse, or may end the connection: $-topics and the shared subscriptions of others.
  const filters = [name('/t'), '$SYS/#', `$share/${name()}/t`, '$share/g/', '$share', '$other/x', '/'];
  for (const filter of filters) {
    const client = await connect();
    client.send(
      subscribe(
        '3.1.1',
        [0, 1, 2].map((qos) => [filter, qos] as const),
      ),
    );
    const answer = await client.nextUnlessClosed();
    if (answer === undefined) continue;
    const { codes } = readAcknowledgement('3.1.1', answer);
    assert.equal(codes.length, 3);
    for (const code of codes) assert.ok([0, 1, 2, 0x80].includes(code), `${filter}: ${code}`);
  }
});
