/**
 * Any bytes behind a CONNECT, cut anywhere, over TCP and WebSocket: how they are cut changes nothing of the
 * answers, no connection hangs, and a client beside them is served all the time. fast-check prints the seed.
 */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import fc from 'fast-check';
import type { BrokerConfig } from '../../core/config/options.ts';
import { resolveConfig } from '../../core/config/resolve.ts';
import { connackProperties } from '../../core/front-end/connect-terms.ts';
import type { ClientInfo } from '../../core/sessions/session-record.ts';
import { decodeConnect } from '../../core/wire/decode-connect.ts';
import { encodeConnack } from '../../core/wire/encode-connack.ts';
import type { ProtocolVersion } from '../../core/wire/packets.ts';
import { isProtocolError } from '../../core/wire/protocol-error.ts';
import { type RunningBroker, startBroker } from '../support/broker.ts';
import {
  bytesOf,
  connectFrame,
  disconnectFrame,
  frame,
  pingreqFrame,
  publishFrame,
  publishOf,
  subscribeFrame,
  textOf,
  toHex,
} from '../support/frames.ts';
import { openClient, RawClient, type TransportName, transports } from '../support/raw-client.ts';
import { encodeFrame, opcode } from '../support/websocket-link.ts';

/** The smallest that can be configured, so that no unfinished frame waits for more than the filler has. */
const maximumPacketSizeBytes = 1_024;

/** Completes whatever frame is under way and then is a malformed packet: every stream ends in a close. */
const filler = new Uint8Array(maximumPacketSizeBytes + 16).fill(0xff);

const properties = {
  correlationData: Uint8Array.of(1, 2),
  userProperties: [['k', 'v']] as [string, string][],
};

const goodFrames = (version: ProtocolVersion): Uint8Array[] => [
  subscribeFrame('s/#', 2, {}, version),
  subscribeFrame('s/+', 1, { packetId: 2 }, version),
  publishFrame('s/a', 'zero', {}, version),
  publishFrame('s/b', 'one', { qos: 1, packetId: 3, properties: version === 5 ? properties : {} }, version),
  publishFrame('s/c', 'two', { qos: 2, packetId: 4 }, version),
  bytesOf('40 02 0001'),
  bytesOf('50 02 0002'),
  bytesOf('62 02 0004'),
  bytesOf('70 02 0002'),
  bytesOf(version === 5 ? "a2 08 0005 00 0003 's/+'" : "a2 07 0005 0003 's/+'"),
  pingreqFrame,
];
/** What ends a connection, each in its own way. */
const lastFrames = [disconnectFrame, bytesOf("f0 0b 18 09 15 0006 'SCRAM!'"), connectFrame()];

type Change = readonly [at: number, byte: number];

/** A good frame with some bytes of its body changed, in its right length. */
function changed(good: Uint8Array, changes: readonly Change[]): Uint8Array {
  const body = good.slice(2);
  for (const [at, byte] of changes) if (body.length > 0) body[at % body.length] = byte;
  return frame(good[0] ?? 0, body);
}

function streamOf(version: ProtocolVersion): fc.Arbitrary<Uint8Array> {
  const good = fc.constantFrom(...goodFrames(version));
  const change = fc.tuple(fc.nat(200), fc.nat(255));
  const piece = fc.oneof(
    { weight: 8, arbitrary: good },
    {
      weight: 2,
      arbitrary: fc
        .tuple(good, fc.array(change, { minLength: 1, maxLength: 3 }))
        .map((pair) => changed(...pair)),
    },
    { weight: 1, arbitrary: fc.constantFrom(...lastFrames) },
    { weight: 1, arbitrary: fc.uint8Array({ minLength: 1, maxLength: 40 }) },
    {
      weight: 1,
      arbitrary: fc
        .tuple(fc.nat(255), fc.uint8Array({ maxLength: 40 }))
        .map(([header, body]) => frame(header, body)),
    },
  );
  return fc.array(piece, { maxLength: 12 }).map((pieces) => Uint8Array.from(Buffer.concat(pieces)));
}

