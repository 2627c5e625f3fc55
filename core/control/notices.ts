/** What the log says about the notices of the data plane. */
import type { Notice } from '../data-plane/addon.ts';

export const noticeSentences: Readonly<Record<Notice, string>> = {
  outOfDescriptors:
    'too few file descriptors: no new connection is accepted until some are free; raise the limit of open files (ulimit -n)',
  tlsOnPlainPort:
    'a client speaks TLS (wss, mqtts, https) on a port that is plain: it needs ws, mqtt or http',
  httpOnMqttPort:
    'a client speaks HTTP or WebSocket on the port of MQTT over TCP: it needs the other port (--port)',
  mqttOnHttpPort:
    'a client speaks MQTT over TCP on the port of HTTP and WebSocket: it needs the other port (--tcp-port)',
  retainedStoreFull:
    'a message of a client, or a will, is not retained, since the store is full: raise retainedMessagesMax or retainedBytesMax',
};
