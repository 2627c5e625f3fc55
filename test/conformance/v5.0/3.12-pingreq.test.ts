/** PINGREQ and PINGRESP: the client asks whether the server is there. */
import assert from 'node:assert/strict';
import { withTimeEnough } from '../../support/time-enough.ts';
import { malformed, protocolError, refused } from '../support/refused.ts';
import { section } from '../support/section.ts';
import { secondsPass } from '../support/time.ts';

const test = section('5.0', '3.12 PINGREQ');

test('[MQTT-3.12.4-1] each PINGREQ is answered with a PINGRESP', async ({ connect }) => {
  const client = await connect();
  client.send('c0 00');
  await client.expect('d0 00');
  client.send('c0 00 c0 00 c0 00');
  for (let count = 0; count < 3; count++) await client.expect('d0 00');
  await client.ping();
});

test('[MQTT-3.12.4-1] PINGREQ keeps a client that has nothing else to say', async ({ connect }) => {
  // With a keep alive of 2 s the server ends a silent connection after 3 s.
  await withTimeEnough(async (keepAlive, inTime) => {
    const silent = await connect({ keepAlive });
    const client = await connect({ keepAlive });
    const ping = async (): Promise<void> => {
      await secondsPass(keepAlive / 4);
      await client.ping();
    };
    for (let round = 0; !silent.raw.isClosed; round++) {
      assert.ok(round < 40, 'silence does not end the connection');
      await inTime(0.7, ping);
    }
    await inTime(0.7, ping);
  });
});

refused(test, '[MQTT-4.13.1-1]', [
  ['a PINGREQ with a flag', 'c1 00', malformed],
  ['a PINGREQ with a body', 'c0 01 00', malformed],
  ['a PINGRESP from a client', 'd0 00', protocolError],
]);
