/** Records of traced clients and messages from the data plane, in the format of native/front-end/watch.h. */
import { type DropReason, dropReasons, type RecordKind, recordKinds } from '../data-plane/addon.ts';
import type { QoS } from '../wire/packets.ts';

interface Common {
  readonly qos: QoS;
  readonly payloadBytes: number;
  /** The sender of the message, or its receiver. */
  readonly session: number;
  /** The sender of a delivered message; 0: none, or unknown. */
  readonly origin: number;
  readonly topic: string;
}

export interface TraceRecord extends Common {
  readonly kind: Exclude<RecordKind, 'publishSpan' | 'deliverSpan'>;
  /** Bit t: it belongs to the trace with the index t. */
  readonly traces: number;
  readonly reasonCode: number;
  readonly why: DropReason;
  readonly retain: boolean;
  /** The time, on the clock of process.hrtime(). */
  readonly atNs: bigint;
  /** The part of it that a trace has requested. */
  readonly payload: Uint8Array;
}

export interface SpanRecord extends Common {
  readonly kind: 'publishSpan' | 'deliverSpan';
  readonly startNs: bigint;
  readonly endNs: bigint;
  /** In hexadecimal. */
  readonly traceId: string;
  readonly spanId: string;
  /** Undefined: there is none. */
  readonly parentSpanId: string | undefined;
}

const headBytes = 40;
const spanHeadBytes = 80;
const noSpan = '0'.repeat(16);

export function readTraceRecord(bytes: Uint8Array): TraceRecord | SpanRecord {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const kind = recordKinds[view[0] ?? 0] ?? 'missed';
  const payloadBytes = view.readUInt32LE(8);
  const topicBytes = view.readUInt32LE(12);
  const qos = ((view[4] ?? 0) & 3) as QoS;
  const common = {
    qos,
    payloadBytes,
    session: Number(view.readBigUInt64LE(16)),
    origin: Number(view.readBigUInt64LE(24)),
  };
  if (kind === 'publishSpan' || kind === 'deliverSpan') {
    const parentSpanId = view.toString('hex', 72, spanHeadBytes);
    return {
      kind,
      ...common,
      topic: view.toString('utf8', spanHeadBytes, spanHeadBytes + topicBytes),
      startNs: view.readBigUInt64LE(32),
      endNs: view.readBigUInt64LE(40),
      traceId: view.toString('hex', 48, 64),
      spanId: view.toString('hex', 64, 72),
      parentSpanId: parentSpanId === noSpan ? undefined : parentSpanId,
    };
  }
  return {
    kind,
    ...common,
    traces: view[1] ?? 0,
    reasonCode: view[2] ?? 0,
    why: dropReasons[view[3] ?? 0] ?? 'none',
    retain: ((view[4] ?? 0) & 4) !== 0,
    atNs: view.readBigUInt64LE(32),
    topic: view.toString('utf8', headBytes, headBytes + topicBytes),
    payload: view.subarray(headBytes + topicBytes),
  };
}

const comparedEveryNs = 10_000_000_000n;
/** The machine's clock has whole milliseconds; a greater difference means that it was set, or goes at another rate. */
const toleranceMs = 2;
let anchor = { ns: process.hrtime.bigint(), wallMs: performance.timeOrigin + performance.now() };
let comparedAtNs = 0n;

/**
 * Converts a time of process.hrtime() to the wall clock. The clocks are compared every ten seconds; in between, differences
 * of times are exact.
 */
export function wallClockMs(atNs: bigint): number {
  const ns = process.hrtime.bigint();
  if (ns - comparedAtNs > comparedEveryNs) {
    comparedAtNs = ns;
    const wallMs = Date.now();
    if (Math.abs(wallMs - sinceAnchor(ns)) > toleranceMs) anchor = { ns, wallMs };
  }
  return sinceAnchor(atNs);
}

function sinceAnchor(atNs: bigint): number {
  return anchor.wallMs + Number(atNs - anchor.ns) / 1e6;
}
