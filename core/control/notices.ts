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
  plainOnTlsPort:
    'a client does not speak TLS on a port that has it: it needs wss, mqtts or https, or a plain port',
  tlsFailed:
    'a client could not agree with the broker on TLS: see the reason (docs/tls.md says what each means)',
  proxyNotTrusted:
    'a header of the PROXY protocol comes from an address that is not in trustedProxies (--trusted-proxies): it is not believed, and the connection ends',
  proxyHeaderMalformed:
    'a trusted proxy has sent a header of the PROXY protocol that is not formed as it must be: its connection ends',
  retainedStoreFull:
    'a message of a client, or a will, is not retained, since the store is full: raise retainedMessagesMax or retainedBytesMax',
};
