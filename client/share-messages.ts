/** The messages between a tab and the shared worker, over a MessagePort. */
import type { Credentials, PublishOptions, RallyOptions, SubscribeOptions } from './options.ts';
import type { Message, PublishResult, RallyEvents } from './rally.ts';

/** What can be cloned: functions and signals stay in the tab. */
export type SharedOptions = Omit<RallyOptions, 'signal' | 'WebSocket' | 'credentials'>;

export type FromTab =
  /** The first: which connection, and the name of the lock that the tab holds for as long as it lives. */
  | {
      type: 'open';
      key: string;
      url: string;
      options: SharedOptions;
      hasCredentials: boolean;
      lock: string;
    }
  | {
      type: 'publish';
      id: number;
      topic: string;
      payload: Uint8Array;
      options: Omit<PublishOptions, 'signal'>;
    }
  | {
      type: 'subscribe';
      id: number;
      topicFilter: string;
      options: Omit<SubscribeOptions, 'signal' | 'bufferMax'>;
    }
  /** Ends a subscription, or takes a message out of the queue. */
  | { type: 'cancel'; id: number }
  /** The tab has processed this many messages of the subscription `id`. */
  | { type: 'taken'; id: number; count: number }
  | { type: 'credentials'; id: number; credentials?: Credentials; failure?: Failure }
  /** The tab is visible again, or the network is back. */
  | { type: 'wake' }
  | { type: 'close' };

export type ToTab =
  | { type: 'event'; name: 'connected'; detail: RallyEvents['connected']; clientId: string }
  | { type: 'event'; name: 'reconnecting'; delayMs: number; failure: Failure | undefined }
  | { type: 'event'; name: 'closed'; failure: Failure | undefined }
  /** A message is published, or a subscription granted. */
  | { type: 'done'; id: number; result?: PublishResult | undefined }
  /** A publish or a subscription has failed. */
  | { type: 'failed'; id: number; failure: Failure | undefined }
  /** `dropped`: how many messages the tab has missed so far because it was too slow. */
  | { type: 'message'; id: number; message: Omit<Message, 'text' | 'json'>; dropped: number }
  | { type: 'credentials'; id: number; url: string }
  /** The first: the name of the lock that the worker holds for as long as it lives. */
  | { type: 'hello'; lock: string }
  /** The answer to `close`. */
  | { type: 'released' };

/** An error in transit: a RallyError would arrive as an Error without its reason code and status. */
export interface Failure {
  readonly error: unknown;
  readonly reasonCode: number | undefined;
  readonly status: number | undefined;
}

/** The number of messages of one subscription that may be in transit to a tab. */
export const tabWindow = 128;

/** A lock that is held until this tab or worker ends, or `release` is called. */
export interface HeldLock {
  readonly name: string;
  /** Resolves when the lock is held. */
  readonly held: Promise<void>;
  release(): void;
}

export function holdLock(kind: 'tab' | 'worker'): HeldLock {
  const name = `rally/${kind}/${Date.now()}/${Math.random()}`;
  let release = (): void => {};
  const isOver = new Promise<void>((resolve) => {
    release = resolve;
  });
  const held = new Promise<void>((resolve, reject) => {
    const holding = navigator.locks.request(name, () => {
      resolve();
      return isOver;
    });
    holding.catch(reject);
  });
  return { name, held, release };
}

export function toFailure(error: unknown): Failure {
  const { reasonCode, status } = Object(error) as { reasonCode?: number; status?: number };
  return { error, reasonCode, status };
}
