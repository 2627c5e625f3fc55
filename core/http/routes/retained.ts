import { isValidTopicName } from '../../wire/topic.ts';
import { type HttpAnswer, type HttpQuestion, textAnswer } from '../answer.ts';
import type { Route } from '../route.ts';

/** The payload of the retained message of a topic, for polling clients. */
export const retained: Route = {
  method: 'get',
  path: '/api/retained/{topic+}',
  right: 'client',
  handle: async ({ question, parameters }, { source }) => {
    const { topic = '' } = parameters;
    if (!isValidTopicName(topic)) {
      return textAnswer('400 Bad Request', 'Give a topic name, percent-encoded where a URL needs it.\n');
    }
    if (!source.mayAnyoneReceive(topic))
      return textAnswer('403 Forbidden', 'The rules do not allow everyone to read this topic.\n');
    return answerOf((await source.retained(topic))?.payload, question);
  },
};

function answerOf(message: Uint8Array | undefined, { headBytes }: HttpQuestion): HttpAnswer {
  if (message === undefined) return textAnswer('404 Not Found', 'No message is retained there.\n');
  const answered = textAnswer('200 OK', '', ['x-request-bytes', `${headBytes}`]);
  // Published content is not ours: it never gets a content type that a browser would execute.
  const headers = answered.headers.map(([name, value]) =>
    name === 'content-type' ? ([name, 'application/octet-stream'] as const) : ([name, value] as const),
  );
  return { ...answered, headers, body: message };
}
