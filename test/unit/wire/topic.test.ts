import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  isReservedTopic,
  isSharedFilter,
  isValidTopicFilter,
  isValidTopicName,
  topicMatchesFilter,
} from '../../../core/wire/topic.ts';

test('reserved is what is below $SYS and $share, but for the state of a bridge', () => {
  const below = '$SYS/broker/connection';
  const reserved = ['$SYS', '$SYS/', '$SYS/broker/uptime', '$share', '$share/g/t', `${below}/state`];
  const states = ['a/b/state', 'a/states', 'a/state/', 'a/State', 'a', 'a/state\n'].map(
    (end) => `${below}/${end}`,
  );
  for (const topic of [...reserved, ...states]) assert.equal(isReservedTopic(topic), true, topic);
  const free = ['', '$', '$SY', '$SYSTEM', '$sys/a', '$shared/a', 'a/$SYS', '/$SYS'];
  const bridges = ['a/state', '/state', 'state/state', 'a b.c/state'].map((end) => `${below}/${end}`);
  for (const topic of [...free, ...bridges]) assert.equal(isReservedTopic(topic), false, topic);
});

test('[MQTT-4.7.0-1] a topic name has no wildcards', () => {
  for (const topic of ['#', '+', 'a/#', 'a/+/b', 'a+', 'a#'])
    assert.equal(isValidTopicName(topic), false, topic);
  for (const topic of ['a', '/', '//', 'a b', '$SYS/x', 'é/😀'])
    assert.equal(isValidTopicName(topic), true, topic);
});

test('[v3 MQTT-4.7.1-1] a topic name has no wildcards', () => {
  assert.equal(isValidTopicName('sport/+'), false);
});

for (const statement of ['[MQTT-4.7.1-1]', '[v3 MQTT-4.7.1-2]']) {
  test(`${statement} # is alone in its level and the last`, () => {
    for (const filter of ['#', '/#', 'a/#', '+/#', 'sport/tennis/#']) {
      assert.equal(isValidTopicFilter(filter), true, filter);
    }
    for (const filter of ['a#', '#a', '#/', '#/a', 'a/#/b', 'a/b#', '##', 'sport/tennis#']) {
      assert.equal(isValidTopicFilter(filter), false, filter);
    }
  });
}

for (const statement of ['[MQTT-4.7.1-2]', '[v3 MQTT-4.7.1-3]']) {
  test(`${statement} + is alone in its level`, () => {
    for (const filter of ['+', '/+', '+/', '+/+', 'a/+/b', '+/tennis/#']) {
      assert.equal(isValidTopicFilter(filter), true, filter);
    }
    for (const filter of ['a+', '+a', 'a/b+/c', '++', 'sport+', '+#']) {
      assert.equal(isValidTopicFilter(filter), false, filter);
    }
  });
}

test('[MQTT-4.7.2-1] a wildcard in the first level does not match $ topics', () => {
  for (const filter of ['#', '+', '+/#', '+/monitor']) {
    assert.equal(topicMatchesFilter('$SYS/monitor', filter), false, filter);
  }
  assert.equal(topicMatchesFilter('$SYS', '+'), false);
  for (const filter of ['$SYS/#', '$SYS/+', '$SYS/monitor']) {
    assert.equal(topicMatchesFilter('$SYS/monitor', filter), true, filter);
  }
  assert.equal(topicMatchesFilter('a/$SYS', 'a/+'), true);
});

test('[MQTT-4.7.3-1] topic names and filters are not empty', () => {
  assert.equal(isValidTopicName(''), false);
  assert.equal(isValidTopicFilter(''), false);
});

test('[MQTT-4.7.3-2] topic names and filters do not contain U+0000', () => {
  assert.equal(isValidTopicName('a\0'), false);
  assert.equal(isValidTopicFilter('a/\0'), false);
  assert.equal(isValidTopicFilter('$share/\0/a'), false);
});

