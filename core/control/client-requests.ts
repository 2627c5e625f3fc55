/**
 * What operators ask about clients and do to them (main thread). Every change is logged in the audit log with
 * the state before and after, and is also one of the client's events.
 */
import { firstMatch, type MatchRow, type RetainedRow } from '../data-plane/inspection.ts';
import type { AskedSubscription } from '../front-end/subscribe.ts';
import type { MatchesPlace, RetainedPlace, SiteSource, SlowOrder } from '../http/route.ts';
import type { ApiCaller } from '../security/api-caller.ts';
import type { Bans } from '../security/ban-keeper.ts';
import type { Ban, BanKind, BanRequest } from '../security/bans.ts';
import type { ClientEventKind, ClientHistory } from '../sessions/client-history.ts';
import type { ClientState } from '../sessions/client-list.ts';
import type { SessionDirectory } from '../sessions/session-directory.ts';
import { ReasonCode } from '../wire/reason-code.ts';
import type { AuditLog } from './audit-log.ts';
import type { Inspections } from './inspections.ts';

export interface ClientRequestsOptions {
  readonly directory: SessionDirectory;
  readonly inspections: Inspections;
  readonly history: ClientHistory;
  readonly audit: AuditLog;
  readonly bans: Bans;
}

/** That a worker is asked for where clients are in another order than its rows: the most that it tells. */
const slowRowsMax = 1_000;

export class ClientRequests {
  readonly #options: ClientRequestsOptions;

  constructor(options: ClientRequestsOptions) {
    this.#options = options;
  }

  /** Undefined: the session is not on the worker, for example while it moves. */
  async subscribe(
    { worker, session, client: { clientId } }: ClientState,
    asked: Omit<AskedSubscription, 'session'>,
    caller: ApiCaller,
  ): Promise<number | undefined> {
    const { name: by } = caller;
    const answer = await this.#options.inspections.call(worker, 'subscribe', { session, ...asked });
    if (answer === undefined) return undefined;
    const { reasonCode, wasSubscribed } = answer;
    if (reasonCode >= ReasonCode.unspecifiedError) return reasonCode;
    const { topicFilter } = asked;
    this.#note(clientId, 'subscribeAsked', `'${topicFilter}': requested ${shownBy(caller)}.`);
    const change = { before: subscriptionState(wasSubscribed), after: `subscribed with QoS ${reasonCode}` };
    this.#options.audit.add('subscribeAsked', { by, clientId, topicFilter, ...change });
    return reasonCode;
  }

  /** False: there was no such subscription. */
  async unsubscribe(
    { worker, session, client: { clientId } }: ClientState,
    topicFilter: string,
    caller: ApiCaller,
  ): Promise<boolean> {
    const { name: by } = caller;
    const isEnded = await this.#options.inspections.call(worker, 'unsubscribe', { session, topicFilter });
    if (!isEnded) return false;
    this.#note(clientId, 'unsubscribeAsked', `'${topicFilter}': requested ${shownBy(caller)}.`);
    const change = { before: subscriptionState(true), after: subscriptionState(false) };
    this.#options.audit.add('unsubscribeAsked', { by, clientId, topicFilter, ...change });
    return true;
  }

  /** False: there is no such client, or its session is kept but it has no connection. */
  disconnect(clientId: string, keepsSession: boolean, caller: ApiCaller): boolean {
    const { name: by } = caller;
    const { directory, audit } = this.#options;
    const before = clientState(directory.find(clientId));
    if (!directory.dismiss(clientId, keepsSession)) return false;
    this.#note(clientId, 'disconnectAsked', `Requested ${shownBy(caller)}.`);
    audit.add('clientEnded', { by, clientId, before, after: keepsSession ? 'away' : 'gone' });
    return true;
  }

  ban(request: BanRequest, { name: by }: ApiCaller): Ban {
    const { bans, audit } = this.#options;
    const former = bans.list();
    const ban = bans.add(request);
    const { kind, value } = ban;
    audit.add('banAsked', { by, kind, value, before: shownBan(former, kind, value), after: banTerms(ban) });
    return ban;
  }

  /** False: there is no such ban. */
  liftBan(kind: BanKind, value: string, { name: by }: ApiCaller): boolean {
    const { bans, audit } = this.#options;
    const before = shownBan(bans.list(), kind, value);
    const isLifted = bans.remove(kind, value);
    if (isLifted) audit.add('banLiftAsked', { by, kind, value, before, after: null });
    return isLifted;
  }

