/**
 * Messages to systemd (sd_notify): the broker is ready, reloading, stopping, alive. Nothing is sent if the
 * environment names no socket.
 */
import type { Clock, Timer } from '../sessions/timers.ts';

export interface ServiceNoticesOptions {
  /**
   * The environment of the process. The variables meant for this process are removed, so that no child
   * process uses them.
   */
  readonly environment: Record<string, string | undefined>;
  readonly pid: number;
  readonly clock: Clock;
  /** Of CLOCK_MONOTONIC, in microseconds. */
  monotonicUs(): bigint;
  /** False: nobody receives it. */
  send(socket: string, text: string): boolean;
  warn(sentence: string): void;
}

/** Reading a store may take minutes; systemd waits this long after each request for more time. */
const extensionUs = 60_000_000;
const extensionMs = 20_000;

export class ServiceNotices {
  readonly #options: ServiceNoticesOptions;
  readonly #socket: string;
  /** The interval of watchdog messages; 0: none are wanted. */
  readonly #beatMs: number;
  #timer: Timer | undefined;
  #isWarnedOf = false;

  constructor(options: ServiceNoticesOptions) {
    const { environment, pid } = options;
    const {
      NOTIFY_SOCKET: socket = '',
      WATCHDOG_USEC: us = '',
      WATCHDOG_PID: watched = `${pid}`,
    } = environment;
    for (const name of ['NOTIFY_SOCKET', 'WATCHDOG_USEC', 'WATCHDOG_PID']) delete environment[name];
    this.#options = options;
    this.#socket = socket;
    this.#beatMs = watched === `${pid}` && /^\d+$/.test(us) ? Number(us) / 2_000 : 0;
    this.#extend();
  }

  /** The broker is starting: systemd must not consider it hung. */
  #extend(): void {
    if (this.#socket === '') return;
    this.#send(`EXTEND_TIMEOUT_USEC=${extensionUs}`);
    this.#timer = this.#options.clock.after(extensionMs, () => this.#extend());
  }

  ready(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#send('READY=1\nSTATUS=Clients can connect.');
    this.#beat();
  }

  reloading(): void {
    this.#send(`RELOADING=1\nMONOTONIC_USEC=${this.#options.monotonicUs()}`);
  }

  reloaded(isRefused: boolean): void {
    const status = isRefused
      ? 'A file is invalid and was not applied: see the log.'
      : 'Clients can connect; the files were read again.';
    this.#send(`READY=1\nSTATUS=${status}`);
  }

  draining(): void {
    this.#send('STATUS=Disconnecting clients.');
  }

  /** It is watched until it has ended; for that it has the time that TimeoutStopSec= allows. */
  stopping(): void {
    this.#send('STOPPING=1\nSTATUS=The broker is stopping.');
  }

  #beat(): void {
    if (this.#socket === '' || this.#beatMs <= 0) return;
    this.#send('WATCHDOG=1');
    this.#timer = this.#options.clock.after(this.#beatMs, () => this.#beat());
  }

  /** One that is not received keeps no later one back: without them the watchdog would end the broker. */
  #send(text: string): void {
    if (this.#socket === '' || this.#options.send(this.#socket, text)) return;
    if (!this.#isWarnedOf) this.#options.warn('the service manager cannot be notified: see NOTIFY_SOCKET');
    this.#isWarnedOf = true;
  }
}
