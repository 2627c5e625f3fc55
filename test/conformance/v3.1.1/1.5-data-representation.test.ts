/** Section 1.5: strings. */
import assert from 'node:assert/strict';
import { octets, packet, string, text } from '../support/octets.ts';
import { section } from '../support/section.ts';

const test = section('3.1.1', '1.5 Data representations');

const illFormed = {
  'a high surrogate': 'eda080',
  'a low surrogate': 'edbfbf',
  'a pair of surrogates': 'eda081edb080',
  'a continuation byte alone': '80',
  'a character cut off': 'e282',
  'a slash in two bytes': 'c0af',
  'a slash in three bytes': 'e080af',
  'U+110000': 'f4908080',
  'five bytes': 'f888808080',
  'the byte FE': 'fe',
  Latin1: 'e9',
};

/** Each string of a client's packets, with `bytes` in it; those of CONNECT have the end of one before them. */
function connects(bytes: Uint8Array): Record<string, Uint8Array> {
  const bad = string(octets(text('a'), bytes));
  return {
    'client identifier': packet(0x10, string('MQTT'), '04 02 0000', bad),
    'will topic': packet(0x10, string('MQTT'), '04 06 0000 0000', bad, '0000'),
    'user name': packet(0x10, string('MQTT'), '04 82 0000 0000', bad),
  };
}

function others(bytes: Uint8Array): Record<string, Uint8Array> {
  const bad = string(octets(text('a'), bytes));
  return {
    'topic name of a PUBLISH of QoS 0': packet(0x30, bad),
    'topic name of a PUBLISH of QoS 1': packet(0x32, bad, '0001'),
    'filter of a SUBSCRIBE': packet(0x82, '0001', bad, '00'),
    'second filter of a SUBSCRIBE': packet(0x82, '0001', string('a'), '00', bad, '00'),
    'filter of an UNSUBSCRIBE': packet(0xa2, '0001', bad),
  };
}

for (const [name, notation] of Object.entries(illFormed)) {
  test(`[MQTT-1.5.3-1] ${name} ends the connection wherever it stands`, async ({ open, connect }) => {
    for (const bytes of Object.values(connects(octets(notation)))) {
      const client = await open();
      client.send(bytes);
      await client.closed();
    }
    for (const bytes of Object.values(others(octets(notation)))) {
      const client = await connect();
      client.send(bytes);
      await client.closed();
    }
  });
}

for (const place of Object.keys(connects(octets()))) {
  test(`[MQTT-1.5.3-2] U+0000 in the ${place} ends the connection`, async ({ open }) => {
    const client = await open();
    client.send(connects(octets('00'))[place] ?? assert.fail());
    await client.closed();
  });
}

for (const place of Object.keys(others(octets()))) {
  test(`[MQTT-1.5.3-2] U+0000 in the ${place} ends the connection`, async ({ connect }) => {
    const client = await connect();
    client.send(others(octets('00'))[place] ?? assert.fail());
    await client.closed();
  });
}

test('[MQTT-1.5.3-3] EF BB BF is a character like others in a topic', async ({ connect, name }) => {
  const client = await connect();
  for (const topic of [name('\ufeff'), name('/\ufeff/x'), `\ufeff${name('/x')}`]) {
    assert.deepEqual(await client.subscribe(topic, 1), [1]);
    await client.publish(topic.replace('\ufeff', ''), 'without', { qos: 1 });
    await client.publish(topic, 'with', { qos: 1 });
    const message = await client.receive();
    assert.equal(message.text, 'with');
    assert.equal(message.topic, topic);
  }
});
