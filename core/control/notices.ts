/**
 * Log lines about what clients do again and again: notices of the data plane, refused origins, too many
 * sessions.
 */
import type { Notice } from '../data-plane/addon.ts';
import { Pace } from './pace.ts';

const noticeSentences: Readonly<Record<Notice, string>> = {
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
