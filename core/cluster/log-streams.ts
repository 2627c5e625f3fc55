/**
 * The second copies of the nodes' logs: a JetStream stream for each log, to which the log's current writer appends.
 *
 *   stream rally-NAME-log-ID   [ chunk | chunk | ... ]   native/log/replica.h; the last one names the log that goes on
 *
 * Each chunk is appended behind a sequence and a chunk named by its sender, so there is one writer: a node that
 * appends behind the last chunk displaces all other writers, and knows everything they appended. The sequence alone
 * would not suffice: of several chunks in transit the first may be lost, and another writer's chunk may take its
 * place.
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
import type { MsgHdrs, NatsConnection } from '@nats-io/transport-node';
import { BrokerError } from '../broker-error.ts';
import { messageOf } from '../system-reason.ts';
import { isTemporary, type JetStreamWait, onceServed } from './jetstream-wait.ts';
import type { LogAccess } from './log-access.ts';
import { connectToNats, type NatsPost } from './nats-connection.ts';

/** A chunk in a stream. */
export interface StoredChunk {
  readonly sequence: number;
  /** As it was appended with; an empty string: without one. */
  readonly name: string;
  readonly chunk: Uint8Array;
}

/** A stream in which no chunk is left, and the sequence of the last one that was: the next one is appended behind it. */
export interface EmptyStream {
  readonly sequence: number;
  readonly chunk: undefined;
}

/** The last chunk of a stream, if there is one, and if there is a stream. */
export type Found = StoredChunk | EmptyStream | 'missing';

/** Where a chunk is to be appended. */
export interface ChunkPlace {
  /** The sequence of the previous chunk; 0: none. */
  readonly behind: number;
  /** The unique names of the chunk and of the previous one; undefined: only the sequence is known. */
  readonly name: string;
  readonly nameBefore: string | undefined;
}

export type Appended = 'stored' | 'outrun' | 'unknown';

const requestMs = 2_000;
/** The last chunk has another sequence, or another name. */
const outrunCodes = [10_071, 10_070];
const streamNotFound = 10_059;
const nameHeader = 'Nats-Msg-Id';
/** Chunks to read ahead. */
const readAhead = 256;
/** Deletes that are asked for at once. */
const deletesAtOnce = 64;
/** What is not there cannot be deleted. */
const messageNotFoundCodes = [10_037, 10_043, 10_057];
/** A reader that hears nothing for so long looks whether JetStream still knows it: a server that ends forgets it. */
const readMs = 2_000;

export class LogStreams {
  readonly #connection: NatsConnection;
  readonly #jetstream: JetStreamClient;
  readonly #manager: JetStreamManager;
  readonly #buckets: KV;
  readonly #clusterName: string;
  readonly #copies: number;
  #refusal: string | undefined;

  private constructor(
    connection: NatsConnection,
    client: JetStreamClient,
    manager: JetStreamManager,
    buckets: KV,
    clusterName: string,
    copies: number,
  ) {
    this.#connection = connection;
    this.#jetstream = client;
    this.#manager = manager;
    this.#buckets = buckets;
    this.#clusterName = clusterName;
    this.#copies = copies;
  }

  /** On its own connection, which the caller closes. Errors: those of connectToNats() and open(). */
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

  /** The bucket of the cluster exists. Errors: those of JetStream. */
  static async open(connection: NatsConnection, clusterName: string, copies: number): Promise<LogStreams> {
    const client = jetstream(connection, { timeout: requestMs });
    const manager = await jetstreamManager(connection, { timeout: requestMs, checkAPI: false });
    const bucket = await new Kvm(client).open(`rally-${clusterName}`);
    return new LogStreams(connection, client, manager, bucket, clusterName, copies);
  }

