/**
 * Messages over HTTP, one or many at once. They are subject to the rules, and an Idempotency-Key makes retries safe.
 */
import { randomUUID } from 'node:crypto';
import { BrokerError } from '../../broker-error.ts';
import { publicationOf } from '../../host/host-message.ts';
import type { ApiCaller } from '../../security/api-caller.ts';
import { ReasonCode } from '../../wire/reason-code.ts';
import { reasonCodeName } from '../../wire/reason-code-name.ts';
import type { HttpAnswer } from '../answer.ts';
import { type ApiMessage, messageOf, messageSchema } from '../message-body.ts';
import { list, record, text } from '../operation.ts';
import { apiAnswer, RequestFault, type Status } from '../problem.ts';
import type { Route, RouteContext, RouteRequest } from '../route.ts';

const messagesMax = 1_000;
const published = record({ id: text });
const unmatched = record({ id: text, reason_code: text, message: text });
const headers = {
  'Idempotency-Key': {
    description:
      'A request whose key was used within the last ten minutes gets the earlier answer, and is not processed again.',
    schema: text,
  },
};

export const publish: Route = {
  method: 'post',
  path: '/api/v1/publish',
  right: 'publish',
  takesBody: true,
  operation: {
    summary: 'Publish a message',
    description:
      'Answered when the broker has the message; with QoS 1 and 2 it is as safe as one that a client has published. Whether the topic has subscribers is known with QoS 1 and 2 only.',
    headers,
    body: messageSchema,
    answers: {
      200: { description: 'Published', schema: published },
      202: { description: 'Published; the topic has no subscribers', schema: unmatched },
      400: 'The message is invalid',
      409: 'The first request with this Idempotency-Key is in progress',
      422: 'The Idempotency-Key was used with another body',
    },
  },
  handle: (request, context) =>
    once(request, context, () => {
      const message = messageOf(request.body);
      assertAllowed(message, request, context);
      const outcome = publishOne(message, context);
      return outcome instanceof Promise ? outcome.then(answerOf) : answerOf(outcome);
    }),
};

export const publishBulk: Route = {
  method: 'post',
  path: '/api/v1/publish/bulk',
  right: 'publish',
  takesBody: true,
  operation: {
    summary: 'Publish up to 1,000 messages',
    description: 'In order. If one of them is invalid, none is published.',
    headers,
    body: { ...list(messageSchema), maxItems: messagesMax },
    answers: {
      200: { description: 'All are published', schema: list({ anyOf: [published, unmatched] }) },
      202: {
        description: 'All are published; none of the topics has subscribers',
        schema: list(unmatched),
      },
      207: {
        description: 'The broker has refused some',
        schema: list({ anyOf: [published, unmatched, record({ reason_code: text, message: text })] }),
      },
      400: 'A message is invalid',
      409: 'The first request with this Idempotency-Key is in progress',
      422: 'The Idempotency-Key was used with another body',
    },
  },
  handle: (request, context) =>
    once(request, context, async () => {
      const messages = messagesOf(request.body);
      for (const message of messages) {
        assertAllowed(message, request, context);
        assertValid(message, context);
      }
      const outcomes = await Promise.all(messages.map((message) => publishOrSay(message, context)));
      const statuses = new Set(outcomes.map(({ status }) => status));
      const all = statuses.has(403) ? 207 : statuses.has(200) ? 200 : 202;
      return apiAnswer(
        all,
        outcomes.map(({ body }) => body),
      );
    }),
};

function once(
  { question, caller, body }: RouteRequest,
  { idempotency }: RouteContext,
  work: () => HttpAnswer | Promise<HttpAnswer>,
): HttpAnswer | Promise<HttpAnswer> {
  const { path, idempotencyKey } = question;
  if (idempotencyKey === '') return work();
  const asker = caller === undefined ? '' : `${caller.user === undefined ? 'key' : 'user'} ${caller.name}`;
  return idempotency.once({ caller: asker, path, key: idempotencyKey, body }, async () => work());
}

function messagesOf(body: unknown): readonly ApiMessage[] {
  if (!Array.isArray(body) || body.length === 0 || body.length > messagesMax)
    throw new RequestFault(400, `Give a list of 1 to ${messagesMax} messages.`);
  return body.map((each, index) => messageOf(each, `Message ${index + 1}`));
}

function assertAllowed({ topic }: ApiMessage, { caller }: RouteRequest, { source }: RouteContext): void {
  if (caller !== undefined && source.mayPublish(caller, topic)) return;
  throw new RequestFault(
    403,
    `The rules do not allow ${shownCaller(caller)} to publish to '${topic.slice(0, 100)}'.`,
  );
}

/** What the broker would say of it alone, before it has any of the others. */
function assertValid({ topic, payload, options }: ApiMessage, { config }: RouteContext): void {
  try {
    publicationOf(topic, payload, options, config.limits);
  } catch (error) {
    assertPublished(error);
  }
}

/** For example: the key 'shop', which has the rights of the user of this name. */
export function shownCaller(caller: ApiCaller | undefined): string {
  if (caller === undefined) return 'anybody';
  return caller.user === undefined
    ? `the key '${caller.name}', which has the rights of the user of this name,`
    : `the user '${caller.name}'`;
}

interface Outcome {
  readonly status: Status;
  readonly body: unknown;
}

/** With QoS 0 usually synchronous. Throws instead of rejecting. */
export function publishOne(
  { topic, payload, options }: ApiMessage,
  { source }: RouteContext,
): Outcome | Promise<Outcome> {
  try {
    const published = source.publish(topic, payload, options);
    return published instanceof Promise ? published.then(outcomeOf, assertPublished) : outcomeOf(published);
  } catch (error) {
    return assertPublished(error);
  }
}

function answerOf({ status, body }: Outcome): HttpAnswer {
  return apiAnswer(status, body);
}

function outcomeOf(reasonCode: number): Outcome {
  const id = randomUUID();
  if (reasonCode !== ReasonCode.noMatchingSubscribers) return { status: 200, body: { id } };
  const body = { id, reason_code: reasonCodeName(reasonCode), message: 'The topic has no subscribers.' };
  return { status: 202, body };
}

/** If the broker refuses a message, the message is at fault. */
function assertPublished(error: unknown): never {
  if (!(error instanceof BrokerError)) throw error;
  if (error.code === 'HOST_PUBLISH_INVALID') throw new RequestFault(400, error.message);
  if (error.code === 'HOST_PUBLISH_REFUSED') throw new RequestFault(403, error.message);
  throw error;
}

async function publishOrSay(message: ApiMessage, context: RouteContext): Promise<Outcome> {
  try {
    return await publishOne(message, context);
  } catch (error) {
    if (!(error instanceof RequestFault)) throw error;
    return { status: 403, body: { reason_code: 'notAuthorized', message: error.message } };
  }
}
