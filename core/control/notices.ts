/**
 * Log lines about what clients do again and again: notices of the data plane, refused origins, too many
 * sessions.
 */
import type { Notice } from '../data-plane/addon.ts';
import { Pace } from './pace.ts';

const noticeSentences: Readonly<Record<Notice, string>> = {
  outOfDescriptors:
    'too few file descriptors: no new connection is accepted until some are free; raise the limit of open files (ulimit -n)',
  tlsOnPlainPort: 'a client uses TLS (wss, mqtts, https) on a plain port: it needs ws, mqtt or http',
  httpOnMqttPort:
    'a client uses HTTP or WebSocket on the port for MQTT over TCP: it needs the other port (--port)',
  mqttOnHttpPort:
    'a client uses MQTT over TCP on the port for HTTP and WebSocket: it needs the other port (--tcp-port)',
  plainOnTlsPort: 'a client without TLS uses a TLS port: it needs wss, mqtts or https, or a plain port',
  tlsFailed: 'a TLS handshake failed: see the reason (docs/tls.md explains each of them)',
  proxyNotTrusted:
    'a PROXY protocol header comes from an address that is not in trustedProxies (--trusted-proxies): the connection is ended',
  proxyHeaderMalformed: 'a trusted proxy has sent a malformed PROXY protocol header: the connection is ended',
  retainedStoreFull:
    'a message or will is not retained, because the store of retained messages is full: raise retainedMessagesMax or retainedBytesMax',
  routesDiffer:
    'a worker knew other routes than another worker had told it: they are told again, and until then some of its clients may have missed messages; please report it',
};

/** How many origins of refused pages are logged; anyone can make up more. */
const refusedOriginsMax = 100;

/** How many notices with reasons are logged; the reasons are OpenSSL's, some dozens in practice. */
const noticesMax = 200;

/** Between two log lines about too many sessions, since refused clients try again and again. */
const sessionsFullNoticeMs = 60_000;

export type Warn = (fields: Readonly<Record<string, unknown>>, sentence: string) => void;

/** Logs only once, or rarely, what the same client causes again and again. */
export class Notices {
  readonly #warn: Warn;
  readonly #refusedOrigins = new Set<string>();
  readonly #noticed = new Set<string>();
  readonly #sessionsFull = new Pace(sessionsFullNoticeMs);

  constructor(warn: Warn) {
    this.#warn = warn;
  }

  /** Once for each origin. */
  originRefused(origin: string): void {
    if (this.#refusedOrigins.has(origin) || this.#refusedOrigins.size >= refusedOriginsMax) return;
    this.#refusedOrigins.add(origin);
    const advice =
      origin === 'null'
        ? 'a page that was opened as a file may not connect: serve it over HTTP, or allow null'
        : 'a page may not connect: allow its origin';
    this.#warn({ origin }, `${advice} (allowedOrigins, --allowed-origins)`);
  }

  /** Once for each notice, or for each notice and reason. An empty address or reason is unknown. */
  noticed(notice: Notice, remoteAddress: string, reason: string): void {
    const said = `${notice} ${reason}`;
    if (this.#noticed.has(said) || this.#noticed.size >= noticesMax) return;
    this.#noticed.add(said);
    const fields = {
      ...(remoteAddress === '' ? {} : { remoteAddress }),
      ...(reason === '' ? {} : { reason }),
    };
    this.#warn(fields, noticeSentences[notice]);
  }

  sessionsFull(sessionsMax: number, refused: number): void {
    if (!this.#sessionsFull.isDue(performance.now())) return;
    const advice =
      'clients without a session are refused: raise sessionsMax, or lower sessionExpiryIntervalMax';
    this.#warn({ sessionsMax, refused }, advice);
  }
}
