/** Topic names, topic filters, and which of them match. */
import assert from 'node:assert/strict';
import { packet, string } from '../support/octets.ts';
import { publish, subscribe } from '../support/packets.ts';
import { assertFilterRefused, malformed, protocolError, refused } from '../support/refused.ts';
import { section } from '../support/section.ts';

const test = section('5.0', '4.7 Topic Names and Topic Filters');

refused(
  test,
  '[MQTT-4.7.0-1]',
  ['+', '#', 't/+', 't/#', '+/t', 'a+b', 'a#', 't/+/u'].map((topic) => [
    `a PUBLISH to ${topic}`,
    publish('5.0', topic, 'm'),
    malformed, // 0x90 is for a topic name that is formed correctly (3.14.2.1)
    protocolError,
  ]),
);

test('[MQTT-4.7.1-1] # stands alone in the last level, or the filter is refused', async ({
  connect,
  name,
}) => {
  for (const suffix of ['#', 'a#', '/#/a', '/#/', '/a#', '/##', '/#a', '/+#']) {
    await assertFilterRefused(await connect(), name(suffix));
  }
  for (const filter of ['#/', '##', '#a', '#/a']) await assertFilterRefused(await connect(), filter);
});

test('[MQTT-4.7.1-2] + stands alone in its level, or the filter is refused', async ({ connect, name }) => {
  for (const suffix of ['+', '/a+', '/+a', '/++', '/a+/b', '/+a/#']) {
    await assertFilterRefused(await connect(), name(suffix));
  }
});

/** Filter, topics that match, topics that do not; all below a name of the test. */
const matching = [
  ['/#', ['', '/', '/a', '/a/b', '//'], ['x', 'x/a']],
  ['/a/#', ['/a', '/a/', '/a/b/c'], ['/ab', '/', '/b/a']],
  ['/+', ['/', '/a', '/ä'], ['', '/a/', '/a/b', '//']],
  ['/+/', ['//', '/a/'], ['/', '/a', '/a/b']],
  ['/+/b', ['/a/b', '//b'], ['/b', '/a/b/', '/a/c', '/a/a/b']],
  ['/+/+', ['//', '/a/b'], ['/a', '/a/b/c']],
  ['/a/+/c/#', ['/a/b/c', '/a//c', '/a/b/c/d'], ['/a/c', '/a/b/b/c', '/a/b']],
  ['/', ['/'], ['', '//']],
  ['//', ['//'], ['/', '///']],
] as const;

for (const [filter, matches, others] of matching) {
  const identifiers = filter.includes('#') ? '[MQTT-4.7.1-1]' : '[MQTT-4.7.1-2]';
  test(`${identifiers} t${filter} matches ${matches.map((topic) => `t${topic}`).join(' ')} and not ${others.map((topic) => `t${topic}`).join(' ')}`, async ({
    connect,
    name,
  }) => {
    const publisher = await connect();
    const client = await connect();
    await client.subscribe(name(filter), 1);
    for (const topic of [...others, ...matches]) await publisher.publish(name(topic), topic, { qos: 1 });
    const topics: string[] = [];
    while (topics.length < matches.length) topics.push((await client.receive()).topic);
    assert.deepEqual(topics.sort(), matches.map((topic) => name(topic)).sort());
    await client.ping();
  });
}

test('[MQTT-4.7.1-2] + stands for the first level, too', async ({ connect, name }) => {
  const publisher = await connect();
  const client = await connect();
  await client.subscribe([`+/${name()}`, `+/+/${name()}`]);
  const topics = [`a/${name()}`, `/${name()}`, `a/b/${name()}`, `//${name()}`];
  for (const topic of topics) {
    await publisher.publish(topic, 'm');
    assert.equal((await client.receive()).topic, topic);
  }
});

