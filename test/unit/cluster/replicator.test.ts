/** The second copy of a log, over a stream that loses answers, and that others append to. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import type { Appended, ChunkPlace, Found } from '../../../core/cluster/log-streams.ts';
import { isWholeFrom, ownerOf } from '../../../core/cluster/log-streams.ts';
import { type LogStream, Replicator } from '../../../core/cluster/replicator.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { Random } from '../../support/random.ts';

/** A stream in memory: each append is answered in one of the next turns, or is lost on its way there or back. */
class FakeStream implements LogStream {
  readonly chunks: Uint8Array[];
  readonly #names: string[];
  readonly #random: Random;
  readonly #lossPercent: number;
  #first = 1;

  constructor(random: Random, lossPercent: number, before: number) {
    this.#random = random;
    this.#lossPercent = lossPercent;
    this.chunks = Array.from({ length: before }, (_, index) =>
      Buffer.alloc(40, `before ${index}`).fill(1, 0, 32),
    );
    this.#names = this.chunks.map((_, index) => `before-${index}`);
  }

  async #someTurns(): Promise<void> {
    for (let count = this.#random.below(4); count > 0; count--) await turn();
  }
  #isLost(): boolean {
    return this.#random.below(100) < this.#lossPercent;
  }

  addOfAnother(): void {
    this.chunks.push(Buffer.alloc(40, 'of another one').fill(2, 0, 32));
    this.#names.push('of another one');
  }

  lose(count: number): void {
    this.chunks.splice(-count);
    this.#names.splice(-count);
  }

  async append(chunk: Uint8Array, { behind, name, nameBefore }: ChunkPlace): Promise<Appended> {
    const isLost = this.#isLost();
    const isLast = behind === this.chunks.length && (nameBefore ?? this.#names.at(-1)) === this.#names.at(-1);
    const appended: Appended = isLost ? 'unknown' : isLast ? 'stored' : 'outrun';
    if (appended === 'stored') {
      this.chunks.push(chunk);
      this.#names.push(name);
    }
    await this.#someTurns();
    return this.#isLost() ? 'unknown' : appended;
  }
  /** Also of a leader that has just been elected, and does not know all that is stored yet. */
  async find(): Promise<Found> {
    await this.#someTurns();
    if (this.#isLost()) throw new Error('no answer');
    const sequence = Math.max(this.chunks.length - (this.#isLost() ? this.#random.below(40) : 0), 0);
    const chunk = this.chunks[sequence - 1];
    return chunk ? { sequence, name: this.#names[sequence - 1] ?? '', chunk } : { sequence, chunk };
  }
  async dropBefore(sequence: number): Promise<void> {
    await turn();
    this.#first = sequence;
  }
  async firstSequence(): Promise<number> {
    await turn();
    return this.#first;
  }
  get first(): number {
    return this.#first;
  }
}

/** Some chunks, which come now and then. */
class FakeReplica {
  readonly count: number;
  readonly made: Uint8Array[] = [];
  stored_ = 0;
  droppable = 0;
  wanted = 0;
  #available = 1;

  constructor(count: number) {
    this.count = count;
  }
  more(count: number): void {
    this.#available = Math.min(this.#available + count, this.count);
  }
  take(): Uint8Array | undefined {
    if (this.made.length >= this.#available) return undefined;
    const chunk = Buffer.alloc(40_000, `chunk ${this.made.length} `).fill(1, 0, 32);
    this.made.push(chunk);
    return chunk;
  }
  stored(chunks: number): void {
    assert.ok(chunks > this.stored_ && chunks <= this.made.length);
    this.stored_ = chunks;
  }
  figures(): { waitingBytes: number; waitingMs: number; droppable: number; isBehind: boolean } {
    return { waitingBytes: 0, waitingMs: 0, droppable: this.droppable, isBehind: false };
  }
  wantCheckpoint(): void {
    this.wanted++;
  }
}

const whole = { onBeginningLost: () => assert.fail('the stream has lost its beginning') };

const soon = { nowMs: () => 0, after: (_: number, action: () => void) => timerOf(setImmediate(action)) };
function timerOf(immediate: NodeJS.Immediate): { cancel(): void } {
  return { cancel: () => clearImmediate(immediate) };
}

/** Once whatever was begun has ended. */
async function passed(clock: FakeClock, ms: number): Promise<void> {
  for (let turns = 0; turns < 100; turns++) await turn();
  clock.advance(ms);
}

test('replicator: whatever is lost on the way, the stream has each chunk once and in order', async () => {
  for (let seed = 1; seed <= 40; seed++) {
    const random = new Random(seed);
    const before = random.below(3);
    const base = random.below(before + 1); // what was there when the run began was perhaps outdated
    const stream = new FakeStream(random, seed % 4 === 0 ? 0 : 15, before);
    const replica = new FakeReplica(60);
    const replicator = new Replicator({
      replica,
      stream,
      clock: soon,
      base,
      ...whole,
      onDeposed: () => assert.fail(`seed ${seed}: deposed`),
    });
    replicator.start();
    for (let turns = 0; replica.stored_ < replica.count; turns++) {
      assert.ok(turns < 20_000, `seed ${seed}: it does not end`);
      replica.more(random.below(5));
      replicator.pump();
      await turn();
      assert.ok(before + replica.stored_ <= stream.chunks.length, `seed ${seed}: told before it was stored`);
    }
    const kept = stream.chunks.slice(before).map((chunk) => chunk.toString());
    assert.deepEqual(
      kept,
      replica.made.map((chunk) => chunk.toString()),
      `seed ${seed}`,
    );
    replica.droppable = 17;
    for (let turns = 0; stream.first !== before + 18; turns++) {
      assert.ok(turns < 100, 'nothing is dropped');
      await turn();
    }
    replicator.stop();
  }
});

test('replicator: who finds the chunk of another one in the stream stores nothing any more', async () => {
  for (let seed = 1; seed <= 20; seed++) {
    const random = new Random(seed);
    const stream = new FakeStream(random, 10, 1);
    const replica = new FakeReplica(60);
    let deposed = 0;
    const replicator = new Replicator({
      replica,
      stream,
      clock: soon,
      base: 1,
      ...whole,
      onDeposed: () => deposed++,
    });
    replicator.start();
    replica.more(20 + random.below(10));
    replicator.pump();
    while (replica.stored_ < 10) await turn();
    stream.addOfAnother();
    const count = stream.chunks.length;
    replica.more(30);
    replicator.pump();
    for (let turns = 0; deposed === 0; turns++) {
      assert.ok(turns < 20_000, `seed ${seed}: it goes on`);
      await turn();
    }
    for (let turns = 0; turns < 20; turns++) await turn();
    assert.equal(deposed, 1);
    assert.equal(stream.chunks.length, count, `seed ${seed}: it has appended behind the other one`);
    assert.ok(replica.stored_ + 1 < count, `seed ${seed}: told more than was stored`);
  }
});

test('replicator: a stream that has lost what was stored is asked again, and then nothing is stored any more', async () => {
  const clock = new FakeClock();
  const stream = new FakeStream(new Random(1), 0, 2);
  const replica = new FakeReplica(10);
  let deposed = 0;
  const replicator = new Replicator({
    replica,
    stream,
    clock,
    base: 2,
    ...whole,
    onDeposed: () => deposed++,
  });
  const pass = (ms: number): Promise<void> => passed(clock, ms);
  replica.more(4);
  replicator.start();
  await pass(0);
  assert.equal(replica.stored_, 5);
  stream.lose(2);
  replica.more(5);
  replicator.pump();
  for (let second = 0; second < 4; second++) await pass(1_000);
  assert.equal(deposed, 0, 'its answer may be outdated');
  for (let quarter = 0; quarter < 20; quarter++) await pass(250);
  assert.equal(deposed, 1);
  assert.equal(replica.stored_, 5);
});

test('replicator: a stream that is deleted before anything was stored is not waited for for ever', async () => {
  const clock = new FakeClock();
  const replica = new FakeReplica(1);
  let deposed = 0;
  const replicator = new Replicator({
    replica,
    stream: {
      find: () => Promise.resolve('missing' as const),
      append: () => Promise.resolve('unknown' as const),
      dropBefore: () => assert.fail(),
      firstSequence: () => Promise.reject(new Error('there is none')),
    },
    clock,
    base: 0,
    ...whole,
    onDeposed: () => deposed++,
  });
  replicator.start();
  for (let quarter = 0; quarter < 40; quarter++) {
    for (let turns = 0; turns < 10; turns++) await turn();
    clock.advance(250);
    if (quarter === 10) assert.equal(deposed, 0, 'the server may not know of it yet');
  }
  assert.equal(deposed, 1);
});

test('replicator: a stream that stores nothing is asked now and then, and all is stored once it does', async () => {
  const clock = new FakeClock();
  const stream = new FakeStream(new Random(1), 0, 0);
  let asked = 0;
  let isFull = true;
  const replica = new FakeReplica(3);
  const replicator = new Replicator({
    replica,
    stream: {
      find: () => stream.find(),
      dropBefore: (sequence) => stream.dropBefore(sequence),
      firstSequence: () => stream.firstSequence(),
      append: (chunk, place) => {
        asked++;
        return isFull ? Promise.resolve<Appended>('unknown') : stream.append(chunk, place);
      },
    },
    clock,
    base: 0,
    ...whole,
    onDeposed: () => assert.fail('deposed'),
  });
  const pass = (ms: number): Promise<void> => passed(clock, ms);
  replica.more(3);
  replicator.start();
  for (let second = 0; second < 10; second++) await pass(1_000);
  assert.ok(asked >= 3 * 10 && asked <= 3 * 45, `asked ${asked} times in 10 s`);
  isFull = false;
  for (let second = 0; second < 2; second++) await pass(1_000);
  await pass(0);
  assert.equal(replica.stored_, 3);
  replicator.stop();
});

test('replicator: a checkpoint is asked for when the stream has lost its beginning, until there is one', async () => {
  const clock = new FakeClock();
  const stream = new FakeStream(new Random(1), 0, 2);
  const replica = new FakeReplica(20);
  let lost = 0;
  const replicator = new Replicator({
    replica,
    stream,
    clock,
    base: 2,
    onDeposed: () => assert.fail('deposed'),
    onBeginningLost: () => lost++,
  });
  const pass = async (seconds: number): Promise<void> => {
    for (let second = 0; second < seconds; second++) await passed(clock, 1_000);
    await passed(clock, 0);
  };
  replica.more(19);
  replicator.start();
  await pass(12);
  assert.equal(replica.stored_, 20);
  await stream.dropBefore(4); // somebody else does that
  await pass(12);
  assert.equal(lost, 1, 'it is said once');
  assert.ok(replica.wanted >= 2, 'the checkpoint may not have begun');
  replica.droppable = 7;
  await pass(6);
  assert.equal(stream.first, 10);
  const { wanted } = replica;
  await pass(12);
  assert.equal(replica.wanted, wanted, 'it has its beginning again');
  await stream.dropBefore(11);
  await pass(6);
  assert.equal(lost, 2);
  replicator.stop();
});

test('replicator: the head of a chunk says whose it is, and what it begins', () => {
  const chunk = Buffer.alloc(32);
  chunk[0] = 1;
  chunk.writeBigUInt64LE(0x0123456789abcdefn, 8);
  assert.equal(ownerOf(chunk), '0123456789abcdef');
  assert.equal(ownerOf(chunk.subarray(0, 31)), undefined);
  assert.ok(isWholeFrom(chunk));
  chunk[1] = 3; // a run begins, with a log that is not empty
  assert.ok(!isWholeFrom(chunk));
  chunk[1] = 7;
  assert.ok(isWholeFrom(chunk));
});