  /** A page: the matches of one worker after those of the other, from a place of the one where it begins. */
  async matches(topic: string, max: number, from?: MatchesPlace): ReturnType<SiteSource['matches']> {
    const { inspections, directory } = this.#options;
    const rows: MatchRow[] = [];
    let count = 0;
    let next: MatchesPlace | undefined;
    for (let worker = 0; worker < inspections.workers; worker++) {
      const isBefore = from !== undefined && worker < from.worker;
      const answer = await inspections.ask<'matches'>(worker, {
        about: 'matches',
        topic,
        max: isBefore ? 0 : max - rows.length,
        from: from?.worker === worker ? from.place : firstMatch,
      });
      count += answer.count;
      rows.push(...answer.rows);
      if (!isBefore && answer.rest !== undefined) next ??= { worker, place: answer.rest };
    }
    const named = rows.map((row) => ({ ...row, clientId: directory.clientIdOf(row.session) }));
    return { count, rows: named, next };
  }

  /** By delay: clients that do not read, longest first; then those with the longest queues. */
  async slow(max: number, order: SlowOrder): ReturnType<SiteSource['slow']> {
    const { inspections, directory, history } = this.#options;
    const asked = order === 'delay' ? max : slowRowsMax;
    const rows = (await inspections.askAll<'slow'>({ about: 'slow', max: asked })).flat();
    if (order === 'delay') {
      const named = rows.flatMap((row) => {
        const clientId = directory.clientIdOf(row.session);
        return clientId === undefined ? [] : [{ ...row, clientId }];
      });
      return named
        .sort((a, b) => b.blockedMs - a.blockedMs || b.waitingBytes - a.waitingBytes)
        .slice(0, max)
        .map((row) => ({
          ...row,
          isConnected: directory.connected(row.clientId) !== undefined,
          drops: history.dropsOf(row.clientId),
        }));
    }
    const bySession = new Map(rows.map((row) => [row.session, row]));
    return history.mostDrops(max).map(({ clientId, ...drops }) => {
      const session = directory.find(clientId)?.session;
      const isConnected = directory.connected(clientId) !== undefined;
      return { ...(session === undefined ? {} : bySession.get(session)), clientId, isConnected, drops };
    });
  }

  /** As matches(). A page that has looked at much and found little ends before it is full. */
  async retainedTopics(
    filter: string,
    max: number,
    from: RetainedPlace = { worker: 0, place: '' },
  ): ReturnType<SiteSource['retainedTopics']> {
    const { inspections } = this.#options;
    const rows: RetainedRow[] = [];
    let next: RetainedPlace | undefined;
    for (let worker = from.worker; worker < inspections.workers && next === undefined; worker++) {
      const behind = worker === from.worker ? from.place : '';
      const answer = await inspections.ask<'retained'>(worker, {
        about: 'retained',
        filter,
        max: max - rows.length,
        behind,
      });
      rows.push(...answer.rows);
      if (answer.rest !== undefined) next = { worker, place: answer.rest };
    }
    return { rows: rows.sort((a, b) => (a.topic < b.topic ? -1 : 1)), next };
  }

  #note(clientId: string, kind: ClientEventKind, detail: string): void {
    const { directory, history } = this.#options;
    history.add(clientId, kind, directory.find(clientId)?.isConnected ?? false, detail);
  }
}

function shownBy({ name, user }: ApiCaller): string {
  return user === undefined ? `with the API key '${name}'` : `by the user '${name}'`;
}

interface BanTerms {
  readonly reason: string;
  readonly until: string | null;
}

/** Null: no such client. */
function shownBan(bans: readonly Ban[], kind: BanKind, value: string): BanTerms | null {
  const found = bans.find((ban) => ban.kind === kind && ban.value === value);
  return found === undefined ? null : banTerms(found);
}

function banTerms({ reason, expiresAt }: Ban): BanTerms {
  return { reason, until: expiresAt?.toISOString() ?? null };
}

function subscriptionState(isSubscribed: boolean): string {
  return isSubscribed ? 'subscribed' : 'not subscribed';
}

function clientState(found: ClientState | undefined): string {
  if (found === undefined) return 'gone';
  return found.isConnected ? 'connected' : 'away';
}
