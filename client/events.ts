/** What the client and the one behind a shared worker have in common: their events, and when they try again. */
import type { Properties } from '../core/wire/properties.ts';
import { RallyError } from './rally-error.ts';

/** What `rally.on` tells, by the name of the event. */
export interface RallyEvents {
  /** The broker has accepted a CONNECT. Without its session, what it knew of this client is lost. */
  connected: { sessionPresent: boolean; properties: Properties };
  /** The connection is lost, or an attempt was in vain; the next attempt comes after `delayMs`. */
  reconnecting: { error: Error | undefined; delayMs: number };
  /** No attempt follows: closed, or refused for good, and then there is an error. */
  closed: { error: Error | undefined };
}

export interface ListenOptions {
  signal?: AbortSignal;
  once?: boolean;
}

export function listen<Name extends keyof RallyEvents>(
  target: EventTarget,
  name: Name,
  listener: (event: RallyEvents[Name]) => void,
  options?: ListenOptions,
): () => void {
  const called = (event: Event): void => listener((event as CustomEvent).detail);
  target.addEventListener(name, called, options);
  return () => target.removeEventListener(name, called);
}

interface Emitter {
  on<Name extends keyof RallyEvents>(name: Name, listener: (event: RallyEvents[Name]) => void): () => void;
}

/** Resolves with the first connection; rejects if there will be none. Nobody needs to look at it. */
export function whenReady(client: Emitter, signal: AbortSignal | undefined): Promise<void> {
  const ready = new Promise<void>((resolve, reject) => {
    client.on('connected', resolve as () => void);
    client.on('closed', ({ error }) => reject(signal?.aborted ? signal.reason : (error ?? new RallyError())));
  });
  ready.catch(() => {}); // the event `closed` tells it too
  return ready;
}

/** Calls `wake` when the network is back or the page is looked at: no time to wait for timers. */
export function listenForWaking(wake: () => void, options: AddEventListenerOptions): void {
  const called = (): void => {
    if (!globalThis.document?.hidden) wake();
  };
  globalThis.addEventListener?.('online', called, options);
  globalThis.document?.addEventListener('visibilitychange', called, options);
}
