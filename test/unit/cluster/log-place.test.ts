/** What a node does with the second copy of its log when it joins, with a JetStream that does not serve at once. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { JetStreamApiError } from '@nats-io/jetstream';
import { errors } from '@nats-io/transport-node';
import { type LogPlace, logPlaceOf } from '../../../core/cluster/log-place.ts';
import type { Found, StoredChunk } from '../../../core/cluster/log-streams.ts';
import { Superseded } from '../../../core/cluster/superseded.ts';

const own = '0000000000000001';

function chunkOf(log: string, sequence: number): StoredChunk {
  const chunk = Buffer.alloc(32);
  chunk.writeBigUInt64LE(BigInt(`0x${log}`), 8);
  return { sequence, name: '', chunk };
}

/** Of a stand-in, whose copy of the log has this identity. */
function markOf(log: string, sequence: number): StoredChunk {
  return { ...chunkOf(log, sequence), name: `${log}-mark` };
}

/** Each call fails twice: its stream has not elected a leader. */
class Streams {
  readonly #found: Found;
  readonly #isEnded: boolean;
  readonly calls: string[] = [];
  /** By sequence. */
  before = new Map<number, StoredChunk>();
  /** What is found after create(). */
  created: Found = { sequence: 0, chunk: undefined };
  #isCreated = false;

  constructor(found: Found, isEnded = false) {
    this.#found = found;
    this.#isEnded = isEnded;
  }

  async #answer<Answer>(call: string, answer: Answer): Promise<Answer> {
    this.calls.push(call);
    const times = this.calls.filter((each) => each === call).length;
    if (times === 1) throw new JetStreamApiError({ code: 503, err_code: 10_008, description: 'unavailable' });
    if (times === 2) throw new errors.TimeoutError();
    return await Promise.resolve(answer);
  }
  find(): Promise<Found> {
    return this.#answer('find', this.#isCreated ? this.created : this.#found);
  }
  at(_: string, sequence: number): Promise<StoredChunk | undefined> {
    return this.#answer('at', this.before.get(sequence));
  }
  first(): Promise<StoredChunk | undefined> {
    return this.#answer('first', chunkOf(own, 1));
  }
  hasEnded(): Promise<boolean> {
    return this.#answer('hasEnded', this.#isEnded);
  }
  async create(): Promise<void> {
    this.#isCreated = true;
  }
  async drop(): Promise<void> {
    await this.#answer('drop', undefined);
  }
}

async function place(
  streams: Streams,
  isReplicated = true,
  isStandIn = false,
): Promise<LogPlace | undefined> {
  const data = { directory: '', known: undefined, log: own, isEmpty: false };
  const wait = { waitMs: 10_000, onWait: () => {} };
  return await logPlaceOf(streams, data, { isReplicated, isStandIn }, wait);
}

test('a node waits until the stream of its log is served', async () => {
  const dropped = new Streams(chunkOf(own, 7));
  await Promise.all([
    place(new Streams(chunkOf(own, 7))).then((told) =>
      assert.deepEqual(told, { stream: own, base: 7, isWhole: true }),
    ),
    place(new Streams('missing')).then((told) =>
      assert.deepEqual(told, { stream: own, base: 0, isWhole: false }),
    ),
    assert.rejects(place(new Streams(chunkOf('0000000000000002', 7))), Superseded),
    assert.rejects(place(new Streams('missing', true)), Superseded),
    place(dropped, false).then((told) => assert.equal(told, undefined)),
  ]);
  assert.deepEqual(dropped.calls, ['find', 'find', 'find', 'drop', 'drop', 'drop']);
});

test('a log goes on behind what was in its stream, which was purged, or not known to a server at first', async () => {
  const purged = new Streams({ sequence: 7, chunk: undefined });
  const unknown = new Streams('missing');
  unknown.created = chunkOf(own, 7);
  const ofAnother = new Streams('missing');
  ofAnother.created = chunkOf('0000000000000002', 7);
  await Promise.all([
    place(purged).then((told) => assert.deepEqual(told, { stream: own, base: 7, isWhole: false })),
    place(unknown).then((told) => assert.deepEqual(told, { stream: own, base: 7, isWhole: true })),
    assert.rejects(place(ofAnother), Superseded),
  ]);
});

test('a log that stand-ins have marked, and that none has taken over, is still that of its node', async () => {
  const marked = (last: StoredChunk, ...before: StoredChunk[]): Streams => {
    const streams = new Streams(last);
    for (const chunk of before) streams.before.set(chunk.sequence, chunk);
    return streams;
  };
  const [first, second] = ['0000000000000002', '0000000000000003'];
  const twice = (): Streams => marked(markOf(second, 9), markOf(first, 8), chunkOf(own, 7));
  await Promise.all([
    place(marked(markOf(first, 8), chunkOf(own, 7))).then((told) => assert.equal(told?.base, 8)),
    place(twice()).then((told) => assert.equal(told?.base, 9)),
    // The first stand-in has joined.
    assert.rejects(
      place(marked(markOf(second, 10), chunkOf(first, 9), markOf(first, 8), chunkOf(own, 7))),
      Superseded,
    ),
    assert.rejects(place(twice(), false), Superseded),
    assert.rejects(place(twice(), true, true), Superseded),
    assert.rejects(place(marked(markOf(first, 8))), Superseded),
  ]);
});