function cutAt(bytes: Uint8Array, cuts: readonly number[]): Uint8Array[] {
  const places = [...new Set(cuts.map((cut) => cut % bytes.length))].sort((a, b) => a - b);
  return [...places, bytes.length].map((end, index) => bytes.subarray(places[index - 1] ?? 0, end));
}

/** Each piece as it is, or all of them as the fragments of one WebSocket message. */
type Framing = 'messages' | 'fragments';

/** All that the broker answers until it closes. */
async function answersTo(
  running: RunningBroker,
  transport: TransportName,
  pieces: readonly Uint8Array[],
  framing: Framing,
): Promise<string[]> {
  const client = await RawClient.open(transport, running);
  try {
    for (const [index, piece] of pieces.entries()) {
      if (transport === 'tcp' || framing === 'messages') client.send(piece);
      else {
        const code = index === 0 ? opcode.binary : opcode.continuation;
        client.sendRaw(encodeFrame(code, piece, index === pieces.length - 1));
      }
      await nextTurn(); // so that it is a segment of its own
    }
    await client.closed();
    return client.packets.map(toHex);
  } finally {
    client.destroy();
  }
}

async function assertServed(
  t: TestContext,
  running: RunningBroker,
): Promise<(text: string) => Promise<void>> {
  const bystander = await openClient(t, 'tcp', running);
  bystander.send(subscribeFrame('bystander'));
  await bystander.nextPacket();
  return async (text) => {
    bystander.send(publishFrame('bystander', text));
    assert.equal(textOf(publishOf(await bystander.nextPacket())), text);
  };
}

for (const version of [3, 4, 5] as const) {
  test(`version ${version}: how any bytes are cut changes nothing of the answers, and nobody hangs`, async (t) => {
    const limits = { maximumPacketSizeBytes, retainedMessagesMax: 0 };
    const running = await startBroker(t, { workers: 1, limits });
    const serves = await assertServed(t, running);
    const connect = connectFrame({ protocolVersion: version, clientId: 'stream' });
    const property = fc.asyncProperty(
      streamOf(version),
      fc.array(fc.nat(10_000), { maxLength: 30 }),
      async (stream, cuts) => {
        const bytes = Uint8Array.from(Buffer.concat([connect, stream, filler]));
        const whole = await answersTo(running, 'tcp', [bytes], 'messages');
        assert.match(whole[0] ?? '', /^20/, 'the CONNACK');
        for (const transport of transports) {
          for (const framing of transport === 'ws'
            ? (['messages', 'fragments'] as const)
            : (['messages'] as const)) {
            const answers = await answersTo(running, transport, cutAt(bytes, cuts), framing);
            assert.deepEqual(answers, whole, `${transport}, ${framing}`);
          }
        }
        await serves('still here');
      },
    );
    await fc.assert(property, { numRuns: 100 });
  });
}

test('any bytes in place of a CONNECT, cut anywhere, end in a close', async (t) => {
  const limits = { connectPacketSizeBytesMax: maximumPacketSizeBytes };
  const running = await startBroker(t, { workers: 4, limits });
  const serves = await assertServed(t, running);
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 100 }),
    fc.uint8Array({ maxLength: 60 }).map((body) => frame(0x10, body)),
    fc
      .tuple(
        fc.constantFrom<ProtocolVersion>(3, 4, 5),
        fc.array(fc.tuple(fc.nat(60), fc.nat(255)), { minLength: 1, maxLength: 3 }),
      )
      .map(([protocolVersion, changes]) =>
        changed(connectFrame({ protocolVersion, clientId: 'c' }), changes),
      ),
  );
  const property = fc.asyncProperty(
    fc.constantFrom(...transports),
    bytes,
    fc.array(fc.nat(10_000), { maxLength: 10 }),
    async (transport, bytes, cuts) => {
      await answersTo(
        running,
        transport,
        cutAt(Uint8Array.from(Buffer.concat([bytes, filler])), cuts),
        'messages',
      );
      await serves('still here');
    },
  );
  await fc.assert(property, { numRuns: 150 });
});

