/** The inputs of all rivals of a group; the native ones read them from files. */
import { encodePublish } from '../../core/wire/encode-publish.ts';
import type { PublishPacket } from '../../core/wire/packets.ts';

export const messageCount = 1_000;
export const payloadBytes = 64;
const filterCount = 10_000;

/** Messages as clients send them: short topics, small payloads, every third with QoS 1. */
export const messages: readonly PublishPacket[] = Array.from({ length: messageCount }, (_, number) => ({
  topic: `sensors/${number % 100}/temperature`,
  payload: new Uint8Array(payloadBytes).fill(number),
  qos: number % 3 === 0 ? 1 : 0,
  retain: false,
  dup: false,
  properties: {},
  ...(number % 3 === 0 ? { packetId: number + 1 } : {}),
}));

/** Their bytes, MQTT 5. */
export const stream: Uint8Array = Buffer.concat(messages.map((message) => encodePublish(message, 5)));

/** Four of five without wildcards. Each of `topics` matches three. */
export const filters: readonly string[] = Array.from({ length: filterCount }, (_, number) => {
  const place = Math.floor(number / 10);
  if (number % 10 === 0) return `building/${place}/+/state`;
  if (number % 10 === 1) return `building/${place}/#`;
  return `building/${place}/room${number % 10}/state`;
});

export const topics: readonly string[] = Array.from(
  { length: 1_000 },
  (_, number) => `building/${(number * 7) % (filterCount / 10)}/room${2 + (number % 8)}/state`,
);
export const matchesPerTopic = 3;

/** A topic, the same with letters that take two and three bytes, and longer text. */
export const texts: readonly string[] = [
  'building/17/room4/temperature',
  'Gebäude/17/Küche/Temperatur',
  '建物/十七/部屋/温度',
  'the quick brown fox jumps over the lazy dog '.repeat(20),
];
