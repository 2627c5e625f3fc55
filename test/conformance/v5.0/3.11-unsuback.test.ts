/** UNSUBACK: the answer to an UNSUBSCRIBE. */
import assert from 'node:assert/strict';
import { assertFits } from '../support/fitting.ts';
import { unsubscribe } from '../support/packets.ts';
import { packetType } from '../support/received.ts';
import { section } from '../support/section.ts';

const test = section('5.0', '3.11 UNSUBACK');

/** Table 3-9. */
const reasonCodes = [0x00, 0x11, 0x80, 0x83, 0x87, 0x8f, 0x91];

test('[MQTT-3.11.2-1] [MQTT-3.11.2-2] an UNSUBACK says no more than the client takes', async (context) => {
  await assertFits(context, async (client) => {
    client.send(unsubscribe('5.0', [context.name('/none')], { id: 3 }));
    return await client.next();
  });
});

test('[MQTT-3.11.3-1] the reason codes are in the order of the filters', async ({ connect, name }) => {
  const client = await connect();
  await client.subscribe([name('/1'), name('/3'), name('/4')]);
  client.send(
    unsubscribe(
      '5.0',
      ['/0', '/1', '/2', '/3', '/4', '/5'].map((suffix) => name(suffix)),
      { id: 8 },
    ),
  );
  const { id, codes } = await client.nextAcknowledgement(packetType.unsuback);
  assert.deepEqual([id, codes], [8, [0x11, 0, 0x11, 0, 0, 0x11]]);
});

test('[MQTT-3.11.3-2] every reason code is one of UNSUBACK, one for each filter', async ({
  connect,
  name,
}) => {
  for (const filter of [name(), name('/#'), `$share/g/${name()}`, `+/${name()}`]) {
    const client = await connect();
    client.send(unsubscribe('5.0', [filter, filter], { id: 8 }));
    const { codes } = await client.nextAcknowledgement(packetType.unsuback);
    assert.equal(codes.length, 2);
    for (const code of codes) assert.ok(reasonCodes.includes(code), `reason code ${code} for ${filter}`);
  }
});
