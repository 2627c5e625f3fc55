/**
 * How a storm of logins, each of which takes an Argon2id, affects the messages of connected clients. In a real one all
 * clients are on other machines. Here they share the cores with the broker, so what they do is kept out of the figure: the
 * messages are timed by bench/load/generator, a process of its own, and the clients that log in have a thread
 * (storm-clients.ts) with the lowest priority.
 */
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { BenchError } from '../bench-error.ts';
import { compileGenerator, type Flags, generate } from '../load/generator.ts';
import { last } from '../load/metrics.ts';
import type { Endpoint, RunningPeer } from '../peers/peer.ts';

export interface StormRound {
  readonly calmP99Ms: number;
  readonly stormP99Ms: number;
  /** Passwords that were verified meanwhile. */
  readonly verified: number;
}

export interface StormTerms {
  readonly rounds: number;
  /** Of each of the two parts of a round. */
  readonly seconds: number;
  /** user-0, user-1 and so on: those whose password the broker has not seen yet. */
  readonly users: number;
  readonly password: Uint8Array;
}

/** What a thread of storm-clients.ts is given. It gives the number of passwords that were verified. */
export interface StormOfClients {
  readonly broker: Endpoint;
  readonly seconds: number;
  readonly firstUser: number;
  readonly users: number;
  readonly password: Uint8Array;
}

const messagesPerSecond = 500;
const settleMs = 500;
/** The storm is there before messages are timed, and after. */
const marginSeconds = 1;
const nsPerMs = 1_000_000;

/** The broker lets in clients without a user name, who send the messages. */
export async function stormRounds(broker: RunningPeer, terms: StormTerms): Promise<StormRound[]> {
  const { tcp } = broker;
  if (tcp === undefined) throw new BenchError('The broker has no TCP.');
  const { rounds, seconds, users, password } = terms;
  const generator = await compileGenerator();
  const timed = async (): Promise<number> => p99Ms(generator, tcp, seconds);
  const played: StormRound[] = [];
  for (let round = 0; round < rounds; round++) {
    await delay(settleMs);
    const firstUser = Math.floor((round * users) / rounds);
    const calmP99Ms = await timed();
    const storm = storming({ broker: tcp, seconds: seconds + 2 * marginSeconds, firstUser, users, password });
    await delay(marginSeconds * 1_000);
    const [stormP99Ms, verified] = await Promise.all([timed(), storm]);
    played.push({ calmP99Ms, stormP99Ms, verified });
  }
  return played;
}

async function storming(terms: StormOfClients): Promise<number> {
  const worker = new Worker(new URL('./storm-clients.js', import.meta.url), { workerData: terms });
  const [verified] = (await once(worker, 'message')) as [number];
  await worker.terminate();
  return verified;
}

/** From when a message is due to its arrival. */
async function p99Ms(generator: string, { host, port }: Endpoint, seconds: number): Promise<number> {
  const flags: Flags = { scenario: 'p2p', publishers: 1, rate: messagesPerSecond, transport: 'tcp' };
  const result = await generate(generator, { ...flags, host, port, warmup: 300, duration: seconds * 1_000 });
  const p99 = last(result)?.latencyNs?.p99;
  if (p99 === undefined) throw new BenchError('No message has arrived.');
  return p99 / nsPerMs;
}
