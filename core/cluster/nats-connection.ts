/**
 * A connection to NATS: the post of the cluster. It reconnects by itself, indefinitely; messages published
 * meanwhile are lost, as the post permits. NATS is loaded only here and in nats-register.ts, and only in a
 * cluster.
 */
import { readFileSync } from 'node:fs';
import {
  type Authenticator,
  type ConnectionOptions,
  connect,
  credsAuthenticator,
  type NatsConnection,
  type ServerInfo,
  usernamePasswordAuthenticator,
} from '@nats-io/transport-node';
import { BrokerError } from '../broker-error.ts';
import type { BrokerConfig } from '../config/options.ts';
import { messageOf } from '../system-reason.ts';
import type { Post } from './ports.ts';

/** What a connection is created with. */
export type NatsSettings = Pick<BrokerConfig, 'cluster' | 'clusterCredentials' | 'clusterTlsCa'>;

const attemptMs = 2_000;
const pauseMs = 500;
const reconnectPauseMs = 250;
/** A connection is cut if nothing arrives for two of these intervals. */
const pingMs = 1_500;
const pingsUnanswered = 1;
/** The first version whose compare-and-set and heartbeats were tested. */
const oldest = [2, 9] as const;
/** What one message may need. */
const payloadBytes = 1_048_576;

export class NatsPost implements Post {
  readonly connection: NatsConnection;
  #isUp = true;
  #isClosed = false;

  constructor(connection: NatsConnection, listener: NatsListener) {
    this.connection = connection;
    void this.#follow(listener);
  }

