/** DISCONNECT: how a client leaves. */
import { packet } from '../support/octets.ts';
import { publish } from '../support/packets.ts';
import { section } from '../support/section.ts';

const test = section('3.1.1', '3.14 DISCONNECT');

test('[MQTT-3.14.1-1] reserved bits that are set end the connection', async ({ connect }) => {
  for (let flags = 1; flags < 16; flags++) {
    const client = await connect();
    client.send(packet(0xe0 | flags), 'c0 00');
    await client.closed();
  }
});

test('[MQTT-3.14.4-3] with DISCONNECT the will is not published', async ({ connect, name }) => {
  const topic = name('/w');
  const watcher = await connect();
  await watcher.subscribe(topic, 1);
  for (const qos of [0, 1, 2] as const) {
    const client = await connect({ will: { topic, payload: 'never', qos, retain: true } });
    // A message that came right before it is still taken.
    client.send(publish('3.1.1', name('/t'), 'x', { qos: 1 }), 'e0 00');
    await client.raw.closed();
  }
  await watcher.nothingBefore(await connect(), topic);
  const late = await connect();
  await late.subscribe(topic, 1);
  await late.ping();
});
