/**
 * The second copies of the nodes' logs: a JetStream stream for each log, which whoever goes on with that log appends to.
 *
 *   stream rally-NAME-log-ID   [ chunk | chunk | ... ]   native/log/replica.h; the last one says which log goes on there
 *
 * Each chunk is appended behind a sequence and a chunk that its sender names, so there is one writer: whoever appends behind
 * the last one has taken the others their place, and knows all that they have appended. The sequence alone would not do: of
 * several chunks that are under way the first may be lost, and the place of it another one's.
 */
import {
  type ConsumerMessages,
  JetStreamApiError,
  type JetStreamClient,
  type JetStreamManager,
  jetstream,
  jetstreamManager,
} from '@nats-io/jetstream';
import { type KV, Kvm } from '@nats-io/kv';
import type { NatsConnection } from '@nats-io/transport-node';
import { BrokerError } from '../broker-error.ts';
import { type JetStreamWait, onceServed } from './jetstream-wait.ts';
import type { LogAccess } from './log-access.ts';
import { connectToNats, type NatsPost } from './nats-connection.ts';

/** The last of a stream. */
export interface StoredChunk {
  readonly sequence: number;
  readonly chunk: Uint8Array;
}

/** Where a chunk is to be appended. */
export interface ChunkPlace {
  /** The sequence of the one before; 0: there is none. */
  readonly behind: number;
  /** The names of the chunk and of the one before, which no others have; undefined: only the sequence is known. */
  readonly name: string;
  readonly nameBefore: string | undefined;
}

export type Appended = 'stored' | 'outrun' | 'unknown';

const requestMs = 2_000;
/** Another sequence, or another name, is the last one. */
const outrunCodes = [10_071, 10_070];
const streamNotFound = 10_059;
/** Chunks that are read ahead. */
const readAhead = 256;

export class LogStreams {
  readonly #jetstream: JetStreamClient;
  readonly #manager: JetStreamManager;
  readonly #buckets: KV;
  readonly #clusterName: string;
  readonly #copies: number;

  private constructor(
    client: JetStreamClient,
    manager: JetStreamManager,
    buckets: KV,
    clusterName: string,
    copies: number,
  ) {
    this.#jetstream = client;
    this.#manager = manager;
    this.#buckets = buckets;
    this.#clusterName = clusterName;
    this.#copies = copies;
  }

  /** On a connection of its own, which the caller closes. Errors: as connectToNats(), as open(). */
  static async reach(
    { settings, clusterName, nodeName, copies }: LogAccess,
    purpose: string,
    waitMs: number,
  ): Promise<{ readonly nats: NatsPost; readonly streams: LogStreams }> {
    const nats = await connectToNats(settings, `rallymq ${nodeName} ${purpose}`, waitMs, {
      onUp: () => {},
      onWait: () => {},
    });
    try {
      return { nats, streams: await LogStreams.open(nats.connection, clusterName, copies) };
    } catch (error) {
      await nats.close();
      throw error;
    }
  }

  /** The bucket of the cluster is there. Errors: as JetStream's. */
  static async open(connection: NatsConnection, clusterName: string, copies: number): Promise<LogStreams> {
    const client = jetstream(connection, { timeout: requestMs });
    const manager = await jetstreamManager(connection, { timeout: requestMs, checkAPI: false });
    const bucket = await new Kvm(client).open(`rally-${clusterName}`);
    return new LogStreams(client, manager, bucket, clusterName, copies);
  }

