/** PUBREL: the third packet of QoS 2. */
import { packet } from '../support/octets.ts';
import { publish } from '../support/packets.ts';
import { section } from '../support/section.ts';

const test = section('3.1.1', '3.6 PUBREL');

test('[MQTT-3.6.1-1] flags other than 0010 end the connection', async ({ connect, name }) => {
  for (let flags = 0; flags < 16; flags++) {
    if (flags === 2) continue;
    const client = await connect();
    client.send(publish('3.1.1', name('/t'), 'x', { qos: 2, id: 1 }));
    await client.expect('50 02 0001');
    client.send(packet(0x60 | flags, '0001'), 'c0 00');
    await client.closed();
  }
});

test('[MQTT-3.6.1-1] with the flags 0010 it is answered with PUBCOMP', async ({ connect, name }) => {
  const client = await connect();
  client.send(publish('3.1.1', name('/t'), 'x', { qos: 2, id: 1 }));
  await client.expect('50 02 0001');
  client.send('62 02 0001');
  await client.expect('70 02 0001');
});
