/**
 * The audit log (main thread): a line, marked with `audit`, for each refused login, refused action, ban and
 * reload. Lines that strangers can cause are limited: a number per second of each kind, and a count of the
 * rest.
 */
import type { Limits } from '../config/limits.ts';
import type { Clock } from '../sessions/timers.ts';

const auditKinds = [
  'loginRefused',
  'connectionRefused',
  'publishRefused',
  'subscribeRefused',
  'banned',
  'banLifted',
  'reloaded',
  'reloadRefused',
  'overload',
  'clientEnded',
  'drainAsked',
  'logLevelAsked',
  'banAsked',
  'banLiftAsked',
  'subscribeAsked',
  'unsubscribeAsked',
  'traceAsked',
  'traceEndAsked',
] as const;
export type AuditKind = (typeof auditKinds)[number];

export interface AuditLogOptions {
  readonly clock: Clock;
  readonly limits: Pick<Limits, 'auditLinesPerSecondMax'>;
  write(level: AuditLevel, fields: Readonly<Record<string, unknown>>, sentence: string): void;
}

export type AuditLevel = 'info' | 'warn' | 'error';

const lines: Readonly<Record<AuditKind, readonly [AuditLevel, sentence: string]>> = {
  loginRefused: ['warn', 'a client was refused'],
  connectionRefused: ['warn', 'a connection was refused'],
  publishRefused: ['warn', 'a client may not publish to a topic'],
  subscribeRefused: ['warn', 'a client may not subscribe to a topic filter'],
  banned: ['warn', 'a ban was added'],
  banLifted: ['info', 'a ban was lifted'],
  reloaded: ['info', 'configuration, users and rules were reloaded and are in force'],
  reloadRefused: ['error', 'the reload failed: nothing has changed'],
  clientEnded: ['info', 'an operator disconnects a client'],
  drainAsked: ['info', 'an operator drains the broker'],
  logLevelAsked: ['info', 'an operator sets the log level'],
  banAsked: ['info', 'an operator adds a ban'],
  banLiftAsked: ['info', 'an operator lifts a ban'],
  subscribeAsked: ['info', 'an operator subscribes a client'],
  unsubscribeAsked: ['info', 'an operator ends a subscription of a client'],
  traceAsked: ['info', 'an operator starts a trace'],
  traceEndAsked: ['info', 'an operator ends a trace'],
  overload: ['warn', 'the load of the broker has changed'],
};

interface Second {
  startedMs: number;
  lines: number;
  /** How many were left out since the last line. */
  withheld: number;
}

export class AuditLog {
  readonly #options: AuditLogOptions;
  readonly #seconds = new Map<AuditKind, Second>();

  constructor(options: AuditLogOptions) {
    this.#options = options;
  }

  add(audit: AuditKind, fields: Readonly<Record<string, unknown>>): void {
    const { clock, limits, write } = this.#options;
    const nowMs = clock.nowMs();
    const second = this.#secondOf(audit, nowMs);
    if (nowMs - second.startedMs >= 1_000) {
      second.startedMs = nowMs;
      second.lines = 0;
    }
    if (second.lines >= limits.auditLinesPerSecondMax) {
      second.withheld++;
      return;
    }
    second.lines++;
    const withheld = second.withheld === 0 ? {} : { withheld: second.withheld };
    second.withheld = 0;
    const [level, sentence] = lines[audit];
    write(level, { audit, ...fields, ...withheld }, sentence);
  }

  #secondOf(audit: AuditKind, nowMs: number): Second {
    let second = this.#seconds.get(audit);
    if (second === undefined) {
      second = { startedMs: nowMs, lines: 0, withheld: 0 };
      this.#seconds.set(audit, second);
    }
    return second;
  }
}
