/** The engine's two tables, cell by cell, and what is not in them. The test is the broker, and writes hex. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Answer, ClientEngine, type Link, type Request } from '../../../core/protocol/client-engine.ts';
import { FrameReader } from '../../../core/wire/frame-reader.ts';
import type { PublishPacket, QoS, SubscriptionRequest } from '../../../core/wire/packets.ts';
import type { Properties } from '../../../core/wire/properties.ts';
import { isProtocolError, type ProtocolError } from '../../../core/wire/protocol-error.ts';
import { bytes, hex } from '../wire/frames.ts';

const subscription: SubscriptionRequest = {
  topicFilter: 'a',
  qos: 1,
  noLocal: false,
  retainAsPublished: false,
  retainHandling: 0,
};

/** A connection that notes what is sent, and takes as many requests as `room` says. */
class FakeLink implements Link {
  readonly server: Properties;
  readonly sent: string[] = [];
  room = Number.POSITIVE_INFINITY;
  resume = (): void => assert.fail('nothing asked for room');

  constructor(server: Properties = {}) {
    this.server = server;
  }

  send(frame: Uint8Array): void {
    this.sent.push(hex(frame));
  }

  hasRoom(resume: () => void): boolean {
    this.resume = resume;
    return this.room-- > 0;
  }
}

/** An engine, its user and its broker. */
class Bench {
  readonly engine: ClientEngine;
  link = new FakeLink();
  /** How the requests ended, in order. */
  readonly ends: string[] = [];
  readonly delivered: { text: string; acknowledge: () => void }[] = [];
  restored = 0;
  onRestore = (): void => {};

  constructor() {
    this.engine = new ClientEngine(5, {
      deliver: ({ topic, payload }, acknowledge) => {
        this.delivered.push({ text: `${topic} ${Buffer.from(payload).toString()}`, acknowledge });
      },
      restore: () => {
        this.restored++;
        this.onRestore();
      },
      refusal: (reasonCode) => `refused 0x${reasonCode.toString(16)}`,
    });
  }

  connect(server: Properties = {}, isSessionPresent = true): void {
    this.link = new FakeLink(server);
    this.engine.connected(this.link, isSessionPresent);
  }

