/**
 * What systemd is told (sd_notify): that the broker is ready, reads its files again, stops, and lives. Nothing, where the
 * environment names no socket for it.
 */
import type { Clock, Timer } from '../sessions/timers.ts';

export interface ServiceNoticesOptions {
  /** Of the process; what is meant for this process is taken out, so that no other one speaks for it. */
  readonly environment: Record<string, string | undefined>;
  readonly pid: number;
  readonly clock: Clock;
  /** Of CLOCK_MONOTONIC, in microseconds. */
  monotonicUs(): bigint;
  /** False: nobody takes it there. */
  send(socket: string, text: string): boolean;
  warn(sentence: string): void;
}

/** A store may take minutes to be read; systemd waits for so long from the last time it was asked to. */
const extensionUs = 60_000_000;
const extensionMs = 20_000;

export class ServiceNotices {
  readonly #options: ServiceNoticesOptions;
  readonly #socket: string;
  /** Between two signs of life; 0: none are wanted. */
  readonly #beatMs: number;
  #timer: Timer | undefined;
  #isReachable = true;

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

  /** The broker starts: systemd must not take it for hung. */
  #extend(): void {
    if (!this.#send(`EXTEND_TIMEOUT_USEC=${extensionUs}`)) return;
    this.#timer = this.#options.clock.after(extensionMs, () => this.#extend());
  }

  ready(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    if (this.#send('READY=1\nSTATUS=Clients can connect.')) this.#beat();
  }

  reloading(): void {
    this.#send(`RELOADING=1\nMONOTONIC_USEC=${this.#options.monotonicUs()}`);
  }

  reloaded(isRefused: boolean): void {
    const status = isRefused
      ? 'A file is wrong and was not taken: see the log.'
      : 'Clients can connect; the files were read again.';
    this.#send(`READY=1\nSTATUS=${status}`);
  }

  draining(): void {
    this.#send('STATUS=Clients are told to go.');
  }

  /** It is watched until it has ended, and has the time for that which TimeoutStopSec says. */
  stopping(): void {
    this.#send('STOPPING=1\nSTATUS=The broker stops.');
  }

  #beat(): void {
    if (this.#beatMs <= 0) return;
    this.#send('WATCHDOG=1');
    this.#timer = this.#options.clock.after(this.#beatMs, () => this.#beat());
  }

  #send(text: string): boolean {
    if (this.#socket === '' || !this.#isReachable) return false;
    const { send, warn } = this.#options;
    this.#isReachable = send(this.#socket, text);
    if (!this.#isReachable) warn('the service manager cannot be told anything: see NOTIFY_SOCKET');
    return this.#isReachable;
  }
}
