/** The register of the cluster: one key of a JetStream bucket. */
import { JetStreamApiError, jetstream } from '@nats-io/jetstream';
import { type KV, Kvm } from '@nats-io/kv';
import type { NatsConnection } from '@nats-io/transport-node';
import { BrokerError } from '../broker-error.ts';
import { messageOf } from '../system-reason.ts';
import { isTemporary, noWait, onceServed } from './jetstream-wait.ts';
import type { Register, Written } from './ports.ts';

const key = 'view';
const requestMs = 2_000;
/** The number of copies if NATS is a cluster, so that it survives the loss of any one server. */
const copies = 3;
/** The error for a compare-and-set with an outdated revision. */
const wrongSequence = 10_071;
/** A stream of this name exists, with other settings. */
const nameInUse = 10_058;

/** Creates the bucket if missing. Errors: CLUSTER_REFUSED; those that isTemporary() knows. */
export async function openRegister(
  connection: NatsConnection,
  clusterName: string,
  wait = noWait,
): Promise<Register> {
  const bucket = `rally-${clusterName}`;
  const open = (): Promise<KV> => openBucket(connection, bucket);
  try {
    return registerOf(await onceServed(wait, open), open);
  } catch (cause) {
    if (cause instanceof BrokerError || isTemporary(cause)) throw cause;
    const reason = messageOf(cause);
    throw new BrokerError(
      'CLUSTER_REFUSED',
      `NATS does not give the key-value bucket ${bucket} (${reason}): RallyMQ needs JetStream (nats-server -js), with more than half of its servers running.`,
      { cause },
    );
  }
}

/** A bucket that is there is taken as it is. One with fewer copies than it should have is not created: it would keep them. */
async function openBucket(connection: NatsConnection, bucket: string): Promise<KV> {
  const buckets = new Kvm(jetstream(connection, { timeout: requestMs }));
  const isCluster = (connection.info as { readonly cluster?: string } | undefined)?.cluster !== undefined;
  try {
    await buckets.create(bucket, { history: 1, replicas: isCluster ? copies : 1 });
  } catch (error) {
    // Somebody has just created it, with other settings.
    if (!(error instanceof JetStreamApiError && error.code === nameInUse)) throw error;
  }
  return await buckets.open(bucket); // its reads ask the leader: a follower may not know the last value yet
}

/** `create`: of the bucket, which somebody may have deleted. */
function registerOf(first: KV, create: () => Promise<KV>): Register {
  let bucket = first;
  const read = async (): Promise<Written> => {
    const entry = await bucket.get(key);
    const isThere = entry?.operation === 'PUT';
    return { revision: entry?.revision ?? 0, bytes: isThere ? entry.value : new Uint8Array() };
  };
  /** There is no answer if there is no bucket. */
  const readAnew = async (): Promise<Written> => {
    bucket = await create();
    return await read();
  };
  return {
    read: (told) => {
      read()
        .catch(readAnew)
        .then(told, () => told(undefined));
    },
    write: (bytes, revision, told) => {
      bucket.put(key, bytes, { previousSeq: revision }).then(
        () => told('written'),
        (error: unknown) =>
          told(error instanceof JetStreamApiError && error.code === wrongSequence ? 'outrun' : 'unknown'),
      );
    },
  };
}