  publish(text: string, qos: QoS, given: Partial<PublishPacket> = {}): Request {
    const payload = Buffer.from(text);
    const packet = { topic: 'a', payload, qos, retain: false, dup: false, properties: {}, ...given };
    return this.engine.publish(packet, this.#asker(text));
  }

  subscribe(name: string): void {
    this.engine.subscribe(subscription, this.engine.newSubscriptionId(), this.#asker(name));
  }

  unsubscribe(name: string): void {
    this.engine.unsubscribe('a', this.#asker(name));
  }

  receive(content: string): ProtocolError | undefined {
    const reader = new FrameReader(5);
    reader.push(bytes(content));
    for (let frame = reader.next(); frame !== undefined; frame = reader.next()) {
      assert.ok(!isProtocolError(frame));
      const error = this.engine.received(frame);
      if (error !== undefined) return error;
    }
    return undefined;
  }

  /** What was sent since it was asked last. */
  sent(): string[] {
    return this.link.sent.splice(0);
  }

  #asker(name: string) {
    return {
      succeed: (answer?: Answer) =>
        void this.ends.push(`${name}: ${answer === undefined ? 'done' : answer.reasonCode}`),
      fail: (error: unknown) => void this.ends.push(`${name}: ${error}`),
    };
  }
}

const hexes = (...contents: string[]): string[] => contents.map((content) => hex(bytes(content)));

/** Brings a new engine to a state in which the packet identifier 1 is in flight, or nothing. */
const states: Record<string, (bench: Bench) => void> = {
  unknown: () => {},
  puback: (bench) => void bench.publish('x', 1),
  pubrec: (bench) => void bench.publish('x', 2),
  pubcomp: (bench) => {
    bench.publish('x', 2);
    assert.equal(bench.receive('50 02 0001'), undefined);
  },
  suback: (bench) => bench.subscribe('x'),
  unsuback: (bench) => bench.unsubscribe('x'),
};

const answers = {
  puback: '40 02 0001',
  'puback refused': '40 04 0001 87 00',
  pubrec: '50 02 0001',
  'pubrec refused': '50 04 0001 87 00',
  pubcomp: '70 02 0001',
  'pubcomp, not found': '70 04 0001 92 00',
  suback: '90 04 0001 00 01',
  'suback refused': '90 04 0001 00 87',
  unsuback: 'b0 04 0001 00 11',
  'unsuback refused': 'b0 04 0001 00 87',
} as const;

const pubrel = '62 02 0001';
const unknownPubrel = '62 03 0001 92';
/** A cell: how the request ends, what is sent, or `error`; `-` is nothing. What is not here is an error. */
const table: Record<string, Partial<Record<keyof typeof answers, string>>> = {
  unknown: {
    puback: '-',
    'puback refused': '-',
    pubrec: unknownPubrel,
    'pubrec refused': '-',
    pubcomp: '-',
    'pubcomp, not found': '-',
    suback: '-',
    'suback refused': '-',
    unsuback: '-',
    'unsuback refused': '-',
  },
  puback: { puback: 'x: 0', 'puback refused': 'x: refused 0x87', pubcomp: '-', 'pubcomp, not found': '-' },
  pubrec: { pubrec: pubrel, 'pubrec refused': 'x: refused 0x87', pubcomp: '-', 'pubcomp, not found': '-' },
  pubcomp: { pubrec: pubrel, 'pubrec refused': 'x: 0', pubcomp: 'x: 0', 'pubcomp, not found': 'x: 0' },
  suback: { suback: 'x: 1', 'suback refused': 'x: refused 0x87', pubcomp: '-', 'pubcomp, not found': '-' },
  unsuback: {
    unsuback: 'x: 17',
    'unsuback refused': 'x: refused 0x87',
    pubcomp: '-',
    'pubcomp, not found': '-',
  },
};

for (const [state, enter] of Object.entries(states)) {
  for (const [name, content] of Object.entries(answers)) {
    const cell = table[state]?.[name as keyof typeof answers] ?? 'error';
    test(`a request that awaits ${state} and ${name}: ${cell}`, () => {
      const bench = new Bench();
      bench.connect();
      enter(bench);
      bench.sent();
      const error = bench.receive(content);
      assert.equal(error?.reasonCode, cell === 'error' ? 0x82 : undefined);
      assert.deepEqual(bench.ends, cell.startsWith('x:') ? [cell] : []);
      assert.deepEqual(bench.sent(), cell === pubrel || cell === unknownPubrel ? hexes(cell) : []);
      const isOpen = state !== 'unknown' && bench.ends.length === 0;
      assert.equal(bench.engine.requestCount, isOpen ? 1 : 0);
    });
  }
}

const message = `34 07 0001'a' 0007 00 'm'`;
const again = `3c 07 0001'a' 0007 00 'm'`;

/** The states of the packet identifier 7 of the broker. */
const receivedStates: Record<string, (bench: Bench) => void> = {
  free: () => {},
  taken: (bench) => void bench.receive(message),
  done: (bench) => {
    bench.receive(message);
    bench.delivered[0]?.acknowledge();
  },
};

/** How many times the message is delivered in all, and what is sent. */
const receivedTable = {
  free: { publish: [1, []], pubrel: [0, ['70 03 0007 92']] },
  taken: { publish: [1, []], acknowledge: [1, ['50 02 0007']], pubrel: [1, ['70 02 0007']] },
  done: { publish: [1, ['50 02 0007']], pubrel: [1, ['70 02 0007']] },
} as const;

for (const [state, events] of Object.entries(receivedTable)) {
  for (const [event, [deliveries, frames]] of Object.entries(events)) {
    test(`a QoS 2 message that is ${state} and ${event}: ${frames.join()}`, () => {
      const bench = new Bench();
      bench.connect();
      receivedStates[state]?.(bench);
      bench.sent();
      if (event === 'publish') assert.equal(bench.receive(again), undefined);
      else if (event === 'pubrel') assert.equal(bench.receive('62 02 0007'), undefined);
      else bench.delivered[0]?.acknowledge();
      assert.equal(bench.delivered.length, deliveries);
      assert.deepEqual(bench.sent(), hexes(...frames));
      // After PUBREL the packet identifier is free for another message.
      if (event === 'pubrel') {
        bench.receive(message);
        assert.equal(bench.delivered.length, deliveries + 1);
      }
    });
  }
}

test('QoS 0 is done when it was sent, and its delivery is not acknowledged', () => {
  const bench = new Bench();
  bench.connect();
  bench.publish('m', 0);
  assert.deepEqual(bench.sent(), hexes(`30 05 0001'a' 00 'm'`));
  assert.deepEqual(bench.ends, ['m: done']);
  bench.receive(`30 05 0001'a' 00 'm'`);
  bench.delivered[0]?.acknowledge();
  assert.deepEqual(bench.sent(), []);
});

test('an acknowledgement may come late, and not on another connection', () => {
  const bench = new Bench();
  bench.connect();
  bench.receive(`32 07 0001'a' 0001 00 '1' 34 07 0001'a' 0002 00 '2'`);
  assert.deepEqual(bench.sent(), []);
  bench.delivered[1]?.acknowledge();
  bench.delivered[0]?.acknowledge();
  assert.deepEqual(bench.sent(), hexes('50 02 0002', '40 02 0001'));
  bench.receive(`32 07 0001'a' 0003 00 '3' 34 07 0001'a' 0004 00 '4'`);
  bench.engine.lost();
  bench.connect();
  for (const { acknowledge } of bench.delivered) acknowledge();
  assert.deepEqual(bench.sent(), [], '3 may be another message here');
  bench.receive(`3a 07 0001'a' 0003 00 '3' 3c 07 0001'a' 0004 00 '4'`);
  assert.equal(bench.delivered.length, 5, 'QoS 1 comes again, QoS 2 does not');
  assert.deepEqual(bench.sent(), hexes('50 02 0004'));
  bench.delivered[4]?.acknowledge();
  assert.deepEqual(bench.sent(), hexes('40 02 0003'));
});

test('a QoS 2 message that comes again while it is worked on is acknowledged on the new connection', () => {
  const bench = new Bench();
  bench.connect();
  bench.receive(message);
  bench.engine.lost();
  bench.connect();
  bench.receive(again);
  assert.deepEqual(bench.sent(), []);
  bench.delivered[0]?.acknowledge();
  assert.deepEqual(bench.sent(), hexes('50 02 0007'));
  assert.equal(bench.delivered.length, 1);
});

test('a QoS 2 message that was released before it was acknowledged is not acknowledged any more', () => {
  const bench = new Bench();
  bench.connect();
  bench.receive(`${message} 62 02 0007 ${message}`);
  assert.deepEqual(bench.sent(), hexes('70 02 0007'));
  bench.delivered[0]?.acknowledge();
  assert.deepEqual(bench.sent(), [], 'the packet identifier is that of the second');
  bench.delivered[1]?.acknowledge();
  assert.deepEqual(bench.sent(), hexes('50 02 0007'));
});

test('a broker that has lost the session sends other messages under the same packet identifiers', () => {
  const bench = new Bench();
  bench.connect();
  bench.receive(message);
  bench.engine.lost();
  bench.connect({}, false);
  bench.receive(message);
  assert.equal(bench.delivered.length, 2);
  bench.delivered[0]?.acknowledge();
  assert.deepEqual(bench.sent(), []);
  bench.delivered[1]?.acknowledge();
  assert.deepEqual(bench.sent(), hexes('50 02 0007'));
});

test('the window is the Receive Maximum, which QoS 0 and SUBSCRIBE have nothing to do with', () => {
  const bench = new Bench();
  bench.connect({ receiveMaximum: 1 });
  bench.publish('1', 1);
  bench.publish('0', 0);
  bench.subscribe('s');
  bench.publish('2', 1);
  bench.publish('3', 0);
  assert.equal(bench.sent().length, 3, 'the second of QoS 1 waits, and what is behind it');
  bench.receive('40 02 0001');
  assert.equal(bench.sent().length, 0, 'SUBSCRIBE is in flight');
  bench.receive('90 04 0002 00 01');
  assert.deepEqual(bench.sent(), hexes(`32 07 0001'a' 0003 00 '2'`, `30 05 0001'a' 00 '3'`));
});

test('a link without room is sent nothing but acknowledgements, until it calls back', () => {
  const bench = new Bench();
  bench.connect();
  bench.link.room = 1;
  for (const text of ['1', '2', '3']) bench.publish(text, 1);
  assert.deepEqual(bench.sent(), hexes(`32 07 0001'a' 0001 00 '1'`));
  bench.receive(`32 07 0001'a' 0001 00 '1'`);
  bench.delivered[0]?.acknowledge();
  assert.deepEqual(bench.sent(), hexes('40 02 0001'));
  bench.link.room = 1;
  bench.link.resume();
  assert.deepEqual(bench.sent(), hexes(`32 07 0001'a' 0002 00 '2'`));
  bench.link.room = 5;
  bench.link.resume();
  assert.deepEqual(bench.sent(), hexes(`32 07 0001'a' 0003 00 '3'`));
});

test('what a lost connection left unanswered is sent again, in order, in front of the rest', () => {
  const bench = new Bench();
  bench.connect({ receiveMaximum: 3 });
  bench.publish('1', 1);
  bench.publish('2', 2);
  bench.subscribe('s');
  bench.publish('3', 1);
  bench.receive('50 02 0002');
  bench.engine.lost();
  bench.publish('4', 0);
  bench.connect();
  assert.deepEqual(
    bench.sent(),
    hexes(
      `3a 07 0001'a' 0001 00 '1'`,
      '62 02 0002',
      `82 09 0003 02 0b 01 0001'a' 01`,
      `32 07 0001'a' 0004 00 '3'`,
      `30 05 0001'a' 00 '4'`,
    ),
  );
});

test('without its session the broker is told all as new, behind what the user restores', () => {
  const bench = new Bench();
  bench.connect();
  bench.publish('1', 1);
  bench.publish('2', 2);
  bench.publish('3', 2);
  bench.subscribe('s');
  bench.unsubscribe('u');
  bench.receive('50 02 0002');
  bench.engine.lost();
  bench.onRestore = () => bench.subscribe('again');
  bench.connect({}, false);
  assert.equal(bench.restored, 1);
  assert.deepEqual(bench.ends, ['2: 0', 'u: 0'], 'there is nothing left to unsubscribe from');
  assert.deepEqual(
    bench.sent(),
    hexes(`82 09 0006 02 0b 02 0001'a' 01`, `32 07 0001'a' 0007 00 '1'`, `34 07 0001'a' 0008 00 '3'`),
  );
});

test('what the broker has said that it does not take fails, and is not sent', () => {
  const bench = new Bench();
  bench.connect({
    maximumQoS: 1,
    retainAvailable: 0,
    maximumPacketSize: 8,
    subscriptionIdentifiersAvailable: 0,
  });
  bench.publish('1', 2);
  bench.publish('2', 0, { retain: true });
  bench.publish('three', 0);
  bench.publish('4', 0);
  bench.publish('5', 0, { properties: { contentType: '\0' } });
  assert.deepEqual(bench.ends.slice(0, 4), [
    '1: refused 0x9b',
    '2: refused 0x9a',
    'three: refused 0x95',
    '4: done',
  ]);
  assert.match(bench.ends[4] ?? '', /^5: RangeError/);
  assert.deepEqual(bench.sent(), hexes(`30 05 0001'a' 00 '4'`));
  bench.subscribe('s');
  assert.match(bench.sent()[0] ?? '', /^8207....00/, 'no subscription identifier');
});

test('what waits can be withdrawn, and what was sent once cannot', () => {
  const bench = new Bench();
  const first = bench.publish('1', 1);
  bench.connect();
  bench.engine.lost();
  const second = bench.publish('2', 0);
  bench.subscribe('s');
  const third = bench.publish('3', 1);
  assert.equal(bench.engine.withdraw(first), undefined);
  assert.equal(bench.engine.withdraw(third), third);
  assert.equal(bench.engine.withdraw(), second, 'the oldest message that was not sent');
  assert.equal(bench.engine.withdraw(), undefined);
  assert.equal(bench.engine.requestCount, 2);
  bench.connect();
  assert.equal(bench.sent().length, 2);
});

test('packet identifiers go round, and none is used twice at a time', () => {
  const bench = new Bench();
  bench.connect();
  for (let count = 0; count < 65_534; count++) bench.publish('', 1);
  bench.receive('40 02 0005');
  bench.sent();
  bench.publish('a', 1);
  bench.publish('b', 1);
  bench.publish('c', 1);
  assert.deepEqual(bench.sent(), hexes(`32 07 0001'a' ffff 00 'a'`, `32 07 0001'a' 0005 00 'b'`));
  bench.receive('40 02 fffe');
  assert.deepEqual(bench.sent(), hexes(`32 07 0001'a' fffe 00 'c'`));
});

test('the end fails whatever is not answered, in order', () => {
  const bench = new Bench();
  bench.connect({ receiveMaximum: 1 });
  bench.publish('1', 2);
  bench.publish('2', 1);
  bench.subscribe('3');
  bench.engine.end('over');
  assert.deepEqual(bench.ends, ['1: over', '2: over', '3: over']);
  assert.equal(bench.engine.requestCount, 0);
});

test('topic aliases last as long as the connection', () => {
  const bench = new Bench();
  bench.connect();
  assert.equal(bench.receive(`30 0a 0003'a/b' 03 23 0001 'm' 30 07 0000 03 23 0001 'n'`), undefined);
  assert.deepEqual(
    bench.delivered.map(({ text }) => text),
    ['a/b m', 'a/b n'],
  );
  bench.engine.lost();
  bench.connect();
  assert.equal(bench.receive('30 07 0000 03 23 0001 6e')?.reasonCode, 0x82);
});

test('what no broker sends is a protocol error', () => {
  for (const content of ['10 00', '82 00', 'a2 00', 'c0 00', 'f0 00', '40 00']) {
    const bench = new Bench();
    bench.connect();
    const error = bench.receive(content);
    assert.ok(error !== undefined && error.reasonCode >= 0x81, content);
  }
});