  publish(subject: string, bytes: Uint8Array): void {
    if (!this.#isUp || this.#isClosed) return;
    const { max_payload: bytesMax = payloadBytes } = this.connection.info ?? {};
    if (bytes.length <= bytesMax) this.connection.publish(subject, bytes); // more would be thrown back
  }

  subscribe(subject: string, onMessage: (bytes: Uint8Array, subject: string) => void): void {
    this.connection.subscribe(subject, {
      callback: (error, message) => {
        if (error !== null && error !== undefined) return;
        try {
          onMessage(message.data, message.subject);
        } catch (fault) {
          // A bug of ours. The client of NATS would print it and read nothing more from its connection.
          queueMicrotask(() => {
            throw fault;
          });
        }
      },
    });
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.connection.close();
  }

  async #follow({ onUp, onRefused, onUnfit }: NatsListener): Promise<void> {
    const told = new Set<string>();
    for await (const status of this.connection.status()) {
      if (status.type === 'disconnect' || status.type === 'close') this.#isUp = false;
      if (status.type === 'error' && !told.has(status.error.message)) {
        told.add(status.error.message);
        onRefused?.(status.error.message);
      }
      // After several attempts that were refused it is said several times.
      if (status.type !== 'reconnect' || this.#isUp) continue;
      told.clear();
      const fault = faultOf(this.connection.info);
      if (fault !== undefined) onUnfit?.(fault);
      this.#isUp = true;
      onUp();
    }
  }
}

/** Callbacks for the state of a connection. */
export interface NatsListener {
  /** It is connected again. */
  onUp(): void;
  /** The first attempt has failed; more will follow. */
  onWait(reason: string): void;
  /** NATS does not accept the node any more, or not all that it does: once for each reason until it is connected again. */
  onRefused?(reason: string): void;
  /** It is connected again, to a server that would have been refused at first: messages that are too large for it are lost. */
  onUnfit?(reason: string): void;
}

/**
 * Connects, trying for `waitMs`, or until `signal` is aborted: its reason is thrown. Errors: CLUSTER_NOT_REACHABLE;
 * CLUSTER_REFUSED if NATS does not accept this node, is too old or allows only small messages; CLUSTER_FILE_UNREADABLE.
 */
export async function connectToNats(
  settings: NatsSettings,
  name: string,
  waitMs: number,
  listener: NatsListener,
  signal?: AbortSignal,
): Promise<NatsPost> {
  const options = optionsOf(settings, name);
  const shown = settings.cluster?.join(', ') ?? '';
  const endMs = performance.now() + waitMs;
  let hasWaited = false;
  for (;;) {
    signal?.throwIfAborted();
    try {
      const connection = await connect(options);
      const fault = faultOf(connection.info);
      if (fault === undefined) return new NatsPost(connection, listener);
      await connection.close();
      throw refused(`NATS at ${shown} ${fault}.`);
    } catch (cause) {
      if (cause instanceof BrokerError) throw cause;
      const reason = messageOf(cause);
      if (/authori[sz]ation|authenticat|permission/i.test(reason))
        throw refused(`NATS at ${shown} refuses this node (${reason}): give clusterCredentials.`, cause);
      if (performance.now() >= endMs)
        throw new BrokerError(
          'CLUSTER_NOT_REACHABLE',
          `NATS cannot be reached at ${shown} (${reason}): start it, or correct the option cluster.`,
          { cause },
        );
      if (!hasWaited) listener.onWait(reason);
      hasWaited = true;
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
  }
}

function refused(sentence: string, cause?: unknown): BrokerError {
  return new BrokerError('CLUSTER_REFUSED', sentence, { cause });
}

/** Why this NATS cannot be used; undefined: it can. */
function faultOf({
  version = '',
  max_payload: bytesMax = payloadBytes,
}: Partial<ServerInfo> = {}): string | undefined {
  if (!isOldEnough(version)) return `is version ${version}: RallyMQ needs ${oldest.join('.')} or newer`;
  if (bytesMax >= payloadBytes) return undefined;
  return `allows messages of ${bytesMax} bytes: RallyMQ needs max_payload ${payloadBytes}, the default`;
}

function isOldEnough(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major > oldest[0] || (major === oldest[0] && minor >= oldest[1]);
}

function optionsOf(
  { cluster = [], clusterCredentials, clusterTlsCa }: NatsSettings,
  name: string,
): ConnectionOptions {
  const isSecure = clusterTlsCa !== undefined || cluster.some((url) => url.startsWith('tls://'));
  const ca = clusterTlsCa === undefined ? undefined : textOf(clusterTlsCa, 'clusterTlsCa');
  return {
    servers: cluster.map((url) => url.replace(/^(nats|tls):\/\//, '')),
    name,
    timeout: attemptMs,
    maxReconnectAttempts: -1,
    ignoreAuthErrorAbort: true, // the file may get new credentials, and NATS may accept the old ones again
    reconnectTimeWait: reconnectPauseMs,
    reconnectJitter: reconnectPauseMs,
    pingInterval: pingMs,
    maxPingOut: pingsUnanswered,
    ...(clusterCredentials === undefined ? {} : { authenticator: currentCredentials(clusterCredentials) }),
    ...(isSecure ? { tls: ca === undefined ? {} : { ca } } : {}),
  };
}

/** Credentials expire: the file is read again for each connection. While it cannot be used, the last ones are. */
function currentCredentials(path: string): Authenticator {
  let last = authenticatorOf(textOf(path, 'clusterCredentials'));
  return (nonce) => {
    try {
      last = authenticatorOf(textOf(path, 'clusterCredentials'));
      return last(nonce);
    } catch {
      return last(nonce); // an error would end the connection for good
    }
  };
}

/** A NATS credentials file (.creds), or one with a line `user:password`. */
function authenticatorOf(text: string): Authenticator {
  if (text.includes('-----BEGIN NATS USER JWT-----')) return credsAuthenticator(Buffer.from(text));
  const line = text.trim();
  const colon = line.indexOf(':');
  if (colon < 1 || /[\r\n]/.test(line))
    throw new BrokerError(
      'CLUSTER_FILE_UNREADABLE',
      'The file of clusterCredentials is neither a .creds file of NATS nor one line user:password.',
    );
  return usernamePasswordAuthenticator(line.slice(0, colon), line.slice(colon + 1));
}

function textOf(path: string, option: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    const reason = messageOf(cause);
    throw new BrokerError('CLUSTER_FILE_UNREADABLE', `The file of ${option} cannot be read: ${reason}.`, {
      cause,
    });
  }
}
