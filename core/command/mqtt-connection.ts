/**
 * The MQTT 5 connection of `rallymq pub` and `rallymq sub`, over TCP or TLS: opened once, without reconnecting.
 *
 *   new -> accepted -> publish(), subscribe() ... -> close() -> ended
 *
 * Any failure ends it: `accepted`, `ended` and all open requests reject with it.
 */
import { isIP, type Socket, connect as tcpConnect } from 'node:net';
import { type ConnectionOptions, TLSSocket, connect as tlsConnect } from 'node:tls';
import { BrokerError } from '../broker-error.ts';
import { invalid } from '../config/arguments.ts';
import { reasonSentence } from '../front-end/reason-strings.ts';
import { type Asker, ClientEngine, type Link } from '../protocol/client-engine.ts';
import { readAccessFile } from '../security/access-file.ts';
import { systemReason } from '../system-reason.ts';
import { decodeConnack } from '../wire/decode-connack.ts';
import { decodeServerDisconnect } from '../wire/decode-disconnect.ts';
import { encodeConnect } from '../wire/encode-connect.ts';
import { encodeDisconnect } from '../wire/encode-disconnect.ts';
import { encodePingreq } from '../wire/encode-ping.ts';
import { type Frame, FrameReader } from '../wire/frame-reader.ts';
import { PacketType } from '../wire/packet-type.ts';
import type { PublishPacket, QoS } from '../wire/packets.ts';
import type { Properties } from '../wire/properties.ts';
import { isProtocolError, type ProtocolError, protocolViolation } from '../wire/protocol-error.ts';
import { ReasonCode } from '../wire/reason-code.ts';
import { reasonCodeName } from '../wire/reason-code-name.ts';
import { readPassword } from './read-password.ts';

export const mqttFlags = { url: 'text', user: 'text', ca: 'text', qos: 'text' } as const;

export const mqttFlagsUsage = [
  '  --url URL    of the broker, mqtt:// or mqtts:// (default mqtt://127.0.0.1:1883)',
  '  --user NAME  user name; the password is RALLYMQ_PASSWORD, or it is asked for',
  '  --ca FILE    authority of the certificate of an mqtts:// broker, in PEM (dev-ca.pem)',
];

export interface MqttTarget {
  readonly url: string;
  readonly host: string;
  readonly port: number;
  /** Undefined: without TLS. */
  readonly tls: ConnectionOptions | undefined;
  readonly username: string | undefined;
  readonly password: Uint8Array | undefined;
}

interface Flags {
  readonly url?: string;
  readonly user?: string;
  readonly ca?: string;
  readonly qos?: string;
}

type Environment = Readonly<Record<string, string | undefined>>;

const keepAliveSeconds = 60;
/** For CONNACK and PINGRESP. */
const answerMs = 10_000;
/** For the broker's close, when everything is sent. */
const closeMs = 1_000;
/** When the socket buffers this much, further messages wait. */
const bufferedBytesMax = 1_000_000;

/** Asks for the password if there is a user but no variable. Errors: FLAG_VALUE_INVALID, ACCESS_FILE_UNREADABLE. */
export async function mqttTargetOf(flags: Flags, environment: Environment): Promise<MqttTarget> {
  const { url = 'mqtt://127.0.0.1:1883', user: username, ca } = flags;
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  const { protocol = '', hostname = '', pathname = '', search = '', username: user = '' } = parsed ?? {};
  const isPlain = protocol === 'mqtt:';
  const hasMore = search !== '' || user !== '' || (pathname !== '' && pathname !== '/');
  if (!(isPlain || protocol === 'mqtts:') || hostname === '' || hasMore)
    throw invalid(`--url is '${url}': give mqtt://HOST:PORT or mqtts://HOST:PORT.`);
  if (ca !== undefined && isPlain)
    throw invalid('--ca is for a broker with TLS: give --url mqtts://HOST:PORT.');
  const host = hostname.replace(/^\[|\]$/g, '');
  const tls = {
    ...(ca === undefined ? {} : { ca: authoritiesIn(ca) }),
    ...(isIP(host) === 0 ? { servername: host } : {}),
  };
  return {
    url,
    host,
    port: Number(parsed?.port || (isPlain ? 1883 : 8883)),
    tls: isPlain ? undefined : tls,
    username,
    password: username === undefined ? undefined : await passwordOf(username, environment),
  };
}

/** Without any, TLS would silently trust nobody. */
function authoritiesIn(path: string): string {
  const text = readAccessFile(path);
  if (/-----BEGIN [A-Z\d ]*CERTIFICATE-----/.test(text)) return text;
  throw invalid(
    `--ca is '${path}', which contains no certificate in PEM: give the authority's, such as dev-ca.pem.`,
  );
}

async function passwordOf(username: string, environment: Environment): Promise<Uint8Array> {
  const given = environment['RALLYMQ_PASSWORD'];
  if (given !== undefined && given !== '') return Buffer.from(given);
  if (process.stdin.isTTY) return await readPassword('once', username);
  throw invalid('There is no terminal to ask for the password: give it in the variable RALLYMQ_PASSWORD.');
}

