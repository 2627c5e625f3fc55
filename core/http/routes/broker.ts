import { jsonAnswer } from '../answer.ts';
import type { Route } from '../route.ts';

/** The version of this broker, and where clients connect. */
export const broker: Route = {
  method: 'get',
  path: '/api/broker',
  right: 'everyone',
  handle: (_, { config, version, ports }) => {
    const { host, path, authenticates } = config;
    const { port, tcpPort, tlsPort, mqttsPort } = ports;
    const listens = { host, port, path, tcpPort, tlsPort, mqttsPort };
    return jsonAnswer({ name: 'RallyMQ', version, ...listens, authenticates });
  },
};
