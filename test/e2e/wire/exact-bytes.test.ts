/** The bytes of everything the broker sends, in all three versions. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type RunningBroker, startBroker } from '../../support/broker.ts';
import { bytesOf, frame, hexOf } from '../../support/frames.ts';
import { RawClient, type TransportName, transports } from '../../support/raw-client.ts';

/** First byte and body of what is sent (the length is put between), and all that must come back. */
type Exchange = readonly [sent: string, answers: readonly string[]];

interface Conversation {
  readonly name: string;
  readonly exchanges: readonly Exchange[];
}

// The CONNACK of version 5: Receive Maximum 1024, Topic Alias Maximum 64, Maximum Packet Size 1 MiB.
const limitsOfConnack = '21 0400 22 0040 27 00100000';

const conversations: readonly Conversation[] = [
  {
    name: '3.1',
    exchanges: [
      ["10 0006 'MQIsdp' 03 02 0000 0002 'c3'", ['20 02 00 00']],
      ["82 0001 0004 'a/31' 02", ['90 03 0001 02']],
      ["82 0002 0001 'x' 00 0001 'y' 01", ['90 04 0002 00 01']],
      ["30 0004 'a/31' 'm0'", ["30 08 0004 'a/31' 'm0'"]],
      ["32 0004 'a/31' 0007 'm1'", ['40 02 0007', "32 0a 0004 'a/31' 0001 'm1'"]],
      ['40 0001', []],
      ["34 0004 'a/31' 0008 'm2'", ['50 02 0008', "34 0a 0004 'a/31' 0002 'm2'"]],
      ['62 0008', ['70 02 0008']],
      ['50 0002', ['62 02 0002']],
      ['70 0002', []],
      ["a2 0003 0004 'a/31'", ['b0 02 0003']],
      ['c0', ['d0 00']],
    ],
  },
  {
    name: '3.1.1',
    exchanges: [
      ["10 0004 'MQTT' 04 02 0000 0002 'c4'", ['20 02 00 00']],
      ["82 0001 0004 'a/b4' 02", ['90 03 0001 02']],
      ["82 0002 0001 'x' 00 0001 'y' 01 0001 'z' 02", ['90 05 0002 00 01 02']],
      ["30 0004 'a/b4' 'm0'", ["30 08 0004 'a/b4' 'm0'"]],
      ["32 0004 'a/b4' 0007 'm1'", ['40 02 0007', "32 0a 0004 'a/b4' 0001 'm1'"]],
      ['40 0001', []],
      ["34 0004 'a/b4' 0008 'm2'", ['50 02 0008', "34 0a 0004 'a/b4' 0002 'm2'"]],
      ['62 0008', ['70 02 0008']],
      ['50 0002', ['62 02 0002']],
      ['70 0002', []],
      // A PUBREL for nothing is answered all the same [v3 MQTT-4.3.3-2].
      ['62 0063', ['70 02 0063']],
      ["82 0003 000a '$share/g/x' 01 0001 'w' 01", ['90 04 0003 01 01']],
      ["a2 0004 0004 'a/b4' 0001 'n'", ['b0 02 0004']],
      ['c0', ['d0 00']],
    ],
  },
  {
    name: '5.0',
    exchanges: [
      ["10 0004 'MQTT' 05 02 0000 00 0002 'c5'", [`20 0e 00 00 0b ${limitsOfConnack}`]],
      ["82 0001 00 0004 'a/b5' 02", ['90 04 0001 00 02']],
      ["82 0002 00 0001 'x' 00 0001 'y' 01 0001 'z' 02", ['90 06 0002 00 00 01 02']],
      ["30 0004 'a/b5' 00 'm0'", ["30 09 0004 'a/b5' 00 'm0'"]],
      ["32 0004 'a/b5' 0007 00 'm1'", ['40 02 0007', "32 0b 0004 'a/b5' 0001 00 'm1'"]],
      ['40 0001', []],
      ["34 0004 'a/b5' 0008 00 'm2'", ['50 02 0008', "34 0b 0004 'a/b5' 0002 00 'm2'"]],
      ['62 0008', ['70 02 0008']],
      ['50 0002', ['62 02 0002']],
      ['70 0002', []],
      // Packet identifier not found.
      ['62 0063', ['70 03 0063 92']],
      ['50 0063', ['62 03 0063 92']],
      // No matching subscribers.
      ["32 0003 'out' 0009 00", ['40 03 0009 10']],
      ["34 0003 'out' 000a 00", ['50 03 000a 10']],
      ['62 000a', ['70 02 000a']],
      ["82 0004 00 000a '$share/g/x' 01", ['90 04 0004 00 01']],
      ["a2 0004 00 000a '$share/g/x' 000a '$share/h/x'", ['b0 05 0004 00 00 11']],
      // Success, and no subscription existed.
      ["a2 0005 00 0004 'a/b5' 0001 'n'", ['b0 05 0005 00 00 11']],
      // The subscription identifier and the expiry that is left come first; then the properties as they
      // were, without the topic alias.
      ["82 0006 02 0b 07 0001 'p' 01", ['90 04 0006 00 01']],
      [
        "30 0001 'p' 15 01 01 02 0000003c 23 0001 26 0001 'k' 0001 'v' 08 0001 'r' 'm'",
        ["30 19 0001 'p' 14 02 0000003c 0b 07 01 01 26 0001 'k' 0001 'v' 08 0001 'r' 'm'"],
      ],
      ['c0', ['d0 00']],
    ],
  },
];

for (const transport of transports) {
  for (const { name, exchanges } of conversations) {
    test(`${transport}, ${name}: the bytes of every packet`, async (t) => {
      await converse(await startBroker(t), transport, exchanges);
    });
  }

  test(`${transport}, 5.0: an assigned client identifier, a shorter session expiry and a server keep alive`, async (t) => {
    const running = await startBroker(t, {
      limits: { serverKeepAliveSeconds: 30, sessionExpiryIntervalMax: 60 },
    });
    const client = await RawClient.open(transport, running);
    t.after(() => client.destroy());
    client.send(frame(0x10, bytesOf("0004 'MQTT' 05 02 0000 05 11 00000e10 0000")));
    const hex = await client.nextHex();
    const [, idBytes = ''] = /12(00296175746f2d(?:[0-9a-f]{2}){36})/.exec(hex) ?? [];
    const expected = `20 42 00 00 3f 11 0000003c 21 0400 22 0040 27 00100000 12 ${idBytes} 13 001e`;
    assert.deepEqual(propertyBytes(hex), propertyBytes(hexOf(expected)));
  });
}

/** The bytes, sorted: the order of properties is free. */
function propertyBytes(hex: string): string[] {
  return (hex.match(/../g) ?? []).sort();
}

async function converse(
  running: RunningBroker,
  transport: TransportName,
  exchanges: readonly Exchange[],
): Promise<void> {
  const client = await RawClient.open(transport, running);
  try {
    for (const [sent, answers] of exchanges) {
      const [header = 0, ...body] = bytesOf(sent);
      client.send(frame(header, Uint8Array.from(body)));
      const got: string[] = [];
      while (got.length < answers.length) got.push(await client.nextHex());
      assert.deepEqual(got.sort(), answers.map(hexOf).sort(), `after ${sent}`);
    }
    assert.deepEqual(client.packets, []);
  } finally {
    client.destroy();
  }
}
