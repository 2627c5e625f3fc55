/** What a node does with the second copy of its log when it joins, with a JetStream that does not serve at once. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { JetStreamApiError } from '@nats-io/jetstream';
import { errors } from '@nats-io/transport-node';
import { type LogPlace, logPlaceOf } from '../../../core/cluster/log-place.ts';
import type { StoredChunk } from '../../../core/cluster/log-streams.ts';
import { Superseded } from '../../../core/cluster/superseded.ts';

const own = '0000000000000001';

function chunkOf(log: string, sequence: number): StoredChunk {
  const chunk = Buffer.alloc(32);
  chunk.writeBigUInt64LE(BigInt(`0x${log}`), 8);
  return { sequence, name: '', chunk };
}

/** Each call fails twice: its stream has not elected a leader. */
class Streams {
  readonly #last: StoredChunk | undefined;
  readonly #isEnded: boolean;
  readonly calls: string[] = [];

  constructor(last: StoredChunk | undefined, isEnded = false) {
    this.#last = last;
    this.#isEnded = isEnded;
  }

  async #answer<Answer>(call: string, answer: Answer): Promise<Answer> {
    this.calls.push(call);
    const times = this.calls.filter((each) => each === call).length;
    if (times === 1) throw new JetStreamApiError({ code: 503, err_code: 10_008, description: 'unavailable' });
    if (times === 2) throw new errors.TimeoutError();
    return await Promise.resolve(answer);
  }
  last(): Promise<StoredChunk | undefined> {
    return this.#answer('last', this.#last);
  }
  first(): Promise<StoredChunk | undefined> {
    return this.#answer('first', this.#last);
  }
  hasEnded(): Promise<boolean> {
    return this.#answer('hasEnded', this.#isEnded);
  }
  async create(): Promise<void> {}
  async drop(): Promise<void> {
    await this.#answer('drop', undefined);
  }
}

async function place(streams: Streams, isReplicated = true): Promise<LogPlace | undefined> {
  const data = { directory: '', known: undefined, log: own, isEmpty: false };
  return await logPlaceOf(streams, data, isReplicated, { waitMs: 10_000, onWait: () => {} });
}

test('a node waits until the stream of its log is served', async () => {
  const dropped = new Streams(chunkOf(own, 7));
  await Promise.all([
    place(new Streams(chunkOf(own, 7))).then((told) =>
      assert.deepEqual(told, { stream: own, base: 7, isWhole: true }),
    ),
    place(new Streams(undefined)).then((told) =>
      assert.deepEqual(told, { stream: own, base: 0, isWhole: false }),
    ),
    assert.rejects(place(new Streams(chunkOf('0000000000000002', 7))), Superseded),
    assert.rejects(place(new Streams(undefined, true)), Superseded),
    place(dropped, false).then((told) => assert.equal(told, undefined)),
  ]);
  assert.deepEqual(dropped.calls, ['last', 'last', 'last', 'drop', 'drop', 'drop']);
});
