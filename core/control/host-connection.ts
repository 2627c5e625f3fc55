/**
 * The host program's client and its connection, which belongs to worker 0 (main thread). The connection is
 * opened when that worker runs, and again after a restart.
 */
import { BrokerError } from '../broker-error.ts';
import type { Limits } from '../config/limits.ts';
import { HostClient } from '../host/host-client.ts';
import { reasonCodeName } from '../wire/reason-code-name.ts';
import type { Logger } from './logger.ts';
import type { ToWorker } from './messages.ts';

/** The worker with the connection. */
export const hostWorker = 0;

/** How long to wait before a failed connection is opened again. */
const pauseMs = 1_000;

export interface HostConnectionOptions {
  readonly limits: Limits;
  readonly logger: Logger;
  /** To the worker with the connection. */
  send(message: ToWorker, moved?: Uint8Array<ArrayBuffer>): void;
}

export class HostConnection {
  readonly client: HostClient;
  /** The key of the session, and that of the last connection. */
  session = 0;
  #opened = 0;
  readonly #options: HostConnectionOptions;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: HostConnectionOptions) {
    this.#options = options;
    this.client = new HostClient(options.limits, {
      sendBytes: (bytes) => options.send({ type: 'hostBytes', bytes }, bytes),
      sendProcessed: (bytes, messages) => options.send({ type: 'hostProcessed', bytes, messages }),
    });
  }

  open(): void {
    const isSessionPresent = this.session === this.#opened;
    this.#opened = this.session;
    this.#options.send({ type: 'openHost', session: this.session });
    this.client.resume(isSessionPresent);
  }

  /** The worker has ended; open() is called when it runs again. */
  workerLost(): void {
    clearTimeout(this.#timer);
    this.client.lost();
  }

  /** A packet it had not answered may have broken it. Clients do not notice. */
  ended(reasonCode: number): void {
    const reason = reasonCodeName(reasonCode);
    this.#options.logger.error({ reason }, "the host program's connection has ended and is reopened");
    this.client.lost(new BrokerError('HOST_PUBLISH_REFUSED', `The broker refused the message: ${reason}.`));
    this.#timer = setTimeout(() => this.open(), pauseMs);
  }

  close(): void {
    clearTimeout(this.#timer);
    this.client.close();
  }
}
