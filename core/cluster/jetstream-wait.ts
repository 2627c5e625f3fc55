/**
 * Waits for JetStream while it is not available yet: its servers have just been started and have not elected a
 * leader, or too few of them have found each other for the requested copies.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { JetStreamApiError } from '@nats-io/jetstream';
import { errors } from '@nats-io/transport-node';
import { messageOf } from '../system-reason.ts';

/** How long to wait, and a callback that is called once. */
export interface JetStreamWait {
  readonly waitMs: number;
  onWait(reason: string): void;
  /** Once it is aborted, nothing is tried again: the reason is thrown. */
  readonly signal?: AbortSignal;
}

export const noWait: JetStreamWait = { waitMs: 0, onWait: () => {} };

const pauseMs = 500;
/** No suitable peers; temporarily unavailable; it cannot handle requests; resources are insufficient. */
const temporaryCodes = [10_005, 10_008, 10_009, 10_023];

/** Retries while JetStream may still become available, for at most the given time. Rejects: as the last attempt. */
export async function onceServed<Result>(
  { waitMs, onWait, signal }: JetStreamWait,
  attempt: () => Promise<Result>,
): Promise<Result> {
  const endMs = performance.now() + waitMs;
  let hasTold = false;
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (!isTemporary(error) || performance.now() >= endMs) throw error;
      if (!hasTold) onWait(messageOf(error));
      hasTold = true;
      await delay(pauseMs);
      signal?.throwIfAborted();
    }
  }
}

/** JetStream may be available later. */
export function isTemporary(error: unknown): boolean {
  if (error instanceof JetStreamApiError) return temporaryCodes.includes(error.code);
  return error instanceof errors.TimeoutError;
}
