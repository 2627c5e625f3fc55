/** PINGREQ and PINGRESP: the client asks whether the server is there. */
import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import { malformed, protocolError, refused } from '../support/refused.ts';
import { section } from '../support/section.ts';

const test = section('5.0', '3.12 PINGREQ');

test('[MQTT-3.12.4-1] each PINGREQ is answered with a PINGRESP', async ({ connect }) => {
  const client = await connect();
  client.send('c0 00');
  await client.expect('d0 00');
  client.send('c0 00 c0 00 c0 00');
  for (let count = 0; count < 3; count++) await client.expect('d0 00');
  await client.ping();
});

test('[MQTT-3.12.4-1] PINGREQ keeps a client that has nothing else to say', async ({ connect, name }) => {
  // With a keep alive of 1 s the server ends a silent connection after 1.5 s.
  const silent = await connect({ keepAlive: 1, will: { topic: name() } });
  const client = await connect({ keepAlive: 1 });
  await client.subscribe(name());
  let isOver = false;
  const over = silent.raw.closed().then(() => {
    isOver = true;
  });
  while (!isOver) {
    await Promise.race([over, delay(500)]);
    client.send('c0 00');
    const answer = await client.next();
    if (answer.header === 0xd0) continue;
    assert.equal(answer.header, 0x30, 'the will');
    await client.expect('d0 00');
  }
  await client.disconnect();
});

refused(test, '[MQTT-4.13.1-1]', [
  ['a PINGREQ with a flag', 'c1 00', malformed],
  ['a PINGREQ with a body', 'c0 01 00', malformed],
  ['a PINGRESP from a client', 'd0 00', protocolError],
]);
