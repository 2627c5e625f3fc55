/**
 * The decoders of core/wire under damaged golden frames: whatever arrives they answer, soon, with a packet or a
 * protocol error, and where the data plane reads the same packets in C++ both agree.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { test } from 'node:test';
import { decodeAcknowledgement, decodeSubscriptionAnswer } from '../../core/wire/decode-acknowledgement.ts';
import { decodeConnack } from '../../core/wire/decode-connack.ts';
import { decodeConnect } from '../../core/wire/decode-connect.ts';
import {
  decodeAuth,
  decodeDisconnect,
  decodeServerAuth,
  decodeServerDisconnect,
} from '../../core/wire/decode-disconnect.ts';
import { decodePublish } from '../../core/wire/decode-publish.ts';
import { decodeSubscribe, decodeUnsubscribe } from '../../core/wire/decode-subscribe.ts';
import type { AcknowledgementPacket, ProtocolVersion, PublishPacket } from '../../core/wire/packets.ts';
import { isProtocolError, type ProtocolError } from '../../core/wire/protocol-error.ts';
import { Random, replayOf, seeds } from '../support/random.ts';
import { bodyOf, headerOf, hex } from '../unit/wire/frames.ts';

type Decoder = (header: number, body: Uint8Array, version: ProtocolVersion) => object | undefined;

/** By packet type; a client and a server read some of them differently. */
const decoders: Record<number, Decoder[]> = {
  1: [(header, body) => decodeConnect(header, body)],
  2: [decodeConnack],
  3: [decodePublish],
  4: [decodeAcknowledgement],
  5: [decodeAcknowledgement],
  6: [decodeAcknowledgement],
  7: [decodeAcknowledgement],
  8: [decodeSubscribe],
  9: [decodeSubscriptionAnswer],
  10: [decodeUnsubscribe],
  11: [decodeSubscriptionAnswer],
  14: [decodeDisconnect, decodeServerDisconnect],
  15: [decodeAuth, decodeServerAuth],
};
const versions: readonly ProtocolVersion[] = [3, 4, 5];

/** dist/test/fuzz -> the repository. */
const root = resolve(import.meta.dirname, '../../..');
const framesPerSeed = 20_000;
/** For a frame of at most a few hundred bytes: four orders of magnitude above what it takes. */
const frameMsMax = 500;

const goldenFrames = readFileSync(resolve(root, 'test/fuzz/golden-frames.txt'), 'utf8')
  .split('\n')
  .filter((line) => line !== '' && !line.startsWith('#'))
  .map((line) => new Uint8Array(Buffer.from(line, 'hex')));

/** Bytes that mean something in many places: lengths, flags, wildcards, property identifiers, parts of UTF-8. */
const telling = [0, 1, 2, 0x7f, 0x80, 0xff, 0x23, 0x2b, 0x2f, 0x0b, 0x1f, 0x26, 0xc0, 0xed, 0xf4];

/** The body of one golden frame after up to four damages. */
function damaged(random: Random): { header: number; body: Uint8Array } {
  const frame = random.pick(goldenFrames);
  let body = [...bodyOf(frame)];
  for (let damages = random.below(5); damages > 0; damages--) {
    const at = random.below(body.length + 1);
    const count = random.below(4);
    switch (random.below(6)) {
      case 0:
        body[Math.min(at, Math.max(0, body.length - 1))] = random.below(256);
        break;
      case 1:
        body[Math.min(at, Math.max(0, body.length - 1))] = random.pick(telling);
        break;
      case 2:
        body.splice(at, count);
        break;
      case 3:
        body.splice(at, 0, ...random.bytes(count));
        break;
      case 4:
        body.splice(at, 0, ...body.slice(at, at + random.below(20)));
        break;
      default:
        body = [...body.slice(0, at), ...bodyOf(random.pick(goldenFrames)).slice(random.below(4))];
    }
  }
  const header = headerOf(frame) ^ (random.below(10) === 0 ? 1 << random.below(4) : 0);
  return { header, body: Uint8Array.from(body) };
}

