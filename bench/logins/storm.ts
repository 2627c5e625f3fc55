/**
 * How a storm of logins, each of which takes an Argon2id, affects the messages of connected clients. In a real one all
 * clients are on other machines. Here they share the cores with the broker, so what they do is kept out of the figure: the
 * messages are timed by bench/load/generator, a process of its own, and the clients that log in have a thread
 * (storm-clients.ts) with the lowest priority.
 *
 * Before each storm the same passwords are verified outside the broker, by threads like its own in this process, while
 * nobody logs in. What that does to the messages is the machine's doing: the broker cannot do better than this.
 */
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { PasswordPool } from '../../core/security/password-pool.ts';
import { BenchError } from '../bench-error.ts';
import { compileGenerator, type Flags, generate } from '../load/generator.ts';
import { last } from '../load/metrics.ts';
import type { Endpoint, RunningPeer } from '../peers/peer.ts';
import { inLoops } from './login-client.ts';

export interface StormRound {
  readonly calmP99Ms: number;
  /** While the passwords are verified outside the broker. */
  readonly outsideP99Ms: number;
  readonly stormP99Ms: number;
  /** Passwords that were verified meanwhile. */
  readonly verified: number;
}

export interface StormTerms {
  readonly rounds: number;
  /** Of each of the three parts of a round. */
  readonly seconds: number;
  /** user-0, user-1 and so on: users whose passwords the broker has not verified yet. */
  readonly users: number;
  readonly password: Uint8Array;
  /** The hash of the password in the broker's file. */
  readonly hash: string;
}

/** The input of a thread of storm-clients.ts. It returns the number of verified passwords. */
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
/** Passwords that wait or are verified at a time, outside the broker. */
const pendingMax = 32;
const nsPerMs = 1_000_000;

/** The broker accepts clients without a user name, which send the messages. */
export async function stormRounds(broker: RunningPeer, terms: StormTerms): Promise<StormRound[]> {
  const { tcp } = broker;
  if (tcp === undefined) throw new BenchError('The broker has no TCP.');
  const { rounds, seconds, users, password, hash } = terms;
  const generator = await compileGenerator();
  const timed = async (): Promise<number> => p99Ms(generator, tcp, seconds);
  const stormSeconds = seconds + 2 * marginSeconds;
  const played: StormRound[] = [];
  for (let round = 0; round < rounds; round++) {
    await delay(settleMs);
    const firstUser = Math.floor((round * users) / rounds);
    const calmP99Ms = await timed();
    const [outsideP99Ms] = await timedDuring(verifyOutside(hash, password, stormSeconds), timed);
    await delay(settleMs);
    const storm = storming({ broker: tcp, seconds: stormSeconds, firstUser, users, password });
    const [stormP99Ms, verified] = await timedDuring(storm, timed);
    played.push({ calmP99Ms, outsideP99Ms, stormP99Ms, verified });
  }
  return played;
}

async function timedDuring<Result>(
  play: Promise<Result>,
  timed: () => Promise<number>,
): Promise<[number, Result]> {
  await delay(marginSeconds * 1_000);
  return await Promise.all([timed(), play]);
}

async function verifyOutside(hash: string, password: Uint8Array, seconds: number): Promise<void> {
  const pool = new PasswordPool(pendingMax);
  await inLoops(pendingMax, seconds, async () => void (await pool.verify(hash, password)));
  await pool.close();
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
