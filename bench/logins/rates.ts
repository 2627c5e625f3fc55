/** How many clients per second a broker accepts. */
import type { ConnectPacket } from '../../core/wire/packets.ts';
import { BenchError } from '../bench-error.ts';
import type { RunningPeer } from '../peers/peer.ts';
import { cpuSecondsOf } from '../process-figures.ts';
import { inLoops, LoginClient } from './login-client.ts';

export interface LoginRate {
  readonly perSecond: number;
  /** CPU time of the broker's threads together. */
  readonly perCpuSecond: number;
}

/** Clients that log in at the same time. */
const loops = 32;

/** Connects, logs in and disconnects, repeatedly. `next` returns the next user. */
export async function loginRate(
  broker: RunningPeer,
  seconds: number,
  next: () => Partial<ConnectPacket>,
): Promise<LoginRate> {
  const { pid } = broker;
  if (pid === undefined) throw new BenchError('The broker has no process.');
  let count = 0;
  const cpuBefore = await cpuSecondsOf(pid);
  const startMs = performance.now();
  await inLoops(loops, seconds, async () => {
    await logInOnce(broker, next());
    count++;
  });
  const elapsed = (performance.now() - startMs) / 1_000;
  const cpuSeconds = (await cpuSecondsOf(pid)) - cpuBefore;
  return { perSecond: count / elapsed, perCpuSecond: count / cpuSeconds };
}

/** Errors: BenchError if the client is refused. */
export async function logInOnce({ tcp }: RunningPeer, who: Partial<ConnectPacket>): Promise<void> {
  if (tcp === undefined) throw new BenchError('The broker has no TCP.');
  const client = await LoginClient.open(tcp);
  const reasonCode = await client.logIn(who);
  client.end();
  if (reasonCode !== 0) throw new BenchError(`A login was refused with 0x${reasonCode.toString(16)}.`);
}