test('[MQTT-4.7.2-1] a wildcard in the first level matches no topic that begins with $', async ({
  connect,
  name,
}) => {
  const publisher = await connect();
  const client = await connect();
  await client.subscribe(['#', '+/#', `+/${name()}`, `+/${name('/#')}`]);
  // The server may keep such topics for itself: that is its own answer.
  publisher.send(publish('5.0', `$${name()}/${name()}`, 'hidden'));
  const open = await connect();
  await open.publish(`a/${name()}`, 'marker');
  for (;;) {
    const { topic, text } = await client.receive(); // of all tests, since # matches all
    assert.ok(!topic.startsWith('$'), topic);
    if (text === 'marker' && topic === `a/${name()}`) break;
  }
});

test('[MQTT-4.7.2-1] a filter that begins with $ as the topic does matches', async ({
  connect,
  name,
  target,
}) => {
  if (!target.isOurs) return; // a server may keep all of these topics for itself
  const client = await connect();
  for (const filter of [`$${name()}/a`, `$${name()}/+`, `$${name()}/#`]) {
    const subscriber = await connect();
    await subscriber.subscribe(filter);
    client.send(publish('5.0', `$${name()}/a`, 'm'));
    assert.equal((await subscriber.receive()).text, 'm', filter);
  }
});

refused(test, '[MQTT-4.7.3-1]', [
  ['a PUBLISH to an empty topic', publish('5.0', '', 'm'), protocolError, malformed],
]);

test('[MQTT-4.7.3-1] an empty filter is refused', async ({ connect }) => {
  await assertFilterRefused(await connect(), '');
});

test('[MQTT-4.7.3-1] one character is enough', async ({ connect, name }) => {
  const client = await connect();
  assert.deepEqual(await client.subscribe(['/', 'x', name()], 0), [0, 0, 0]);
  await client.publish('/', 'slash');
  let message = await client.receive();
  while (message.topic !== '/') message = await client.receive();
  await client.unsubscribe('/', 'x', name());
});

const nul = '\u0000';
refused(test, '[MQTT-4.7.3-2]', [
  ['a PUBLISH to a topic with U+0000', publish('5.0', `a${nul}b`, 'm'), malformed],
  ['a SUBSCRIBE to a filter with U+0000', subscribe('5.0', [[`a${nul}b`, 0]]), malformed],
  ['an UNSUBSCRIBE from a filter with U+0000', packet(0xa2, '0001 00', string(`a${nul}`)), malformed],
]);

test('[MQTT-4.7.3-3] topics and filters may have up to 65,535 bytes', async ({ connect, name }) => {
  const client = await connect();
  for (const letter of ['x', 'ü']) {
    const rest = letter.repeat(Math.floor((65_535 - name().length) / Buffer.byteLength(letter)));
    assert.deepEqual(await client.subscribe(name(rest)), [0]);
    await client.publish(name(rest), letter);
    const { topic, text } = await client.receive();
    assert.ok(topic === name(rest));
    assert.equal(text, letter);
  }
});

const distinct = [
  ['ACCOUNTS', 'Accounts'],
  ['/finance', 'finance'],
  ['finance/', 'finance'],
  ['a//b', 'a/b'],
  ['Accounts payable', 'Accountspayable'],
  ['\u00e4', 'a\u0308'], // ä as one character and as two
  ['\u212b', '\u00c5'], // the Ångström sign and the letter
  ['\ufeffx', 'x'],
  ['a/./b', 'a/b'],
  ['%61', 'a'],
] as const;

for (const [one, other] of distinct) {
  test(`[MQTT-4.7.3-4] ${JSON.stringify(one)} and ${JSON.stringify(other)} are two topics, compared as they are`, async ({
    connect,
    name,
  }) => {
    const publisher = await connect();
    for (const [filter, wrong] of [
      [one, other],
      [other, one],
    ] as const) {
      const client = await connect();
      await client.subscribe(name(`/${filter}`), 1);
      await publisher.publish(name(`/${wrong}`), 'wrong', { qos: 1 });
      await publisher.publish(name(`/${filter}`), 'right', { qos: 1 });
      const { topic, text } = await client.receive();
      assert.deepEqual([topic, text], [name(`/${filter}`), 'right']);
      await client.ping();
    }
  });
}
