/** What a storm of logins, each of which takes an Argon2id, does to the messages of those who are in. */
import { setTimeout as delay } from 'node:timers/promises';
import { decodePublish } from '../../core/wire/decode-publish.ts';
import { encodePublish } from '../../core/wire/encode-publish.ts';
import type { ConnectPacket } from '../../core/wire/packets.ts';
import { isProtocolError } from '../../core/wire/protocol-error.ts';
import { ReasonCode } from '../../core/wire/reason-code.ts';
import { BenchError } from '../bench-error.ts';
import type { RunningPeer } from '../peers/peer.ts';
import { inLoops, LoginClient } from './login-client.ts';

export interface StormRound {
  readonly calmP99Ms: number;
  readonly stormP99Ms: number;
  /** Passwords that were verified meanwhile. */
  readonly verified: number;
}

const loops = 32;
/** Too many wait, or it was not verified within connectTimeoutMs: on a machine without time left for it. */
const passing: readonly number[] = [ReasonCode.serverBusy, ReasonCode.notAuthorized];
const messageEveryMs = 2;
const settleMs = 200;
const topic = 'probe';

export interface StormTerms {
  readonly rounds: number;
  /** Of each of the two parts of a round. */
  readonly seconds: number;
  readonly probe: Partial<ConnectPacket>;
  /** Somebody whose password the broker has not seen. */
  readonly next: () => Partial<ConnectPacket>;
}

export async function stormRounds(broker: RunningPeer, terms: StormTerms): Promise<StormRound[]> {
  const { tcp } = broker;
  if (tcp === undefined) throw new BenchError('The broker has no TCP.');
  const { rounds, seconds, probe, next } = terms;
  const [publisher, subscriber] = [await LoginClient.open(tcp), await LoginClient.open(tcp)];
  for (const client of [publisher, subscriber]) {
    if ((await client.logIn(probe)) !== 0) throw new BenchError('The probe was refused.');
  }
  await subscriber.subscribe(topic, 0);
  let delays: number[] = [];
  subscriber.onFrame = (_, { header, body }) => {
    const packet = decodePublish(header, body, 5);
    if (isProtocolError(packet)) throw new BenchError(`The broker sent a malformed PUBLISH: ${packet.why}.`);
    delays.push(performance.now() - Number(new TextDecoder().decode(packet.payload)));
  };
  const timer = setInterval(() => {
    const payload = new TextEncoder().encode(`${performance.now()}`);
    publisher.send(encodePublish({ topic, payload, qos: 0, retain: false, dup: false, properties: {} }, 5));
  }, messageEveryMs);
  const p99Of = async (play: Promise<unknown>): Promise<number> => {
    delays = [];
    await play;
    const sorted = delays.sort((a, b) => a - b);
    const p99 = sorted[Math.floor(sorted.length * 0.99)];
    if (p99 === undefined) throw new BenchError('No message has arrived.');
    return p99;
  };
  const played: StormRound[] = [];
  try {
    for (let round = 0; round < rounds; round++) {
      await delay(settleMs);
      const calmP99Ms = await p99Of(delay(seconds * 1_000));
      let verified = 0;
      const logIn = async (): Promise<void> => {
        const client = await LoginClient.open(tcp);
        const reasonCode = await client.logIn(next());
        client.end();
        if (reasonCode === 0) verified++;
        else if (!passing.includes(reasonCode)) throw new BenchError('A right password was refused.');
      };
      const storm = inLoops(loops, seconds, logIn);
      // Without the end, at which those that are still waiting are verified.
      const stormP99Ms = await p99Of(Promise.race([storm, delay(seconds * 1_000)]));
      await storm;
      played.push({ calmP99Ms, stormP99Ms, verified });
    }
  } finally {
    clearInterval(timer);
    publisher.end();
    subscriber.end();
  }
  return played;
}
