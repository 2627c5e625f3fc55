/**
 * The rivals, group by group. Each case does the complete work of its group once and returns a number that
 * must equal the group's `expected`, so that no rival is fast because it does something else.
 */
import { isUtf8 } from 'node:buffer';
import mqttPacket from 'mqtt-packet';
import { matches } from 'mqtt-pattern';
import { Qlobber } from 'qlobber';
import { decodePublish } from '../../core/wire/decode-publish.ts';
import { encodePublish } from '../../core/wire/encode-publish.ts';
import { FrameReader } from '../../core/wire/frame-reader.ts';
import { topicMatchesFilter } from '../../core/wire/topic.ts';
import * as inputs from './inputs.ts';

export interface MicroRival {
  readonly name: string;
  readonly isOurs: boolean;
  readonly run: () => number;
  /** Where it does another number of operations than its group. */
  readonly operations?: number;
}

export interface MicroGroup {
  readonly name: string;
  readonly title: string;
  /** The unit of the count: the number of them in a run. */
  readonly operation: string;
  readonly operations: number;
  readonly expected: number;
  readonly rivals: readonly MicroRival[];
}

/** In the order of the report. Those of native.cpp join them by the name of the group. */
export function microGroups(): readonly MicroGroup[] {
  return [readFrames(), decode(), encode(), match(), checkText()];
}

/** Between threads; see lanes.ts. */
export const laneGroup = {
  name: 'hand-over',
  title: 'Hand 32 bytes to another thread',
  operation: 'records',
} as const;

function readFrames(): MicroGroup {
  return {
    name: 'frames',
    title: `Cut a stream of ${inputs.messageCount} PUBLISH packets into frames`,
    operation: 'frames',
    operations: inputs.messageCount,
    expected: inputs.messageCount,
    rivals: [{ name: 'core/wire', isOurs: true, run: () => eachFrame(() => 1) }],
  };
}

function decode(): MicroGroup {
  const { length: count } = inputs.messages;
  return {
    name: 'decode',
    title: `Read ${count} PUBLISH packets from a stream: frames, topics, payloads`,
    operation: 'packets',
    operations: count,
    expected: count * inputs.payloadBytes,
    rivals: [
      {
        name: 'core/wire',
        isOurs: true,
        run: () =>
          eachFrame(({ header, body }) => {
            const packet = decodePublish(header, body, 5);
            return 'payload' in packet ? packet.payload.length : 0;
          }),
      },
      { name: 'mqtt-packet', isOurs: false, run: decodeWithMqttPacket },
    ],
  };
}

function eachFrame(count: (frame: { header: number; body: Uint8Array }) => number): number {
  const reader = new FrameReader(5);
  reader.push(inputs.stream);
  let sum = 0;
  for (let frame = reader.next(); frame !== undefined; frame = reader.next()) {
    if ('body' in frame) sum += count(frame);
    else break;
  }
  return sum;
}

function decodeWithMqttPacket(): number {
  let sum = 0;
  const parser = mqttPacket.parser({ protocolVersion: 5 });
  parser.on('packet', (packet) => {
    if (packet.cmd === 'publish') sum += packet.payload.length;
  });
  parser.parse(Buffer.from(inputs.stream.buffer, inputs.stream.byteOffset, inputs.stream.length));
  return sum;
}

function encode(): MicroGroup {
  const ours = inputs.messages;
  const theirs = ours.map(({ topic, payload, qos, packetId }) => ({
    cmd: 'publish' as const,
    topic,
    payload: Buffer.from(payload),
    qos,
    retain: false,
    dup: false,
    ...(packetId === undefined ? {} : { messageId: packetId }),
  }));
  return {
    name: 'encode',
    title: `Write ${ours.length} PUBLISH packets`,
    operation: 'packets',
    operations: ours.length,
    expected: inputs.stream.length,
    rivals: [
      {
        name: 'core/wire',
        isOurs: true,
        run: () => ours.reduce((sum, message) => sum + encodePublish(message, 5).length, 0),
      },
      {
        name: 'mqtt-packet',
        isOurs: false,
        run: () =>
          theirs.reduce((sum, packet) => sum + mqttPacket.generate(packet, { protocolVersion: 5 }).length, 0),
      },
    ],
  };
}

function match(): MicroGroup {
  const qlobber = new Qlobber<number>({ separator: '/', wildcard_one: '+', wildcard_some: '#' });
  for (const [number, filter] of inputs.filters.entries()) qlobber.add(filter, number);
  return {
    name: 'match',
    title: `Find which of ${inputs.filters.length.toLocaleString('en')} topic filters match a topic`,
    operation: 'topics',
    operations: inputs.topics.length,
    expected: inputs.topics.length * inputs.matchesPerTopic,
    rivals: [
      {
        name: 'qlobber',
        isOurs: false,
        run: () => inputs.topics.reduce((sum, topic) => sum + qlobber.match(topic).length, 0),
      },
      {
        name: 'mqtt-pattern, one by one',
        isOurs: false,
        run: () => matchEach(matches),
        operations: inputs.topics.length / topicsPerSample,
      },
      {
        name: 'core/wire, one by one',
        isOurs: true,
        run: () => matchEach((filter, topic) => topicMatchesFilter(topic, filter)),
        operations: inputs.topics.length / topicsPerSample,
      },
    ],
  };
}

/** Trying all filters takes long: one topic of this many represents all. */
const topicsPerSample = 100;

function matchEach(isMatch: (filter: string, topic: string) => boolean): number {
  let sum = 0;
  for (let number = 0; number < inputs.topics.length; number += topicsPerSample) {
    const topic = inputs.topics[number] ?? '';
    for (const filter of inputs.filters) if (isMatch(filter, topic)) sum += topicsPerSample;
  }
  return sum;
}

function checkText(): MicroGroup {
  const texts = inputs.texts.map((text) => Buffer.from(text));
  const bytes = texts.reduce((sum, text) => sum + text.length, 0);
  const decoder = new TextDecoder('utf-8', { fatal: true });
  return {
    name: 'utf-8',
    title: 'Check that texts are UTF-8',
    operation: 'bytes',
    operations: bytes,
    expected: texts.length,
    rivals: [
      {
        name: 'TextDecoder, as core/wire',
        isOurs: true,
        run: () => texts.reduce((sum, text) => sum + (decoder.decode(text).length > 0 ? 1 : 0), 0),
      },
      {
        name: 'isUtf8 of Node.js',
        isOurs: false,
        run: () => texts.reduce((sum, text) => sum + (isUtf8(text) ? 1 : 0), 0),
      },
    ],
  };
}

/** The inputs of the native rivals, for the files that they read. */
export const nativeInputs: Readonly<Record<string, Uint8Array>> = {
  stream: inputs.stream,
  filters: Buffer.from(inputs.filters.join('\n')),
  topics: Buffer.from(inputs.topics.join('\n')),
  texts: Buffer.from(inputs.texts.join('\n')),
};
