/**
 * What a node with a data directory remembers about its cluster, besides its log: the cluster's identity, and
 * its last epoch. The log is valid only in that cluster, and NATS may have lost its state.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { BrokerError } from '../broker-error.ts';
import { replaceFile } from '../security/replace-file.ts';
import { unusableDirectory } from '../storage/store.ts';
import { clusterFileName } from '../storage/store-files.ts';
import { systemReason } from '../system-reason.ts';
import { isRecord, isWholeNumber } from '../unknown-value.ts';

/** The version of the file; a node that reads a higher one is too old for it. */
const fileFormat = 1;

export interface KnownCluster {
  readonly clusterName: string;
  /** The keys of the views (view.ts). Undefined: the data in the directory was never in a cluster. */
  readonly keys: string | undefined;
  /** The last ones seen by the node. */
  readonly epoch: number;
  readonly incarnation: number;
  /** The second copy of its log (log-streams.ts). Undefined: there is none. */
  readonly stream?: string | undefined;
  /** No other node has its wills: it has stopped properly, or it is a stand-in that goes on with them. */
  readonly hasLeft?: boolean;
}

export function clusterFileOf(directory: string): string {
  return join(directory, clusterFileName);
}

/** Undefined: the file does not exist. Errors: STORE_NOT_USABLE. */
export function readKnownCluster(directory: string): KnownCluster | undefined {
  const path = clusterFileOf(directory);
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined; // opening the directory reports the cause
    const message = unusableDirectory(directory, `${clusterFileName}: ${systemReason(cause)}`);
    throw new BrokerError('STORE_NOT_USABLE', message, { cause });
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw unusable(path, 'it is not JSON', cause);
  }
  const { format, clusterName, keys, epoch, incarnation, stream, hasLeft } = isRecord(value) ? value : {};
  if (format !== fileFormat)
    throw unusable(path, `it has format ${JSON.stringify(format)}, but this version knows ${fileFormat}`);
  if (typeof clusterName !== 'string' || typeof keys !== 'string' || !isCount(epoch) || !isCount(incarnation))
    throw unusable(path, 'a field is missing');
  if (stream !== undefined && typeof stream !== 'string') throw unusable(path, 'its stream is not a string');
  return {
    clusterName,
    keys,
    epoch,
    incarnation,
    ...(stream !== undefined && { stream }),
    ...(hasLeft === true && { hasLeft }),
  };
}

/** Errors: STORE_NOT_USABLE. */
export function writeKnownCluster(directory: string, known: KnownCluster): void {
  const path = clusterFileOf(directory);
  try {
    replaceFile(path, `${JSON.stringify({ format: fileFormat, ...known })}\n`);
  } catch (cause) {
    throw unusable(path, systemReason(cause), cause);
  }
}

function isCount(value: unknown): value is number {
  return isWholeNumber(value, 0, Number.MAX_SAFE_INTEGER);
}

function unusable(path: string, why: string, cause?: unknown): BrokerError {
  return new BrokerError('STORE_NOT_USABLE', `${path} cannot be used: ${why}.`, { cause });
}
