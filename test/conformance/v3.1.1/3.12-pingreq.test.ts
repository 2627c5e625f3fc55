/** PINGREQ: the client asks whether the server is there. */
import { section } from '../support/section.ts';

const test = section('3.1.1', '3.12 PINGREQ');

test('[MQTT-3.12.4-1] a PINGREQ is answered with a PINGRESP', async ({ connect }) => {
  const client = await connect();
  client.send('c0 00');
  await client.expect('d0 00');
  client.send('c0 00 c0 00 c0 00');
  for (let count = 0; count < 3; count++) await client.expect('d0 00');
  await client.ping();
});
