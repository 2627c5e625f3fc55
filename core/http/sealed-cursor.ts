/**
 * Cursors of lists whose places are names that the caller may not be allowed to see: encrypted with a key of this process.
 * After a restart, or on another node, they are invalid, and the list is to be asked for from its beginning.
 */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { RequestFault } from './problem.ts';

const algorithm = 'aes-256-gcm';
const key = randomBytes(32);
const ivBytes = 12;
const tagBytes = 16;

/** `list`: what it is of; it opens for nothing else. `place`: anything that JSON can have. */
export function sealedCursor(list: string, place: unknown): string {
  const iv = randomBytes(ivBytes);
  const cipher = createCipheriv(algorithm, key, iv).setAAD(Buffer.from(list));
  const sealed = Buffer.concat([cipher.update(JSON.stringify(place)), cipher.final()]);
  return Buffer.concat([iv, cipher.getAuthTag(), sealed]).toString('base64url');
}

/** The place of the query's `cursor`; undefined: the beginning. Errors: RequestFault. */
export function openedCursor<Place>(list: string, query: URLSearchParams): Place | undefined {
  const cursor = query.get('cursor');
  if (cursor === null) return undefined;
  const bytes = Buffer.from(cursor, 'base64url');
  try {
    const decipher = createDecipheriv(algorithm, key, bytes.subarray(0, ivBytes), { authTagLength: tagBytes })
      .setAAD(Buffer.from(list))
      .setAuthTag(bytes.subarray(ivBytes, ivBytes + tagBytes));
    const opened = [decipher.update(bytes.subarray(ivBytes + tagBytes)), decipher.final()];
    return JSON.parse(Buffer.concat(opened).toString()) as Place; // only we have sealed it
  } catch {
    throw new RequestFault(
      400,
      'cursor must be meta.cursor of the previous page, and of this run of the broker; leave it out for the first page.',
    );
  }
}