  #nameOf(id: string): string {
    return `rally-${this.#clusterName}-log-${id}`;
  }
  #subjectOf(id: string): string {
    return `rally.${this.#clusterName}.log.${id}`;
  }

  /** Errors: CLUSTER_REFUSED; CLUSTER_NOT_REACHABLE: its servers may be back later; those of JetStream. */
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
        isTemporary(cause) ? 'CLUSTER_NOT_REACHABLE' : 'CLUSTER_REFUSED',
        `JetStream does not keep ${this.#copies} copies of a log (${cause.message}): run three servers of NATS as a cluster, or leave the option replicas at 1.`,
        { cause },
      );
    }
  }

  /** Undefined: there is no stream, or it is empty. Errors: those of JetStream. */
  async last(id: string): Promise<StoredChunk | undefined> {
    return chunkOf(await this.#lastOf(id));
  }
  /** The last chunk. Errors: those of JetStream. */
  async find(id: string): Promise<Found> {
    for (;;) {
      const found = await this.#lastOf(id);
      if (found !== 'empty') return found;
      const { state } = await this.#manager.streams.info(this.#nameOf(id));
      if (state.messages === 0) return { sequence: state.last_seq, chunk: undefined };
    }
  }
  #lastOf(id: string): Promise<StoredChunk | 'empty' | 'missing'> {
    return this.#get(id, { last_by_subj: this.#subjectOf(id) });
  }

  /** The chunk with this sequence. Undefined: there is none. Errors: those of JetStream. */
  async at(id: string, sequence: number): Promise<StoredChunk | undefined> {
    return chunkOf(await this.#get(id, { seq: sequence }));
  }

  /** Likewise. */
  async first(id: string): Promise<StoredChunk | undefined> {
    return chunkOf(await this.#get(id, { seq: await this.firstSequence(id) }));
  }

  /** Of the first chunk; if there is none, of the next one. Errors: those of JetStream. */
  async firstSequence(id: string): Promise<number> {
    const { state } = await this.#manager.streams.info(this.#nameOf(id));
    return state.messages === 0 ? state.last_seq + 1 : state.first_seq;
  }

  async #get(
    id: string,
    query: { seq: number } | { last_by_subj: string },
  ): Promise<StoredChunk | 'empty' | 'missing'> {
    try {
      const message = await this.#manager.streams.getMessage(this.#nameOf(id), query);
      return message === null ? 'empty' : storedChunk(message.seq, message.header, message.data);
    } catch (error) {
      if (isStreamMissing(error)) return 'missing';
      throw error;
    }
  }

  async append(id: string, chunk: Uint8Array, place: ChunkPlace): Promise<Appended> {
    const { behind, name, nameBefore } = place;
    const expect = { lastSequence: behind, ...(nameBefore !== undefined && { lastMsgID: nameBefore }) };
    try {
      const { seq } = await this.#jetstream.publish(this.#subjectOf(id), chunk, { msgID: name, expect });
      this.#refusal = undefined;
      return seq === behind + 1 ? 'stored' : 'outrun';
    } catch (error) {
      const isOutrun = error instanceof JetStreamApiError && outrunCodes.includes(error.code);
      if (!isOutrun) this.#refusal = messageOf(error);
      return isOutrun ? 'outrun' : 'unknown';
    }
  }

  /** Why nothing was appended most recently. Undefined: it was. */
  get refusal(): string | undefined {
    return this.#refusal;
  }

  /** Chunks before this sequence are no longer needed. Errors: those of JetStream. */
  async dropBefore(id: string, sequence: number): Promise<void> {
    if (this.#canPurge) await this.#manager.streams.purge(this.#nameOf(id), { seq: sequence });
    else await this.#deleteBefore(id, sequence);
  }

  get #canPurge(): boolean {
    return repeatsPurgesRightly(this.#connection.info?.version ?? '');
  }

  /** In order: whoever reads meanwhile finds no gap that stays. */
  async #deleteBefore(id: string, end: number): Promise<void> {
    for (let first = await this.firstSequence(id); first < end; first += deletesAtOnce) {
      const count = Math.min(deletesAtOnce, end - first);
      await Promise.all(Array.from({ length: count }, (_, index) => this.#delete(id, first + index)));
    }
  }
  async #delete(id: string, sequence: number): Promise<void> {
    try {
      await this.#manager.streams.deleteMessage(this.#nameOf(id), sequence, false);
    } catch (error) {
      const isGone = error instanceof JetStreamApiError && messageNotFoundCodes.includes(error.code);
      if (!isGone) throw error;
    }
  }

  /**
   * The chunks from the first one up to this sequence, in order. Rejects if one of them is missing: it has been lost, or
   * dropped meanwhile, or the connection has been closed. Errors: those of JetStream.
   */
  async *read(id: string, last: number): AsyncGenerator<StoredChunk> {
    const consumer = await this.#jetstream.consumers.get(this.#nameOf(id));
    const messages: ConsumerMessages = await consumer.consume({
      max_messages: readAhead,
      expires: readMs,
      idle_heartbeat: readMs / 2,
    });
    try {
      let before: number | undefined;
      for await (const { seq, headers, data } of messages) {
        if (before !== undefined && seq !== before + 1) break;
        yield storedChunk(seq, headers, data);
        if (seq === last) return;
        before = seq;
      }
      throw new Error(`a chunk is missing behind ${before ?? 'the beginning'}, before ${last}`);
    } finally {
      await messages.close();
    }
  }

  /** Of all streams of this cluster. Errors: those of JetStream. */
  async ids(): Promise<string[]> {
    const prefix = this.#nameOf('');
    const ids: string[] = [];
    for await (const name of this.#manager.streams.names(this.#subjectOf('*')))
      if (name.startsWith(prefix)) ids.push(name.slice(prefix.length));
    return ids;
  }

  /**
   * Everything in the log is with other nodes: a node that returns with this log must start afresh. Errors: those of
   * JetStream.
   */
  async end(id: string, wait: JetStreamWait): Promise<void> {
    await onceServed(wait, () => this.#buckets.put(endedKeyOf(id), ''));
    await onceServed(wait, () => this.drop(id));
  }
  /** The log goes on without a copy, and may have none already. Errors: those of JetStream. */
  async drop(id: string): Promise<void> {
    try {
      await this.#manager.streams.delete(this.#nameOf(id));
    } catch (error) {
      // An earlier attempt may have been carried out without an answer.
      if (!isStreamMissing(error)) throw error;
    }
  }
  async hasEnded(id: string): Promise<boolean> {
    return (await this.#buckets.get(endedKeyOf(id)))?.operation === 'PUT';
  }
  /** No node has the log any more: it need not be known that it has ended. Errors: those of JetStream. */
  async forgetEnd(id: string): Promise<void> {
    const bucket = `rally-${this.#clusterName}`;
    // A delete leaves a mark.
    if (!this.#canPurge) await this.#buckets.delete(endedKeyOf(id));
    else await this.#manager.streams.purge(`KV_${bucket}`, { filter: `$KV.${bucket}.${endedKeyOf(id)}` });
  }
}

/**
 * When a server of an earlier version than 2.9.18 starts again, it repeats the purges in its log, but each of them up to the
 * last message that the stream had then: it would lose what was kept (issue 4196 of nats-server).
 */
export function repeatsPurgesRightly(version: string): boolean {
  const [major = 0, minor = 0, patch = 0] = version.split('.').map((part) => Number.parseInt(part, 10) || 0);
  return major !== 2 ? major > 2 : minor !== 9 ? minor > 9 : patch >= 18;
}

function endedKeyOf(id: string): string {
  return `log-ended.${id}`;
}

function chunkOf(found: StoredChunk | 'empty' | 'missing'): StoredChunk | undefined {
  return typeof found === 'string' ? undefined : found;
}

function isStreamMissing(error: unknown): boolean {
  return error instanceof JetStreamApiError && error.code === streamNotFound;
}

function storedChunk(sequence: number, headers: MsgHdrs | undefined, chunk: Uint8Array): StoredChunk {
  return { sequence, name: headers?.get(nameHeader) ?? '', chunk };
}

/** Which log continues behind a chunk, as named by Addon.openStore(). Undefined: not a chunk. */
export function ownerOf(chunk: Uint8Array): string | undefined {
  if (chunk.length < headBytes) return undefined;
  return Buffer.from(chunk.subarray(8, 16)).reverse().toString('hex');
}

/** The name of the chunk by which a stand-in takes over a log; it stores the next ones under other names. */
export function nameOfMark(mark: Uint8Array): string {
  return `${ownerOf(mark)}-mark`;
}

export function isMark({ name, chunk }: StoredChunk): boolean {
  return name === nameOfMark(chunk);
}

/**
 * Whether a stream that begins with this chunk has its complete log, unless it has lost its beginning: it begins with an
 * empty log, or with a checkpoint. LogCopy.isWhole() knows, of all chunks.
 */
export function isWholeFrom(chunk: Uint8Array): boolean {
  const flags = chunk[1] ?? 0;
  return (flags & beginsRun) === 0 || (flags & beginsLog) !== 0;
}

/** As in native/log/replica.h. */
const headBytes = 32;
const beginsRun = 2;
const beginsLog = 4;