test('[MQTT-4.7.3-3] topic names and filters have at most 65535 bytes', () => {
  for (const [unit, count] of [
    ['a', 65535],
    ['é', 32767],
    ['€', 21845],
    ['😀', 16383],
  ] as const) {
    assert.equal(isValidTopicName(unit.repeat(count)), true);
    assert.equal(isValidTopicFilter(unit.repeat(count)), true);
    assert.equal(isValidTopicName(unit.repeat(count + 1)), false);
    assert.equal(isValidTopicFilter(unit.repeat(count + 1)), false);
  }
});

test('a text with a lone surrogate is no topic: it has no UTF-8', () => {
  assert.equal(isValidTopicName('a\ud800'), false);
  assert.equal(isValidTopicFilter('\udc00/#'), false);
});

test('[MQTT-4.7.3-4] topics are compared as they are', () => {
  assert.equal(topicMatchesFilter('ACCOUNTS', 'Accounts'), false);
  assert.equal(topicMatchesFilter('e\u0301', '\u00e9'), false);
  assert.equal(topicMatchesFilter('a', '/a'), false);
  assert.equal(topicMatchesFilter('a', 'a/'), false);
  assert.equal(topicMatchesFilter('\ufeffa', 'a'), false);
});

test('[MQTT-4.8.2-1] a shared filter starts with $share/ and has a share name', () => {
  for (const filter of ['$share/g/a/#', '$share/g//']) {
    assert.equal(isSharedFilter(filter), true, filter);
    assert.equal(isValidTopicFilter(filter), true, filter);
  }
  for (const filter of ['$share//a', '$share/']) assert.equal(isValidTopicFilter(filter), false, filter);
  for (const filter of ['$share', '$SHARE/g/a', '/$share/g/a', 'a']) {
    assert.equal(isSharedFilter(filter), false, filter);
    assert.equal(isValidTopicFilter(filter), true, filter);
  }
});

test('[MQTT-4.8.2-2] the share name has no wildcard and is followed by / and a topic filter', () => {
  for (const filter of [
    '$share/g',
    '$share/group',
    '$share/g/',
    '$share/+/a',
    '$share/g#/a',
    '$share/#',
    '$share/g/a#',
  ]) {
    assert.equal(isValidTopicFilter(filter), false, filter);
  }
  assert.equal(isValidTopicFilter('$share/g/+/a'), true);
});

test('the examples of sections 4.7.1 and 4.7.2', () => {
  for (const [filter, topic, matches] of [
    ['sport/tennis/player1/#', 'sport/tennis/player1', true],
    ['sport/tennis/player1/#', 'sport/tennis/player1/ranking', true],
    ['sport/tennis/player1/#', 'sport/tennis/player1/score/wimbledon', true],
    ['sport/#', 'sport', true],
    ['sport/tennis/+', 'sport/tennis/player1', true],
    ['sport/tennis/+', 'sport/tennis/player1/ranking', false],
    ['sport/+', 'sport', false],
    ['sport/+', 'sport/', true],
    ['+/+', '/finance', true],
    ['/+', '/finance', true],
    ['+', '/finance', false],
    ['#', '/', true],
    ['a/b', 'a/b/c', false],
    ['a/b/c', 'a/b', false],
  ] as const) {
    assert.equal(topicMatchesFilter(topic, filter), matches, `${topic} ${filter}`);
  }
});

test('the matcher agrees with a regular expression', () => {
  const level = fc.constantFrom('', 'a', 'b', '$x');
  const topics = fc.array(level, { minLength: 1, maxLength: 4 }).map((levels) => levels.join('/'));
  const filters = fc
    .tuple(fc.array(fc.oneof(level, fc.constant('+')), { maxLength: 4 }), fc.boolean())
    .map(([levels, open]) => [...levels, ...(open ? ['#'] : [])].join('/'))
    .filter((filter) => filter !== '');
  fc.assert(
    fc.property(topics, filters, (topic, filter) => {
      const pattern = filter
        .replaceAll('$', '\\$')
        .replaceAll('+', '[^/]*')
        .replace(/^#$/, '.*')
        .replace(/\/#$/, '(/.*)?');
      const hidden = topic.startsWith('$') && /^[+#]/.test(filter);
      assert.equal(topicMatchesFilter(topic, filter), !hidden && new RegExp(`^${pattern}$`).test(topic));
    }),
    { numRuns: 2000 },
  );
});
