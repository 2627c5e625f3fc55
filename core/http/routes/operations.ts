/** The broker as a whole: figures, configuration, and its reload. */
import { BrokerError, type BrokerErrorCode } from '../../broker-error.ts';
import { logLevels } from '../../config/options.ts';
import { shownOptions } from '../../config/shown-config.ts';
import { objectOf } from '../message-body.ts';
import { count, oneOf, record, text, truth } from '../operation.ts';
import { ofNode } from '../other-nodes.ts';
import { apiAnswer, problem, RequestFault } from '../problem.ts';
import type { Route } from '../route.ts';

export const stats: Route = ofNode({
  method: 'get',
  path: '/api/v1/stats',
  right: 'read',
  operation: {
    summary: 'Get the counters of the broker',
    answers: {
      200: {
        description: 'Figures by name: those of Broker.statistics(), and of the process',
        schema: { type: 'object', additionalProperties: { type: 'number' } },
      },
    },
  },
  handle: (_, { source }) => apiAnswer(200, source.statistics()),
});

const namesOfOptions = { type: 'array', items: text } as const;

export const configuration: Route = {
  method: 'get',
  path: '/api/v1/config',
  right: 'config',
  operation: {
    summary: 'Get the configuration in force',
    description: 'With the paths of files, but not their contents; without the query of a URL.',
    answers: {
      200: {
        description:
          'Options and limits by name; `needsRestart`: those that the last reload found changed, and that take effect after a restart',
        schema: record({
          version: text,
          options: { type: 'object' },
          limits: { type: 'object' },
          needsRestart: namesOfOptions,
        }),
      },
    },
  },
  handle: (_, { config, version, source }) => {
    const { limits, ...options } = config;
    return apiAnswer(200, {
      version,
      options: shownOptions(options),
      limits,
      needsRestart: source.needsRestart(),
    });
  },
};

/** Errors in the input, not in the broker. */
const wrongInput: readonly BrokerErrorCode[] = [
  'ACCESS_FILE_UNREADABLE',
  'ACCESS_FILE_INVALID',
  'BAN_INVALID',
  'CONFIG_FILE_UNREADABLE',
  'CONFIG_INVALID',
  'OPEN_WITHOUT_AUTHENTICATION',
];

export const reload: Route = {
  method: 'post',
  path: '/api/v1/config/reload',
  right: 'config',
  operation: {
    summary: 'Read the configuration and the files of users, rules, keys and certificates again',
    description:
      'Like SIGHUP. Of the options and limits that have changed, those in `changed` take effect now, those in `needsRestart` after a restart. If anything is invalid, nothing changes except certificates, and the response gives the reason.',
    answers: {
      200: {
        description: 'The files are in force on all workers',
        schema: record({
          reloaded: truth,
          certificates: oneOf('reloaded', 'unchanged', 'refused', 'none'),
          changed: namesOfOptions,
          needsRestart: namesOfOptions,
        }),
      },
      422: 'The configuration or a file is invalid: nothing has changed',
    },
  },
  handle: async ({ caller }, { source }) => {
    if (caller === undefined) return problem(403, 'Nobody asks.');
    try {
      return apiAnswer(200, { reloaded: true, ...(await source.reload(caller)) });
    } catch (error) {
      if (error instanceof BrokerError && wrongInput.includes(error.code)) return problem(422, error.message);
      throw error;
    }
  },
};

export const logLevel: Route = {
  method: 'put',
  path: '/api/v1/log-level',
  right: 'config',
  takesBody: true,
  operation: {
    summary: 'Set the log level',
    description: 'On all nodes of a cluster, until the configuration is read again or the broker restarts.',
    body: record({ level: oneOf(...logLevels) }),
    answers: {
      200: { description: 'The level is in force', schema: record({ level: oneOf(...logLevels) }) },
      400: 'The body is invalid',
    },
  },
  handle: ({ body, caller }, { source }) => {
    if (caller === undefined) return problem(403, 'Nobody asks.');
    const given = objectOf(body, 'The body');
    const level = logLevels.find((each) => each === given['level']);
    if (level === undefined || Object.keys(given).length > 1)
      throw new RequestFault(
        400,
        `The body must have level, one of ${logLevels.join(', ')}, and nothing else.`,
      );
    source.setLogLevel(level, caller);
    return apiAnswer(200, { level });
  },
};

export const drain: Route = {
  method: 'post',
  path: '/api/v1/drain',
  right: 'config',
  operation: {
    summary: 'Drain the broker, and stop it',
    description:
      'Like SIGUSR2: new clients are refused, /readyz answers 503, connected clients are disconnected, drainClientsPerSecond of them a second, and then the broker stops.',
    answers: { 202: { description: 'It begins', schema: record({ clients: count }) } },
  },
  handle: ({ caller }, { source }) =>
    caller === undefined ? problem(403, 'Nobody asks.') : apiAnswer(202, { clients: source.drain(caller) }),
};
