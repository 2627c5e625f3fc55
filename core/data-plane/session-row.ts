/** A session in the engine of a worker: the rows of native/front-end/session-row.h. */

import { type SessionState, sessionStates } from './addon.ts';

export interface SessionRow {
  readonly session: number;
  readonly state: SessionState;
  /** By which it outlives its connection; 4,294,967,295: for ever. */
  readonly expirySeconds: number;
  /** Of a will that is not published yet; undefined if there is none. */
  readonly willDelaySeconds: number | undefined;
  /** For how long it has had no connection. */
  readonly awayMs: number;
}

const rowBytes = 24;

/** Reads consecutive rows, of which there may be very many. */
export function* readSessionRows(bytes: Uint8Array): Iterable<SessionRow> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0; at < bytes.length; at += rowBytes) yield readRow(view, at);
}

export function readSessionRow(bytes: Uint8Array): SessionRow {
  return readRow(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), 0);
}

function readRow(view: DataView, at: number): SessionRow {
  const hasWill = view.getUint8(at + 13) !== 0;
  return {
    session: view.getUint32(at) * 2 ** 32 + view.getUint32(at + 4),
    state: sessionStates[view.getUint8(at + 8)] ?? 'absent',
    expirySeconds: view.getUint32(at + 9),
    willDelaySeconds: hasWill ? view.getUint32(at + 14) : undefined,
    awayMs: view.getUint16(at + 18) * 2 ** 32 + view.getUint32(at + 20),
  };
}
