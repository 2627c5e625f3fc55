/** SUBACK: the answer to a SUBSCRIBE. */
import assert from 'node:assert/strict';
import { assertFits } from '../support/fitting.ts';
import { subscribe } from '../support/packets.ts';
import { packetType, readAcknowledgement } from '../support/received.ts';
import { tooManyLevels } from '../support/refused.ts';
import { section } from '../support/section.ts';

const test = section('5.0', '3.9 SUBACK');

/** Table 3-8. */
const reasonCodes = [0x00, 0x01, 0x02, 0x80, 0x83, 0x87, 0x8f, 0x91, 0x97, 0x9e, 0xa1, 0xa2];

test('[MQTT-3.9.2-1] [MQTT-3.9.2-2] a SUBACK says no more than the client takes', async (context) => {
  await assertFits(context, async (client) => {
    client.send(subscribe('5.0', [[context.name(tooManyLevels), 0]], { id: 3 }));
    const answer = await client.next().catch(() => undefined); // closed: too many levels may count as malformed
    return answer?.type === packetType.suback ? answer : undefined;
  });
});

test('[MQTT-3.9.3-1] the reason codes are in the order of the filters', async ({ connect, name }) => {
  const client = await connect();
  const options = [0, 2, 1, 1, 0, 2, 2];
  client.send(
    subscribe(
      '5.0',
      options.map((qos, index) => [name(`/${index}`), qos] as const),
      { id: 8 },
    ),
  );
  assert.deepEqual((await client.nextAcknowledgement(packetType.suback)).codes, options);
});

test('[MQTT-3.9.3-2] every reason code is one of SUBACK', async ({ connect, name }) => {
  const prefixes = ['', '$share/g/', '$share/g', '$SYS/', '+'];
  for (const prefix of prefixes) {
    const client = await connect();
    client.send(subscribe('5.0', [[prefix + name('/+/#'), 2]], { id: 8, properties: '0b 01' }));
    const answer = await client.next();
    if (answer.type === packetType.disconnect) continue; // not a filter: may be malformed
    assert.equal(answer.type, packetType.suback, prefix);
    const [code = -1, ...more] = readAcknowledgement('5.0', answer).codes;
    assert.ok(reasonCodes.includes(code), `reason code ${code} for ${prefix}`);
    assert.deepEqual(more, []);
  }
});

test(
  '[MQTT-3.9.3-2] a subscription above a limit of the server gets Quota exceeded, and one that is replaced does not',
  async ({ connect, name }) => {
    const client = await connect();
    const filters = ['/1', '/2', '/3', '/1', '/4', '/2'].map((suffix) => name(suffix));
    assert.deepEqual(await client.subscribe(filters, 1), [1, 1, 0x97, 1, 0x97, 1]);
    await client.unsubscribe(name('/1'));
    assert.deepEqual(await client.subscribe(name('/5'), 0), [0]);
  },
  { broker: { limits: { subscriptionsPerSessionMax: 2 } } },
);