/** Errors: FLAG_VALUE_INVALID. */
export function qosOf({ qos }: Flags, byDefault: QoS): QoS {
  if (qos === undefined) return byDefault;
  if (qos === '0' || qos === '1' || qos === '2') return Number(qos) as QoS;
  throw invalid(`--qos is '${qos}': give 0, 1 or 2.`);
}

export class MqttConnection implements Link {
  /** The broker has accepted the client. Errors: BROKER_NOT_REACHED, CLIENT_REFUSED. */
  readonly accepted: Promise<void>;
  /** It is closed, or has failed. Errors: BROKER_NOT_REACHED, CLIENT_REFUSED. */
  readonly ended: Promise<void>;
  /** Of the CONNACK. */
  server: Properties | undefined;
  readonly #target: MqttTarget;
  readonly #engine: ClientEngine;
  readonly #socket: Socket;
  readonly #frames = new FrameReader(5);
  #accept = (): void => {};
  #end: (error?: BrokerError) => void = () => {};
  #isClosing = false;
  #answerTimer: NodeJS.Timeout | undefined;
  #closeTimer: NodeJS.Timeout | undefined;
  #pingTimer: NodeJS.Timeout | undefined;

  constructor(target: MqttTarget, deliver: (message: PublishPacket) => void) {
    this.#target = target;
    this.#engine = new ClientEngine(5, {
      deliver(message, acknowledge) {
        acknowledge(); // `deliver` may close the connection
        deliver(message);
      },
      restore() {},
      refusal: (reasonCode, properties): Refusal => ({ reasonCode, properties }),
    });
    this.ended = new Promise((resolve, reject) => {
      this.#end = (error) => {
        clearTimeout(this.#answerTimer);
        clearTimeout(this.#closeTimer);
        clearInterval(this.#pingTimer);
        this.#socket.destroy();
        if (error === undefined) resolve();
        else reject(error);
        this.#engine.end(error ?? this.#lost()); // behind it: requests that are open at a regular end have not failed
      };
    });
    this.accepted = Promise.race([
      new Promise<void>((resolve) => {
        this.#accept = resolve;
      }),
      this.ended,
    ]);
    this.ended.catch(() => {}); // the caller gets the error from another promise
    this.accepted.catch(() => {});
    this.#socket = this.#open();
  }

  #open(): Socket {
    const { host, port, tls } = this.#target;
    const socket = tls === undefined ? tcpConnect({ host, port }) : tlsConnect({ host, port, ...tls });
    socket.setNoDelay(true);
    socket.once(tls === undefined ? 'connect' : 'secureConnect', () => socket.write(this.#hello()));
    socket.on('data', (chunk: Buffer) => this.#receive(chunk));
    socket.on('error', (error) => this.#end(this.#notReached(error)));
    socket.on('close', () => this.#end(this.#isClosing ? undefined : this.#lost()));
    this.#awaitAnswer();
    return socket;
  }

  #hello(): Uint8Array {
    const { username, password } = this.#target;
    return encodeConnect({
      protocolVersion: 5,
      cleanStart: true,
      keepAliveSeconds,
      clientId: '',
      ...(username === undefined ? {} : { username }),
      ...(password === undefined ? {} : { password }),
      properties: { requestProblemInformation: 1 },
    });
  }

  /** Resolves when the broker has the message; with QoS 0, when it is sent. */
  publish(topic: string, payload: Uint8Array, qos: QoS, retain: boolean): Promise<void> {
    const message = { topic, payload, qos, retain, properties: {} };
    return asked('The broker refused the message', (asker) => void this.#engine.publish(message, asker));
  }

  subscribe(topicFilter: string, qos: QoS): Promise<void> {
    const options = {
      topicFilter,
      qos,
      noLocal: false,
      retainAsPublished: false,
      retainHandling: 0,
    } as const;
    return asked(`The broker refused the filter '${topicFilter}'`, (asker) =>
      this.#engine.subscribe(options, this.#engine.newSubscriptionId(), asker),
    );
  }

  /** Resolves when everything is sent and the connection is closed. */
  async close(): Promise<void> {
    if (this.server === undefined) this.#end();
    else if (!this.#isClosing) {
      this.#socket.once('finish', () => {
        this.#closeTimer = setTimeout(() => this.#end(), closeMs);
      });
      this.#socket.end(encodeDisconnect({ reasonCode: ReasonCode.success, properties: {} }, 5));
    }
    this.#isClosing = true;
    await this.ended;
  }

  send(frame: Uint8Array): void {
    if (this.#socket.writable) this.#socket.write(frame);
  }

  hasRoom(resume: () => void): boolean {
    const isFull = this.#socket.writableLength > bufferedBytesMax;
    if (isFull) this.#socket.once('drain', resume);
    return !isFull;
  }

  #awaitAnswer(): void {
    this.#answerTimer ??= setTimeout(() => {
      const isSilent = this.#socket.bytesRead === 0;
      const late = new Error(`no answer within ${answerMs / 1_000} s`);
      this.#end(isSilent ? this.#notReached(late) : this.#lost());
    }, answerMs);
  }

  #receive(chunk: Uint8Array): void {
    if (this.server !== undefined) this.#answered();
    this.#frames.push(chunk);
    for (let frame = this.#frames.next(); frame !== undefined; frame = this.#frames.next()) {
      const fault = isProtocolError(frame) ? frame : this.#take(frame);
      if (fault === undefined) continue;
      this.#end(this.#lost());
      return;
    }
  }

  #answered(): void {
    clearTimeout(this.#answerTimer);
    this.#answerTimer = undefined;
  }

  #take(frame: Frame): ProtocolError | undefined {
    const { header, body } = frame;
    const type = header >> 4;
    if (type === PacketType.connack) return this.#takeConnack(header, body);
    if (this.server === undefined) return protocolViolation('no CONNACK');
    if (type === PacketType.pingresp) return undefined;
    if (type !== PacketType.disconnect) return this.#engine.received(frame);
    const packet = decodeServerDisconnect(header, body, 5);
    if (isProtocolError(packet)) return packet;
    this.#end(refused('The broker ended the connection', packet.reasonCode, packet.properties));
    return undefined;
  }

  #takeConnack(header: number, body: Uint8Array): ProtocolError | undefined {
    const packet = decodeConnack(header, body, 5);
    if (isProtocolError(packet)) return packet;
    if (this.server !== undefined) return protocolViolation('a second CONNACK');
    const { reasonCode, properties } = packet;
    if (reasonCode !== ReasonCode.success) {
      const advice =
        this.#target.username === undefined && needsUser.includes(reasonCode) ? ' Give --user NAME.' : '';
      this.#end(refused('The broker refused the connection', reasonCode, properties, advice));
      return undefined;
    }
    this.server = properties;
    this.#answered();
    const { serverKeepAlive = keepAliveSeconds } = properties;
    if (serverKeepAlive > 0) this.#pingTimer = setInterval(() => this.#ping(), serverKeepAlive * 500);
    this.#engine.connected(this, false);
    this.#accept();
    return undefined;
  }

  #ping(): void {
    if (this.#socket.writableLength > 0) return; // it would wait behind what is not sent yet, and its answer too
    this.send(encodePingreq());
    this.#awaitAnswer();
  }

  #notReached(error: Error): BrokerError {
    const cause = error instanceof AggregateError ? error.errors[0] : error;
    const { url } = this.#target;
    const reason = systemReason(cause).replace(/\.$/, '');
    const isUntrusted = this.#socket instanceof TLSSocket && Boolean(this.#socket.authorizationError);
    const { code = '', reason: tlsReason } = cause as NodeJS.ErrnoException & { readonly reason?: string };
    if (code === 'ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED') {
      const sentence = `The broker at ${url} requires a client certificate, which this command cannot give.`;
      return new BrokerError('BROKER_NOT_REACHED', sentence, { cause });
    }
    if (code.startsWith('ERR_SSL_')) {
      const sentence = `TLS with ${url} failed (${tlsReason}): is that port one for TLS? mqtt:// is without.`;
      return new BrokerError('BROKER_NOT_REACHED', sentence, { cause });
    }
    const advice = certificateAdvice.get(code) ?? 'give its authority with --ca FILE.';
    const sentence = isUntrusted
      ? `The certificate of ${url} is not accepted (${reason}): ${advice}`
      : `No broker answers at ${url} (${reason}): start one, or give its address with --url.`;
    return new BrokerError('BROKER_NOT_REACHED', sentence, { cause });
  }

  #lost(): BrokerError {
    const { url } = this.#target;
    const sentence =
      this.server === undefined
        ? `What answers at ${url} is not an MQTT broker: give the address of one with --url.`
        : `The connection to ${url} was lost.`;
    return new BrokerError('BROKER_NOT_REACHED', sentence);
  }
}

/** By the code of the error. */
const certificateAdvice: ReadonlyMap<string, string> = new Map([
  ['ERR_TLS_CERT_ALTNAME_INVALID', 'give a host name that it contains.'],
  ['CERT_HAS_EXPIRED', 'renew it.'],
  ['CERT_NOT_YET_VALID', 'is the clock of this machine right?'],
]);

const needsUser: readonly number[] = [ReasonCode.badUserNameOrPassword, ReasonCode.notAuthorized];

/** `what` has failed, and why: in the broker's words if it gives any. */
function refused(what: string, reasonCode: number, properties: Properties = {}, advice = ''): BrokerError {
  const reason = properties.reasonString ?? reasonSentence(reasonCode) ?? `${reasonCodeName(reasonCode)}.`;
  return new BrokerError('CLIENT_REFUSED', `${what}: ${reason}${advice}`);
}

interface Refusal {
  readonly reasonCode: number;
  readonly properties: Properties | undefined;
}

function asked(what: string, ask: (asker: Asker) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = (error: unknown): void => {
      if (error instanceof Error) reject(error);
      else reject(refused(what, (error as Refusal).reasonCode, (error as Refusal).properties));
    };
    ask({ succeed: () => resolve(), fail });
  });
}