  #nameOf(id: string): string {
    return `rally-${this.#clusterName}-log-${id}`;
  }
  #subjectOf(id: string): string {
    return `rally.${this.#clusterName}.log.${id}`;
  }

  /** Errors: CLUSTER_REFUSED, as JetStream's. */
  async create(id: string, wait: JetStreamWait): Promise<void> {
    const stream = {
      name: this.#nameOf(id),
      subjects: [this.#subjectOf(id)],
      num_replicas: this.#copies,
    };
    try {
      await onceServed(wait, () => this.#manager.streams.add(stream));
    } catch (cause) {
      if (!(cause instanceof JetStreamApiError)) throw cause;
      throw new BrokerError(
        'CLUSTER_REFUSED',
        `JetStream does not keep ${this.#copies} copies of a log (${cause.message}): run three servers of NATS as a cluster, or leave the option replicas at 1.`,
        { cause },
      );
    }
  }

  /** Undefined: there is no stream, or nothing in it. Errors: as JetStream's. */
  async last(id: string): Promise<StoredChunk | undefined> {
    return await this.#get(id, { last_by_subj: this.#subjectOf(id) });
  }

  /** Likewise. */
  async first(id: string): Promise<StoredChunk | undefined> {
    const { state } = await this.#manager.streams.info(this.#nameOf(id));
    return await this.#get(id, { seq: state.first_seq });
  }

  async #get(
    id: string,
    query: { seq: number } | { last_by_subj: string },
  ): Promise<StoredChunk | undefined> {
    try {
      const message = await this.#manager.streams.getMessage(this.#nameOf(id), query);
      return message === null ? undefined : { sequence: message.seq, chunk: message.data };
    } catch (error) {
      if (error instanceof JetStreamApiError && error.code === streamNotFound) return undefined;
      throw error;
    }
  }

  async append(id: string, chunk: Uint8Array, place: ChunkPlace): Promise<Appended> {
    const { behind, name, nameBefore } = place;
    const expect = { lastSequence: behind, ...(nameBefore !== undefined && { lastMsgID: nameBefore }) };
    try {
      await this.#jetstream.publish(this.#subjectOf(id), chunk, { msgID: name, expect });
      return 'stored';
    } catch (error) {
      const isOutrun = error instanceof JetStreamApiError && outrunCodes.includes(error.code);
      return isOutrun ? 'outrun' : 'unknown';
    }
  }

  /** What is before this sequence is needed no more. Errors: as JetStream's. */
  async dropBefore(id: string, sequence: number): Promise<void> {
    await this.#manager.streams.purge(this.#nameOf(id), { seq: sequence });
  }

  /** The chunks from the first one up to this sequence, in order. Errors: as JetStream's. */
  async *read(id: string, last: number): AsyncGenerator<StoredChunk> {
    const consumer = await this.#jetstream.consumers.get(this.#nameOf(id));
    const messages: ConsumerMessages = await consumer.consume({ max_messages: readAhead });
    for await (const message of messages) {
      if (message.seq > last) break;
      yield { sequence: message.seq, chunk: message.data };
      if (message.seq === last) break;
    }
    await messages.close();
  }

  /** Of all streams of this cluster. Errors: as JetStream's. */
  async ids(): Promise<string[]> {
    const prefix = this.#nameOf('');
    const ids: string[] = [];
    for await (const name of this.#manager.streams.names(this.#subjectOf('*')))
      if (name.startsWith(prefix)) ids.push(name.slice(prefix.length));
    return ids;
  }

  /** Everything that was in the log is with other nodes: whoever comes back with it is to begin anew. */
  async end(id: string): Promise<void> {
    await this.#buckets.put(endedKeyOf(id), '');
    await this.#manager.streams.delete(this.#nameOf(id));
  }
  async hasEnded(id: string): Promise<boolean> {
    return (await this.#buckets.get(endedKeyOf(id))) !== null;
  }
}

function endedKeyOf(id: string): string {
  return `log-ended.${id}`;
}

/** Which log goes on behind a chunk, as Addon.openStore() names it. Undefined: it is none. */
export function ownerOf(chunk: Uint8Array): string | undefined {
  if (chunk.length < headBytes) return undefined;
  return Buffer.from(chunk.subarray(8, 16)).reverse().toString('hex');
}

/** Whether a stream that begins with this chunk has all that its log has: it begins with an empty log, or with a checkpoint. */
export function isWholeFrom(chunk: Uint8Array): boolean {
  const flags = chunk[1] ?? 0;
  return (flags & beginsRun) === 0 || (flags & beginsLog) !== 0;
}

/** As native/log/replica.h has them. */
const headBytes = 32;
const beginsRun = 2;
const beginsLog = 4;
