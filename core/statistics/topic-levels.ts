/** Combines the topic levels counted by several workers: each owns some of the topics, and several may know the same level. */
import type { TopicLevelRow } from '../data-plane/inspection.ts';

/** Each level once, in byte order. */
export function mergedLevels(answers: readonly (readonly TopicLevelRow[])[]): TopicLevelRow[] {
  const byLevel = new Map<string, TopicLevelRow>();
  for (const row of answers.flat()) {
    const known = byLevel.get(row.level);
    byLevel.set(row.level, known === undefined ? row : sumOf(known, row));
  }
  return [...byLevel.values()]
    .map((row) => ({ row, bytes: Buffer.from(row.level) }))
    .sort((a, b) => Buffer.compare(a.bytes, b.bytes))
    .map(({ row }) => row);
}

function sumOf(a: TopicLevelRow, b: TopicLevelRow): TopicLevelRow {
  return {
    level: a.level,
    messages: a.messages + b.messages,
    own: a.own + b.own,
    messagesPerSecond: a.messagesPerSecond + b.messagesPerSecond,
    bytesPerSecond: a.bytesPerSecond + b.bytesPerSecond,
    silentMs: Math.min(a.silentMs, b.silentMs),
    hasBelow: a.hasBelow || b.hasBelow,
  };
}
