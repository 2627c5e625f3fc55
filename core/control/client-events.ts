/**
 * What happens to clients (main thread): they connect, disconnect or are refused. Each event is counted, kept
 * in the client's history, traced, logged, and passed to the host program.
 */
import type { CloseCause } from '../data-plane/addon.ts';
import {
  connectedDetail,
  disconnectedDetail,
  disconnectReason,
  droppedDetail,
  refusedDetail,
  shownDropReason,
  subscriptionRefusedDetail,
} from '../front-end/client-event-details.ts';
import type { Gatekeeper } from '../security/gatekeeper.ts';
import type { ClientHistory } from '../sessions/client-history.ts';
import type { SessionDirectory } from '../sessions/session-directory.ts';
import type { ClientInfo } from '../sessions/session-record.ts';
import type { ClientCounts } from '../statistics/client-counts.ts';
import type { Tracing } from '../tracing/tracing.ts';
import { reasonCodeName } from '../wire/reason-code-name.ts';
import type { AuditLog } from './audit-log.ts';
import type { DropRecord } from './drop-records.ts';
import type { Logger } from './logger.ts';
import type { RefusalReason, RefusedClient } from './refusals.ts';

/** Further listeners: the host program. */
export interface ClientListener {
  onConnected(client: ClientInfo): void;
  onDisconnected(client: ClientInfo, cause: CloseCause, reasonCode: number): void;
  onRefused(client: RefusedClient, refusal: RefusalReason): void;
}

export interface ClientEventsOptions {
  readonly logger: Logger;
  readonly audit: AuditLog;
  readonly directory: SessionDirectory;
  readonly gatekeeper: Gatekeeper;
  readonly history: ClientHistory;
  readonly counts: ClientCounts;
  readonly tracing: Tracing;
  readonly listener: ClientListener;
  /** Why clients are refused when a limit is reached. */
  fullReasonCode(): number;
}

export class ClientEvents {
  readonly #options: ClientEventsOptions;
  #refusedCount = 0;

  constructor(options: ClientEventsOptions) {
    this.#options = options;
  }

  get refusedCount(): number {
    return this.#refusedCount;
  }

  connected(client: ClientInfo): void {
    const { counts, history, tracing, logger, gatekeeper, listener } = this.#options;
    const detail = connectedDetail(client);
    counts.onConnected(client);
    history.add(client.clientId, 'connected', true, detail);
    tracing.client(client, 'connected', { detail });
    logger.debug(client, 'connected');
    gatekeeper.connected(client);
    listener.onConnected(client);
  }

  disconnected(client: ClientInfo, cause: CloseCause, reasonCode: number): void {
    const { counts, history, tracing, logger, gatekeeper, listener } = this.#options;
    const reason = disconnectReason(cause, reasonCode);
    const detail = disconnectedDetail(cause, reasonCode);
    counts.onDisconnected(client, reason);
    history.add(client.clientId, 'disconnected', false, detail, reason);
    tracing.client(client, 'disconnected', { reason, detail });
    if (logger.isLevelEnabled('debug')) logger.debug({ ...client, cause, reasonCode }, 'disconnected');
    gatekeeper.disconnected(client);
    listener.onDisconnected(client, cause, reasonCode);
  }

  /** A worker has refused a client. Those that the gatekeeper refused are already in the audit log. */
  refused(client: RefusedClient, refusal: RefusalReason, isDecidedByWorker: boolean): void {
    const { tracing, audit, listener } = this.#options;
    const { clientId, remoteAddress, transport } = client;
    const { reasonCode, why } = refusal;
    const reason = reasonCodeName(reasonCode);
    this.#refusedCount++;
    if (isDecidedByWorker) this.connectRefused(clientId, reasonCode); // the directory reports all others
    tracing.client(client, 'refused', { reason, detail: why });
    if (isDecidedByWorker || reasonCode === this.#options.fullReasonCode())
      audit.add('connectionRefused', { clientId, remoteAddress, transport, reason, why });
    listener.onRefused(client, refusal);
  }

  /** A CONNECT was refused. `clientId`: empty if none could be read. */
  connectRefused(clientId: string, reasonCode: number): void {
    this.#options.counts.onRefused(reasonCode);
    if (clientId === '') return;
    this.#note(clientId, 'refused', refusedDetail(reasonCode), reasonCode);
  }

  subscriptionRefused(clientId: string, topicFilters: readonly string[], reasonCode: number): void {
    const detail = subscriptionRefusedDetail(topicFilters, reasonCode);
    this.#note(clientId, 'subscriptionRefused', detail, reasonCode);
  }

  /** A connected client has reauthenticated. */
  reauthenticated(clientId: string): void {
    this.#options.history.add(clientId, 'reauthenticated', true, 'The client has renewed its credentials.');
  }

  /** Clients did not get messages. The embedding program is not among them. */
  dropped(records: readonly DropRecord[]): void {
    const { directory, history } = this.#options;
    for (const { session, messages, why } of records) {
      const clientId = directory.clientIdOf(session);
      if (clientId === undefined) continue;
      const isHere = directory.find(clientId)?.isConnected ?? false;
      history.dropped(clientId, isHere, messages, shownDropReason(why), (all) => droppedDetail(all, why));
    }
  }

  #note(clientId: string, kind: 'refused' | 'subscriptionRefused', detail: string, reasonCode: number): void {
    const { directory, history } = this.#options;
    const isHere = directory.find(clientId)?.isConnected ?? false;
    history.add(clientId, kind, isHere, detail, reasonCodeName(reasonCode));
  }
}
