/** Topics as a tree, with their message counts. */
import type { TopicLevelRow } from '../../data-plane/inspection.ts';
import { isValidTopicName } from '../../wire/topic.ts';
import { assertKnown, cursorParameter, limitOf, limitParameter, pageBody } from '../list-query.ts';
import { count, page, record, text, time, truth } from '../operation.ts';
import { ofNode } from '../other-nodes.ts';
import { apiAnswer, RequestFault } from '../problem.ts';
import type { Route } from '../route.ts';
import { openedCursor, sealedCursor } from '../sealed-cursor.ts';

const query = {
  prefix: { description: 'The levels above, such as scores/1; absent: the first levels', schema: text },
  limit: limitParameter,
  cursor: cursorParameter,
};

const listName = 'topics';

const rate = { type: 'number', minimum: 0 };

export const topics: Route = ofNode({
  method: 'get',
  path: '/api/v1/topics',
  right: 'read',
  operation: {
    summary: 'Get the message rates of topics',
    description:
      'One level of the topic tree, sorted by bytes. Each worker counts every message up to 500 a second, and beyond that a random sample. If there is no room (topicRatesBytesMax), the topics that have been idle longest are forgotten; the levels above still count them.',
    query,
    answers: {
      200: {
        description: 'The levels below prefix. A caller whose rules hide a topic does not see it.',
        schema: page(
          record({
            topic: { ...text, description: 'with the levels above' },
            level: text,
            children: { ...truth, description: 'there are levels below it' },
            messages: {
              ...count,
              description: 'of this level and all below it, since it was added to the tree',
            },
            topic_messages: { ...count, description: 'of those, on this topic itself' },
            messages_per_second: { ...rate, description: 'over about the last ten seconds' },
            bytes_per_second: { ...rate, description: 'of payloads' },
            last_message_at: time,
          }),
        ),
      },
      400: 'A parameter is invalid',
    },
  },
  handle: async ({ query: given, caller }, { source }) => {
    assertKnown(given, query);
    const limit = limitOf(given);
    const prefix = given.get('prefix') ?? undefined;
    // An empty level is also a topic level: that of the topics that begin with a slash.
    if (prefix !== undefined && prefix !== '' && !isValidTopicName(prefix))
      throw new RequestFault(
        400,
        'prefix must be the beginning of a topic name, without a slash at the end.',
      );
    const after = openedCursor<string>(listName, given);
    // One more than shown, to know whether there is another page.
    const rows = await source.topicLevels(prefix, after, limit + 1);
    const shown = rows.slice(0, limit);
    const data = shown
      .map((row) => shownLevel(row, prefix))
      .filter(
        ({ topic, children }) => children || (caller !== undefined && source.mayReceive(caller, topic)),
      );
    const cursor = rows.length > limit ? sealedCursor(listName, shown.at(-1)?.level) : undefined;
    return apiAnswer(200, pageBody(data, limit, cursor));
  },
});

function shownLevel(row: TopicLevelRow, prefix: string | undefined) {
  return {
    topic: prefix === undefined ? row.level : `${prefix}/${row.level}`,
    level: row.level,
    children: row.hasBelow,
    messages: Math.round(row.messages),
    topic_messages: Math.round(row.own),
    messages_per_second: rounded(row.messagesPerSecond),
    bytes_per_second: rounded(row.bytesPerSecond),
    last_message_at: new Date(Date.now() - row.silentMs).toISOString(),
  };
}

function rounded(value: number): number {
  return Math.round(value * 1_000) / 1_000;
}
