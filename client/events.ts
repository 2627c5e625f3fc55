/** What the client and the client behind a shared worker have in common: their events, and when they try again. */
import type { Properties } from '../core/wire/properties.ts';
import { RallyError } from './rally-error.ts';

export type Status = 'connecting' | 'connected' | 'reconnecting' | 'closed';

/** The arguments of a listener of `rally.on`, by event name. */
export interface RallyEvents {
  /** The status has changed. Comes before the event of the new status. */
  status: { from: Status; to: Status };
  /** The broker has accepted the connection. If `sessionPresent` is false, it has no state of an earlier session. */
  connected: { sessionPresent: boolean; properties: Properties };
  /** The connection was lost, or an attempt failed; the next attempt starts after `delayMs`. */
  reconnecting: { error: Error | undefined; delayMs: number };
  /** There will be no further attempt: the client was closed, or refused permanently, in which case `error` is set. */
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

/**
 * Sets the status of `client`, and emits its event, and before that `status` if it is another one. A listener of `status`
 * may close the client: then `closed` has been emitted, and the event is not.
 */
export function emit<Name extends Exclude<keyof RallyEvents, 'status'>>(
  target: EventTarget,
  client: { readonly status: Status },
  name: Name,
  detail: RallyEvents[Name],
): void {
  const from = client.status;
  (client as { status: Status }).status = name;
  if (from !== name) target.dispatchEvent(new CustomEvent('status', { detail: { from, to: name } }));
  if (client.status === name) target.dispatchEvent(new CustomEvent(name, { detail }));
}

interface Emitter {
  on<Name extends keyof RallyEvents>(name: Name, listener: (event: RallyEvents[Name]) => void): () => void;
}

/** Resolves with the first connection; rejects if there will be none. You may ignore it. */
export function whenReady(client: Emitter, signal: AbortSignal | undefined): Promise<void> {
  let cause: unknown;
  const ready = new Promise<void>((resolve, reject) => {
    client.on('connected', resolve as () => void);
    client.on('reconnecting', ({ error }) => {
      cause = error;
    });
    client.on('closed', ({ error }) => {
      const reason: unknown = signal?.reason;
      Reflect.set(Object(reason), 'cause', Object(reason).cause ?? cause);
      reject(reason ?? error ?? new RallyError());
    });
  });
  ready.catch(() => {}); // the event `closed` tells it too
  return ready;
}

/** Calls `wake` when the network is back or the page becomes visible, so that nobody has to wait for a timer. */
export function listenForWaking(wake: () => void, options: AddEventListenerOptions): void {
  const called = (): unknown => globalThis.document?.hidden || wake();
  globalThis.addEventListener?.('online', called, options);
  globalThis.addEventListener?.('visibilitychange', called, options); // the document's, which bubbles
}
