/** How a storm of logins, each of which takes an Argon2id, affects the messages of connected clients. */
import { setTimeout as delay } from 'node:timers/promises';
import type { ConnectPacket } from '../../core/wire/packets.ts';
import { ReasonCode } from '../../core/wire/reason-code.ts';
import { BenchError } from '../bench-error.ts';
import type { RunningPeer } from '../peers/peer.ts';
import { DeliveryProbe } from './delivery-probe.ts';
import { inLoops, LoginClient } from './login-client.ts';

export interface StormRound {
  readonly calmP99Ms: number;
  readonly stormP99Ms: number;
  /** Passwords that were verified meanwhile. */
  readonly verified: number;
}

const loops = 32;
/**
 * Too many were waiting, or it was not verified within connectTimeoutMs: the machine had no time left for it.
 */
const passing: readonly number[] = [ReasonCode.serverBusy, ReasonCode.notAuthorized];
const settleMs = 200;

export interface StormTerms {
  readonly rounds: number;
  /** Of each of the two parts of a round. */
  readonly seconds: number;
  readonly probe: Partial<ConnectPacket>;
  /** A user whose password the broker has not seen yet. */
  readonly next: () => Partial<ConnectPacket>;
}

export async function stormRounds(broker: RunningPeer, terms: StormTerms): Promise<StormRound[]> {
  const { tcp } = broker;
  if (tcp === undefined) throw new BenchError('The broker has no TCP.');
  const { rounds, seconds, next } = terms;
  const probe = await DeliveryProbe.open(broker, terms.probe);
  const played: StormRound[] = [];
  try {
    for (let round = 0; round < rounds; round++) {
      await delay(settleMs);
      const calmP99Ms = await probe.p99Of(delay(seconds * 1_000));
      let verified = 0;
      const logIn = async (): Promise<void> => {
        const client = await LoginClient.open(tcp);
        const reasonCode = await client.logIn(next());
        client.end();
        if (reasonCode === 0) verified++;
        else if (!passing.includes(reasonCode)) throw new BenchError('A right password was refused.');
      };
      const storm = inLoops(loops, seconds, logIn);
      // Without the end, when the logins still waiting are verified.
      const stormP99Ms = await probe.p99Of(Promise.race([storm, delay(seconds * 1_000)]));
      await storm;
      played.push({ calmP99Ms, stormP99Ms, verified });
    }
  } finally {
    probe.close();
  }
  return played;
}
