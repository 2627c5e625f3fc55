/**
 * The thread that stores the second copy of the log with JetStream (core/cluster/replicator.ts): it is on the way of every
 * message that is stored, and so has a thread and a connection of its own.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { LogStreams } from '../core/cluster/log-streams.ts';
import type { FromReplication, ReplicationStart } from '../core/cluster/replication.ts';
import { Replicator } from '../core/cluster/replicator.ts';
import { loadAddon } from '../core/data-plane/addon.ts';
import { systemClock } from '../core/sessions/timers.ts';

const port = parentPort;
if (port === null) throw new Error('workers/replication is the entry of a worker thread');
const post = (message: FromReplication): void => port.postMessage(message);
const { access, stream: id, base, broker } = workerData as ReplicationStart;

const connectMs = 10_000;
const figuresMs = 500;
/** For what is there when the node stops. */
const lastMs = 2_000;

const { nats, streams } = await LogStreams.reach(access, 'log', connectMs);
let replicator: Replicator | undefined;
const replica = loadAddon().openReplica(broker, () => replicator?.pump());
if (replica === undefined) throw new Error('there is no log to replicate');
replicator = new Replicator({
  replica,
  stream: {
    find: () => streams.find(id),
    append: (chunk, place) => streams.append(id, chunk, place),
    dropBefore: (sequence) => streams.dropBefore(id, sequence),
    firstSequence: () => streams.firstSequence(id),
  },
  clock: systemClock,
  base,
  onDeposed: () => post({ type: 'deposed' }),
  onBeginningLost: () => post({ type: 'beginningLost' }),
});
replicator.start();
const tell = (): void => {
  const { refusal } = streams;
  post({ type: 'figures', figures: { ...replica.figures(), chunksResent: replicator.resent, refusal } });
};
const timer = setInterval(tell, figuresMs);
post({ type: 'started' });

/** The log is closed: what was in it to the end is stored, if that can be done soon. */
port.once('message', async () => {
  const endMs = performance.now() + lastMs;
  while (replica.figures().waitingBytes > 0 && performance.now() < endMs)
    await new Promise((resolve) => setTimeout(resolve, 5));
  clearInterval(timer);
  replicator.stop();
  replica.close();
  await nats.close();
});