for (const seed of seeds(3)) {
  test(`damaged frames are packets or protocol errors, and the bytes stay: ${replayOf(seed)}`, () => {
    const random = new Random(seed);
    for (let frames = 0; frames < framesPerSeed; frames++) {
      const { header, body } = damaged(random);
      const version = random.pick(versions);
      const before = hex(body);
      for (const decode of decoders[header >> 4] ?? []) {
        const startUs = process.cpuUsage().user;
        const result = decode(header, body, version);
        const takenMs = (process.cpuUsage().user - startUs) / 1_000;
        assert.ok(takenMs < frameMsMax, `${version} ${header} ${before} took ${takenMs} ms`);
        assert.equal(hex(body), before);
        if (result && isProtocolError(result)) assert.ok(result.reasonCode >= 0x80 && result.why !== '');
      }
    }
  });
}

for (const seed of seeds(2)) {
  test(`PUBLISH and acknowledgements are read as in C++: ${replayOf(seed)}`, () => {
    const random = new Random(seed);
    const cases: { line: string; ours: string | undefined; isStricter: boolean }[] = [];
    while (cases.length < framesPerSeed) {
      const { header, body } = damaged(random);
      const type = header >> 4;
      if (type < 3 || type > 7) continue;
      const version = random.pick(versions);
      const line = `${version} ${header} ${hex(body)}`;
      if (type === 3) {
        const packet = decodePublish(header, body, version);
        cases.push({ line, ours: publishText(packet), isStricter: hasSubscriptionIdentifiers(packet) });
      } else {
        const packet = decodeAcknowledgement(header, body, version);
        cases.push({ line, ours: acknowledgementText(packet), isStricter: hasUnlistedReason(type, packet) });
      }
    }
    const theirs = verdicts(cases.map((each) => each.line));
    let packets = 0;
    for (const [at, { line, ours, isStricter }] of cases.entries()) {
      const expected = isStricter ? 'error' : (ours ?? 'error');
      assert.equal(theirs[at], expected, line);
      if (expected !== 'error') packets++;
    }
    assert.ok(packets > framesPerSeed / 20, `only ${packets} were packets`);
  });
}

function publishText(packet: PublishPacket | ProtocolError): string | undefined {
  if (isProtocolError(packet)) return undefined;
  const { qos, dup, retain, packetId = 0, topic, payload, properties } = packet;
  const expiry = properties.messageExpiryInterval ?? 'none';
  return `qos ${qos} dup ${+dup} retain ${+retain} id ${packetId} topic ${hex(new TextEncoder().encode(topic))} payload ${hex(payload)} alias ${properties.topicAlias ?? 0} expiry ${expiry}`;
}

function acknowledgementText(packet: AcknowledgementPacket | ProtocolError): string | undefined {
  return isProtocolError(packet) ? undefined : `id ${packet.packetId} reason ${packet.reasonCode}`;
}

/** Only a server sends them [MQTT-3.3.4-6]: the data plane takes none. */
function hasSubscriptionIdentifiers(packet: PublishPacket | ProtocolError): boolean {
  return !isProtocolError(packet) && packet.properties.subscriptionIdentifiers !== undefined;
}

/** The data plane knows which reason codes a client may send; a client takes what its broker says. */
function hasUnlistedReason(type: number, packet: AcknowledgementPacket | ProtocolError): boolean {
  const listed = type <= 5 ? [0, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99] : [0, 0x92];
  return !isProtocolError(packet) && !listed.includes(packet.reasonCode);
}

/** What the C++ readers say, a line each; compiled when it is older than its sources. */
function verdicts(lines: readonly string[]): string[] {
  const folder = resolve(root, 'build/native-tests');
  const program = resolve(folder, 'verdicts');
  const source = resolve(root, 'test/fuzz/verdicts.cpp');
  const headers = ['acknowledgement', 'publish', 'reader', 'topic', 'utf8', 'varint'];
  const sources = [source, ...headers.map((name) => resolve(root, `native/wire/${name}.h`))];
  const builtMs = statSync(program, { throwIfNoEntry: false })?.mtimeMs ?? 0;
  if (sources.some((file) => statSync(file).mtimeMs > builtMs)) {
    mkdirSync(folder, { recursive: true });
    execFileSync('c++', ['-std=c++20', '-O1', '-fno-exceptions', '-fno-rtti', '-o', program, source]);
  }
  const output = execFileSync(program, {
    input: `${lines.join('\n')}\n`,
    encoding: 'utf8',
    maxBuffer: 1 << 26,
  });
  return output.trimEnd().split('\n');
}