/** CONNECTs that are plain or nearly so, with some bytes changed. */
const nearlyPlain = fc
  .tuple(
    fc.record({
      protocolVersion: fc.constantFrom<ProtocolVersion>(3, 4, 5, 5),
      cleanStart: fc.constantFrom(true, true, false),
      keepAliveSeconds: fc.constantFrom(0, 9, 10, 11, 65_535),
      clientId: fc.constantFrom('plain', 'é€😀', 'a'.repeat(23), 'a'.repeat(24)),
      sessionExpiryInterval: fc.constantFrom(undefined, undefined, 0, 1),
      receiveMaximum: fc.constantFrom(undefined, 1, 65_535),
      topicAliasMaximum: fc.constantFrom(undefined, 0, 7),
      maximumPacketSize: fc.constantFrom(undefined, undefined, 10_000),
    }),
    fc.array(fc.tuple(fc.nat(60), fc.oneof(fc.nat(255), fc.constantFrom(0, 1, 2, 0x11, 0x21))), {
      maxLength: 2,
    }),
  )
  .map(([{ protocolVersion, cleanStart, keepAliveSeconds, clientId, ...asked }, changes]) => {
    const properties = protocolVersion === 5 ? JSON.parse(JSON.stringify(asked)) : {};
    const good = connectFrame({ protocolVersion, cleanStart, keepAliveSeconds, clientId, properties });
    return changed(good, changes);
  });

/** The CONNACK of a CONNECT that needs nothing but to be read, or 'refused'; undefined if it needs more. */
function connackOf(connectBytes: Uint8Array, config: BrokerConfig): string | undefined {
  const body = connectBytes.subarray(2);
  const connect = decodeConnect(connectBytes[0] ?? 0, body, config.limits);
  if (isProtocolError(connect)) return 'refused';
  const { protocolVersion: version, properties, will, clientId } = connect;
  const needsMore = will !== undefined || properties.authenticationMethod !== undefined || clientId === '';
  if (needsMore || properties.maximumPacketSize !== undefined) return undefined;
  const packet = {
    sessionPresent: false,
    reasonCode: 0,
    properties: version === 5 ? connackProperties(connect, config, undefined) : {},
  };
  return Buffer.from(encodeConnack(packet, version)).toString('hex');
}

test('a CONNECT is answered as its decoder reads it, whether packet control or the data plane has read it', async (t) => {
  const options = {
    limits: { serverKeepAliveSeconds: 10, clientIdBytesMax: 23, sessionExpiryIntervalMax: 0 },
  };
  const running = await startBroker(t, { ...options, workers: 1 });
  const config = resolveConfig(options);
  const told: ClientInfo[] = [];
  running.broker.on('clientConnected', (client) => told.push(client));
  const property = fc.asyncProperty(nearlyPlain, async (connectBytes) => {
    const expected = connackOf(connectBytes, config);
    if (expected === undefined) return;
    told.length = 0;
    const [connack = 'refused'] = await answersTo(
      running,
      'tcp',
      [connectBytes, disconnectFrame, filler],
      'messages',
    );
    if (expected === 'refused') assert.doesNotMatch(connack, /^20..0.00/);
    else assert.equal(connack, expected);
    const { clientId, protocolVersion } = told[0] ?? {};
    const connect = decodeConnect(connectBytes[0] ?? 0, connectBytes.subarray(2));
    const isIn = expected !== 'refused' && !isProtocolError(connect);
    assert.deepEqual(
      [told.length, clientId, protocolVersion],
      isIn ? [1, connect.clientId, connect.protocolVersion] : [0, undefined, undefined],
    );
  });
  await fc.assert(property, { numRuns: 300 });
});
