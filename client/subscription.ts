/** One listener of a topic filter: a callback, or the source of a `for await` loop. */
import type { Message } from './message.ts';
import { RallyError } from './rally-error.ts';

export type Listener = (message: Message) => void;

/** What `rally.subscribe` returns. `unsubscribe` ends a `for await` loop over it, and leaving the loop unsubscribes. */
export interface Subscription extends AsyncIterable<Message> {
  /** Resolves when the broker has granted the subscription; rejects if it refuses, or if the subscription ends before. You may ignore it. */
  readonly ready: Promise<void>;
  /** The number of messages that were dropped because the `for await` loop was too slow. */
  dropped: number;
  /**
   * Ends the subscription, for the listener immediately. When no other listener has the same topic filter, the broker gets an
   * UNSUBSCRIBE, and the promise resolves with its answer; otherwise it resolves immediately.
   */
  unsubscribe(): Promise<void>;
}

/** The side of a subscription that the session sees. */
export interface Receiver {
  readonly subscription: Subscription;
  /** The identifier of the SUBSCRIBE that it was made with, and so of its retained messages. */
  id: number;
  granted(): void;
  /** Does nothing once the subscription has ended, even if a listener has ended it during the same message. */
  deliver(message: Message): void;
  /** The subscription has ended, because of `error` if there is one. */
  end(error?: unknown): void;
}

/** Without a listener, at most `bufferMax` messages wait for the loop. `onEnd` is called once; it resolves when the broker has answered. */
export function createReceiver(
  listener: Listener | undefined,
  bufferMax: number,
  onEnd: () => Promise<unknown> | undefined,
): Receiver {
  const buffer: Message[] = [];
  let isEnded = false;
  let failure: unknown;
  let wake = (): void => {};
  let granted!: () => void;
  let refused!: (error: unknown) => void;
  const ready = new Promise<void>((resolve, reject) => {
    granted = resolve;
    refused = reject;
  });
  ready.catch(() => {}); // it is thrown in the loop as well

  const end = (error?: unknown): Promise<unknown> | undefined => {
    if (isEnded) return undefined;
    isEnded = true;
    failure = error;
    refused(error ?? new RallyError()); // if it has not been granted
    wake();
    return onEnd();
  };

  const deliver = (message: Message): void => {
    if (isEnded) return;
    try {
      if (!listener && buffer.push(message) > bufferMax) {
        buffer.shift();
        subscription.dropped++;
      }
      wake();
      listener?.(message);
    } catch (error) {
      // An error of a listener is reported by the page; the other listeners still get the message.
      queueMicrotask(() => {
        throw error;
      });
    }
  };

  async function* messages(): AsyncGenerator<Message, void, undefined> {
    try {
      while (buffer[0] || !isEnded) {
        const message = buffer.shift();
        if (message) yield message;
        else await new Promise<void>((resolve) => (wake = resolve));
      }
      if (failure) throw failure;
    } finally {
      end();
    }
  }

  const subscription = {
    ready,
    dropped: 0,
    unsubscribe: async () => end() as Promise<void>,
    [Symbol.asyncIterator]: messages,
  };
  return { subscription, id: 0, granted, deliver, end };
}
