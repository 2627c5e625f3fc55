import { jsonAnswer } from '../answer.ts';
import type { Route } from '../route.ts';

/** What runs here, and where clients connect. */
export const broker: Route = {
  method: 'get',
  path: '/api/broker',
  right: 'everyone',
  handle: (_, { config, version, ports }) => {
    const { host, path, authenticates } = config;
    const { port, tcpPort } = ports;
    return jsonAnswer({ name: 'RallyMQ', version, host, port, path, tcpPort, authenticates });
  },
};
