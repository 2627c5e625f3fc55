/** Waiting for time to pass where the server's timers are what is asked about: by its own clock, not by ours. */

import { octets, u32 } from './octets.ts';
import type { Context } from './section.ts';

/**
 * Resolves when `seconds` have passed for the server: a client fails whose will is delayed by that much
 * (section 3.1.3.2.2), and the will has come.
 */
export async function secondsPass(context: Context, seconds: number): Promise<void> {
  const topic = context.name(`/clock/${Math.random()}`);
  const watcher = await context.connect();
  await watcher.subscribe(topic);
  const will = { topic, properties: octets('18', u32(seconds)) };
  const clock = await context.connect({ will, properties: octets('11', u32(seconds + 60)) });
  await clock.drop();
  await watcher.receive();
}
