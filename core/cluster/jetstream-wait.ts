/**
 * JetStream that does not serve yet: its servers have just been started and have not agreed who leads, or too few of them
 * have found each other for the copies that are asked for.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { JetStreamApiError } from '@nats-io/jetstream';
import { errors } from '@nats-io/transport-node';
import { messageOf } from '../system-reason.ts';

/** How long, and whom it is told once. */
export interface JetStreamWait {
  readonly waitMs: number;
  onWait(reason: string): void;
}

export const noWait: JetStreamWait = { waitMs: 0, onWait: () => {} };

const pauseMs = 500;
/** No suitable peers; temporarily unavailable; it cannot handle requests; resources are insufficient. */
const temporaryCodes = [10_005, 10_008, 10_009, 10_023];

/** Tries again as long as it may serve later, and for the time given at most. Rejects: as the last attempt. */
export async function onceServed<Result>(
  { waitMs, onWait }: JetStreamWait,
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
    }
  }
}

function isTemporary(error: unknown): boolean {
  if (error instanceof JetStreamApiError) return temporaryCodes.includes(error.code);
  return error instanceof errors.TimeoutError;
}
