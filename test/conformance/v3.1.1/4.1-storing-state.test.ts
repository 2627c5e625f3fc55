/** Section 4.1: the state of a session. */
import assert from 'node:assert/strict';
import { pubcomp, publish, pubrec, pubrel } from '../support/packets.ts';
import { section } from '../support/section.ts';

const test = section('3.1.1', '4.1 Storing state');

test('[MQTT-4.1.0-1] subscriptions, waiting messages and half of a QoS 2 are kept over many connections', async ({
  connect,
  name,
}) => {
  const clientId = name('c');
  const publisher = await connect();
  const first = await connect({ clientId, clean: false });
  await first.subscribe(name('/t'), 2);
  await publisher.publish(name('/t'), 'half', { qos: 2 });
  const half = await first.nextPublish();
  first.send(pubrec(half.id));
  await first.expect(pubrel(half.id));
  await first.drop();
  await publisher.publish(name('/t'), 'waiting', { qos: 2 });
  for (let count = 0; count < 3; count++) {
    const between = await connect({ clientId, clean: false });
    assert.equal(between.connack.sessionPresent, true);
    await between.expect(pubrel(half.id));
    assert.equal((await between.nextPublish()).text, 'waiting');
    await between.drop();
  }
  const last = await connect({ clientId, clean: false });
  await last.expect(pubrel(half.id));
  last.send(pubcomp(half.id));
  assert.equal((await last.receive()).text, 'waiting');
  await last.ping();
  await last.disconnect();
  const after = await connect({ clientId, clean: false });
  await after.ping();
});

test('[MQTT-4.1.0-2] the session of a clean session lasts as long as its connection', async ({
  connect,
  name,
}) => {
  const client = await connect();
  await client.subscribe(name('/t'), 2);
  client.send(publish('3.1.1', name('/u'), 'x', { qos: 2, id: 5 }));
  await client.expect(pubrec(5));
  const publisher = await connect();
  for (let count = 0; count < 50; count++) {
    await publisher.publish(name('/t'), `${count}`, { qos: 1 });
    assert.equal((await client.receive()).text, `${count}`);
  }
  client.send(publish('3.1.1', name('/u'), 'x', { qos: 2, id: 5, dup: true }), pubrel(5));
  await client.expect(pubrec(5));
  await client.expect(pubcomp(5));
});
