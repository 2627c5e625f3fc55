/** The dashboard's first request: the broker at a glance, and a ticket for receiving the same over MQTT. */
import { isDashboardClientId } from '../../security/dashboard-tickets.ts';
import { objectOf } from '../message-body.ts';
import { count, list, record, text, truth } from '../operation.ts';
import { ofNode } from '../other-nodes.ts';
import { apiAnswer, problem, RequestFault } from '../problem.ts';
import type { Route } from '../route.ts';

const seconds = { type: 'number', minimum: 0 };

export const overview: Route = ofNode({
  method: 'get',
  path: '/api/v1/overview',
  right: 'read',
  operation: {
    summary: 'Get the overview of the broker',
    description: 'What the dashboard shows first. All that is counted is since the start.',
    answers: {
      200: {
        description: 'The counters, the threads, and what is wrong',
        schema: record({
          stats: { type: 'object', additionalProperties: { type: 'number' } },
          threads: record({
            mainSeconds: { ...seconds, description: 'that the main thread was busy' },
            turnBoundsUs: { ...list(count), description: 'upper bounds of turns; one more bucket has none' },
            workers: list(
              record({
                turns: { ...list(count), description: 'of its event loop, by duration' },
                seconds: { ...seconds, description: 'of all its turns' },
              }),
            ),
          }),
          trouble: { type: ['string', 'null'], description: 'as /healthz; null: none' },
          isInCluster: truth,
        }),
      },
    },
  },
  handle: (_, { source }) => apiAnswer(200, source.overview()),
});

export const dashboardTicket: Route = {
  method: 'post',
  path: '/api/v1/dashboard/ticket',
  right: 'read',
  takesBody: true,
  operation: {
    summary: 'Get a ticket for the overview over MQTT',
    description:
      'A password for one CONNECT with this client identifier, within 30 seconds, without a will and with a session expiry of 0. The client gets `GET /overview` of this node once a second on the topic `overview`, and nothing else.',
    body: record({
      clientid: { ...text, description: '`dashboard-` and 16 to 64 letters, digits, - and _, at random' },
    }),
    answers: {
      200: { description: 'The ticket', schema: record({ ticket: text }) },
      400: 'The body is invalid',
    },
  },
  handle: ({ body, caller }, { source }) => {
    if (caller === undefined) return problem(403, 'Nobody asks.');
    const { clientid, ...others } = objectOf(body, 'The body');
    if (!isDashboardClientId(clientid) || Object.keys(others).length > 0)
      throw new RequestFault(
        400,
        'The body must have clientid, which is dashboard- and 16 to 64 letters, digits, - and _, and nothing else.',
      );
    return apiAnswer(200, { ticket: source.issueTicket(caller, clientid) });
  },
};
