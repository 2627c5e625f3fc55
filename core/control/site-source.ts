/** What HTTP needs from the broker, and which part of the control plane provides it (main thread). */

import { writeNews } from '../cluster/news.ts';
import type { BrokerConfig, LogLevel } from '../config/options.ts';
import type { HostClient } from '../host/host-client.ts';
import type { SiteSource } from '../http/route.ts';
import type { EventStreams } from '../http/sse/event-streams.ts';
import type { Gatekeeper } from '../security/gatekeeper.ts';
import type { ClientHistory } from '../sessions/client-history.ts';
import type { SessionDirectory } from '../sessions/session-directory.ts';
import { mergedLevels } from '../statistics/topic-levels.ts';
import type { Tracing } from '../tracing/tracing.ts';
import type { AuditLog } from './audit-log.ts';
import type { ClientRequests } from './client-requests.ts';
import type { ClusterControl } from './cluster-control.ts';
import type { Figures } from './figures.ts';
import type { Inspections } from './inspections.ts';
import type { Reloads } from './reloads.ts';

export interface SiteSourceOptions
  extends Pick<SiteSource, 'trouble' | 'unreadiness' | 'retained' | 'reload' | 'nodes'> {
  readonly audit: AuditLog;
  readonly config: BrokerConfig;
  readonly cluster: ClusterControl | undefined;
  readonly directory: SessionDirectory;
  readonly figures: Figures;
  readonly gatekeeper: Gatekeeper;
  readonly history: ClientHistory;
  readonly host: HostClient;
  readonly inspections: Inspections;
  readonly reloads: Reloads;
  readonly requests: ClientRequests;
  readonly streams: EventStreams;
  readonly tracing: Tracing;
  /** Errors: NOT_RUNNING. */
  assertRunning(): void;
  /** Clients are being disconnected because of a drain. */
  isDraining(): boolean;
  /** An operator has set it, on this node. */
  onLogLevel(level: LogLevel): void;
  /** An operator wants the broker drained. */
  onDrainAsked(): void;
}

export function siteSourceOf(options: SiteSourceOptions): SiteSource {
  const { audit, cluster, directory, figures, gatekeeper, history, host, inspections } = options;
  const { reloads, requests, streams, tracing } = options;
  return {
    trouble: options.trouble,
    unreadiness: options.unreadiness,
    statistics: () => figures.shown(),
    overview: () => figures.overview(),
    metrics: (format) => figures.metrics(format),
    retained: options.retained,
    mayAnyoneReceive: (topic) => gatekeeper.mayAnyoneReceive(topic),
    apiKeys: () => gatekeeper.apiKeys,
    signIn: (credentials) => gatekeeper.signIn(credentials),
    issueTicket: (caller, clientId) => gatekeeper.issueTicket(caller, clientId),
    mayPublish: (caller, topic) => gatekeeper.mayPublish(caller, topic),
    mayReceive: (caller, topic) => gatekeeper.mayReceive(caller, topic),
    publish: (topic, payload, published) => {
      options.assertRunning();
      return host.send(topic, payload, published);
    },
    clients: (query) => directory.list(query),
    client: (clientId) => directory.find(clientId),
    figures: ({ worker, session }) => inspections.ask<'session'>(worker, { about: 'session', session }),
    subscriptions: ({ worker, session }, below, max) =>
      inspections.ask<'subscriptions'>(worker, { about: 'subscriptions', session, below, max }),
    events: (clientId) => history.of(clientId),
    disconnect: (clientId, keepsSession, by) => requests.disconnect(clientId, keepsSession, by),
    subscribe: (client, asked, by) => requests.subscribe(client, asked, by),
    unsubscribe: (client, topicFilter, by) => requests.unsubscribe(client, topicFilter, by),
    cluster: () => cluster?.figures,
    nodes: options.nodes,
    bans: () => gatekeeper.bans.list(),
    isBanned: (remoteAddress) => gatekeeper.isBanned(remoteAddress),
    ban: (request, by) => {
      const ban = requests.ban(request, by);
      cluster?.tell(writeNews({ kind: 'ban', ban: request }));
      return ban;
    },
    liftBan: (kind, value, by) => {
      const isLifted = requests.liftBan(kind, value, by);
      if (isLifted) cluster?.tell(writeNews({ kind: 'liftBan', of: kind, value }));
      return isLifted;
    },
    dropsOf: (clientId) => history.dropsOf(clientId),
    slow: (max, order) => requests.slow(max, order),
    matches: (topic, max, from) => requests.matches(topic, max, from),
    retainedTopics: (filter, max, from) => requests.retainedTopics(filter, max, from),
    topicLevels: async (above, after, max) => {
      const asked = { about: 'topicLevels', above, after, max } as const;
      return mergedLevels(await inspections.askAll<'topicLevels'>(asked)).slice(0, max);
    },
    ...tracing.site,
    reload: options.reload,
    needsRestart: () => reloads.needsRestart,
    openStream: (request) => {
      options.assertRunning();
      return options.isDraining() ? undefined : streams.open(request);
    },
    setLogLevel: (level, { name: by }) => {
      audit.add('logLevelAsked', { by, before: options.config.logLevel, after: level });
      options.onLogLevel(level);
      cluster?.tell(writeNews({ kind: 'logLevel', level }));
    },
    drain: ({ name: by }) => {
      audit.add('drainAsked', { by, before: 'running', after: 'draining' });
      options.onDrainAsked();
      return directory.counts.connected;
    },
  };
}
