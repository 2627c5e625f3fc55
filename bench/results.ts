/**
 * The results as files: bench/results/ has the last run of each kind and is not committed; bench/published/
 * has those that docs/benchmarks.md is made from.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { EchoOptions, EchoResult } from './browser/echo.ts';
import type { LoadResult, Sample } from './load/generator.ts';
import type { Profile, Scenario } from './load/scenarios.ts';
import { type Machine, thisMachine } from './machine.ts';
import { root } from './root.ts';

export interface Header {
  /** What was typed. */
  readonly command: string;
  readonly startedAt: string;
  readonly profile: Profile;
  readonly machine: Machine;
}

/** One load on one peer: its results, or why there are none. */
export interface Played {
  readonly scenario: string;
  readonly peer: string;
  /** Counts from 0; in a round every peer plays the scenario. */
  readonly round: number;
  readonly result?: LoadResult;
  readonly error?: string;
}

export interface PeerEntry {
  readonly name: string;
  readonly description: string;
  /** It was already running and was not restarted. */
  readonly isExternal?: true;
}

export interface PeersFile extends Header {
  readonly peers: readonly PeerEntry[];
  readonly scenarios: readonly Scenario[];
  readonly rounds: number;
  readonly played: readonly Played[];
}

export interface MicroCase {
  readonly group: string;
  readonly name: string;
  readonly perSecond: number;
  /** Of the rate, plus or minus. */
  readonly errorPercent?: number;
  /** It is the group's own implementation, not a rival. */
  readonly isOurs: boolean;
}

export interface MicroFile extends Header {
  readonly cases: readonly MicroCase[];
}

export interface HttpCase {
  readonly path: string;
  readonly connections: number;
  readonly pipelining: number;
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly errors: number;
  readonly not2xx: number;
}

export interface HttpFile extends Header {
  readonly cases: readonly HttpCase[];
}

/** One load of one page. */
export interface BrowserCase extends Pick<EchoOptions, 'client' | 'qos' | 'window'> {
  readonly peer: string;
  readonly round: number;
  readonly result: EchoResult;
}

export interface BrowserFile extends Header {
  readonly rounds: number;
  readonly versions: { readonly chromium: string; readonly mqttJs: string };
  readonly peers: readonly string[];
  readonly cases: readonly BrowserCase[];
}

export interface SoakFile extends Header {
  readonly peer: string;
  readonly scenario: Scenario;
  readonly result: LoadResult;
  readonly samples: readonly Sample[];
}

/** Counters of the broker (native/counters.h) that show how its workers hand over to each other. */
export const laneCounters = ['publishSent', 'handedOver', 'laneBatches', 'laneRecords', 'doorbells'] as const;
export type LaneCounts = Readonly<Record<(typeof laneCounters)[number], number>>;

/** One load of RallyMQ with a number of workers. */
export interface HandOverPlayed {
  readonly scenario: string;
  readonly workers: number;
  readonly round: number;
  readonly result: LoadResult;
  /** From before its first client connected until after the last had left. */
  readonly lanes: LaneCounts;
  readonly cacheMisses?: number;
}

export interface HandOverFile extends Header {
  readonly scenarios: readonly Scenario[];
  readonly workers: readonly number[];
  readonly rounds: number;
  readonly played: readonly HandOverPlayed[];
  /** Why cache misses were not counted, as the end of a sentence. */
  readonly noMemoryTraffic?: string;
}

/** The figures of a cluster, as they are shown. */
export interface ClusterFigure {
  readonly title: string;
  readonly value: string;
  readonly goal: string;
  readonly isMet: boolean;
  readonly note: string;
}

/** For a message from one node to another, in µs of CPU. */
export interface ClusterCosts {
  /** Of both brokers, and of a single one with both clients. */
  readonly remoteUs: number;
  readonly localUs: number;
  readonly natsUs: number;
}

export interface ClusterFile extends Header {
  /** The version of nats-server. */
  readonly nats: string;
  readonly figures: readonly ClusterFigure[];
  /** Missing where `between` was not measured. */
  readonly costs?: ClusterCosts;
}

export interface ResultFiles {
  readonly micro: MicroFile;
  readonly http: HttpFile;
  readonly browser: BrowserFile;
  readonly peers: PeersFile;
  /** This broker alone; not part of the report. */
  readonly load: PeersFile;
  readonly soak: SoakFile;
  readonly handOver: HandOverFile;
  readonly cluster: ClusterFile;
}

export type ResultKind = keyof ResultFiles;
/** The source of the report. */
export const reportedKinds = [
  'micro',
  'http',
  'browser',
  'peers',
  'handOver',
  'cluster',
  'soak',
] as const satisfies readonly ResultKind[];

export const resultsFolder = join(root, 'bench', 'results');
export const publishedFolder = join(root, 'bench', 'published');

export async function headerOf(command: string, profile: Profile): Promise<Header> {
  return { command, startedAt: new Date().toISOString(), profile, machine: await thisMachine() };
}

/** Gives the path of the file. */
export async function writeResult<Kind extends ResultKind>(
  folder: string,
  kind: Kind,
  content: ResultFiles[Kind],
): Promise<string> {
  await mkdir(folder, { recursive: true });
  const path = pathOf(folder, kind);
  await writeFile(path, `${JSON.stringify(content)}\n`);
  return path;
}

/** Undefined if there was no such run. */
export async function readResult<Kind extends ResultKind>(
  folder: string,
  kind: Kind,
): Promise<ResultFiles[Kind] | undefined> {
  try {
    return JSON.parse(await readFile(pathOf(folder, kind), 'utf8')) as ResultFiles[Kind];
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

function pathOf(folder: string, kind: ResultKind): string {
  return join(folder, `${kind.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}.json`);
}
