/** Follows a stream of Server-Sent Events, reopening it whenever it breaks. */
import { ApiError, open } from './api.ts';
import { readEvents, type ServerEvent } from './event-reader.ts';

const retryMs = 1_000;

export interface EventFollower {
  /** The identifier of the last event received; empty: none. */
  lastId(): string;
  /** True: this was the last event. */
  take(event: ServerEvent): boolean;
  /** The broker is unreachable; retries follow. */
  onLost(): void;
  onRefused(error: ApiError): void;
}

/** `path`: below the root of the site. Resolves when the stream is over, refused, or aborted by `stop`. */
export async function followEvents(path: string, stop: AbortSignal, follower: EventFollower): Promise<void> {
  let hasEnded = false;
  while (!hasEnded && !stop.aborted) {
    try {
      const lastId = follower.lastId();
      const headers = lastId === '' ? {} : { 'last-event-id': lastId };
      const { body } = await open(path, headers, stop);
      if (body === null) return;
      await readEvents(body, (event) => {
        if (!stop.aborted) hasEnded = follower.take(event) || hasEnded;
      });
    } catch (error) {
      if (stop.aborted) return;
      if (error instanceof ApiError && error.status !== 503) return follower.onRefused(error);
      follower.onLost();
    }
    if (!hasEnded) await new Promise((resolve) => setTimeout(resolve, retryMs));
  }
}
