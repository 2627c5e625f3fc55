/** A route: a row of the table in routes.ts. Each resource has its own file in routes/. */
import type { NodeAnswer, OtherNodes } from '../cluster/node-messages.ts';
import type { BrokerConfig, LogLevel } from '../config/options.ts';
import type { ClusterFigures } from '../control/cluster-control.ts';
import type { Overview } from '../control/figures.ts';
import type { Reloaded } from '../control/reloads.ts';
import type {
  MatchPlace,
  MatchRow,
  RetainedRow,
  SessionFigures,
  SlowRow,
  SubscriptionPage,
  TopicLevelRow,
} from '../data-plane/inspection.ts';
import type { AskedSubscription } from '../front-end/subscribe.ts';
import type { HostMessage, PublishOptions } from '../host/host-message.ts';
import type { ApiCaller } from '../security/api-caller.ts';
import type { ApiKeys } from '../security/api-keys.ts';
import type { ApiScope } from '../security/api-scope.ts';
import type { Ban, BanKind, BanRequest } from '../security/bans.ts';
import type { HttpCredentials, SignInRefusal } from '../security/sign-in.ts';
import type { ClientEvent, DropsOfClient } from '../sessions/client-history.ts';
import type { ClientPage, ClientQuery, ClientState } from '../sessions/client-list.ts';
import type { HandedOver, Trace, TraceRequest } from '../tracing/traces.ts';
import type { HttpAnswer, HttpQuestion, StreamedBody } from './answer.ts';
import type { Idempotency } from './idempotency.ts';
import type { Operation } from './operation.ts';
import type { StreamRequest } from './sse/event-streams.ts';

export interface ListeningPorts {
  readonly port: number;
  readonly tcpPort: number | false;
  readonly tlsPort: number | false;
  readonly mqttsPort: number | false;
}

/** Undefined: the host program. */
export interface ClientMatch extends MatchRow {
  readonly clientId: string | undefined;
}

/** Where the next page of a list begins that is one worker's after the other's. */
export interface MatchesPlace {
  readonly worker: number;
  readonly place: MatchPlace;
}
export interface RetainedPlace {
  readonly worker: number;
  readonly place: string;
}

export type SlowOrder = 'delay' | 'drops';

/** The delay and queue are known for the slowest clients only. */
export interface SlowClient extends Partial<SlowRow> {
  readonly clientId: string;
  readonly isConnected: boolean;
  /** Undefined: it received all messages, as far as its events go back. */
  readonly drops: DropsOfClient | undefined;
}

/** What routes need from the broker. All functions throw or reject while it does not run, which is answered with 503. */
export interface SiteSource {
  /** Why it works only in part; undefined: it works. */
  trouble(): string | undefined;
  /** Why it should get no new clients; undefined: it accepts them. */
  unreadiness(): string | undefined;
  statistics(): Readonly<Record<string, number>>;
  overview(): Overview;
  /** All that Prometheus is told, in its text format. */
  metrics(format: 'prometheus' | 'openMetrics'): string;
  /** Undefined if no message is retained on the topic. */
  retained(topic: string): Promise<HostMessage | undefined>;
  /** Whether the rules let everyone receive messages of the topic; true without rules. */
  mayAnyoneReceive(topic: string): boolean;
  /** Undefined: there is no file of keys. */
  apiKeys(): ApiKeys | undefined;
  /** A user of the broker asks, with its password or token. Does not reject. */
  signIn(credentials: HttpCredentials): Promise<ApiCaller | SignInRefusal>;
  /** A password with which the caller's dashboard connects, once. `clientId`: as isDashboardClientId() wants it. */
  issueTicket(caller: ApiCaller, clientId: string): string;
  mayPublish(caller: ApiCaller, topic: string): boolean;
  mayReceive(caller: ApiCaller, topic: string): boolean;
  /** Returns the reason code when the broker has the message, for QoS 0 usually at once. Errors: see Broker.publish(). */
  publish(topic: string, payload: Uint8Array, options: PublishOptions): number | Promise<number>;
  clients(query: ClientQuery): ClientPage<ClientState>;
  client(clientId: string): ClientState | undefined;
  /** Undefined: the session is not on the worker, for example while it moves. */
  figures(client: ClientState): Promise<SessionFigures | undefined>;
  /** The newest first. `below`: `rest` of an earlier page; undefined: the first page. */
  subscriptions(client: ClientState, below: number | undefined, max: number): Promise<SubscriptionPage>;
  events(clientId: string): readonly ClientEvent[] | undefined;
  /** False: there is no such client, or it has a session but no connection. */
  disconnect(clientId: string, keepsSession: boolean, by: ApiCaller): boolean;
  /**
   * Subscribes a client, connected or not, and resolves to the reason code; undefined: its session is not on the worker, for example
   * while it moves.
   */
  subscribe(
    client: ClientState,
    asked: Omit<AskedSubscription, 'session'>,
    by: ApiCaller,
  ): Promise<number | undefined>;
  /** False: there was no such subscription. */
  unsubscribe(client: ClientState, topicFilter: string, by: ApiCaller): Promise<boolean>;
  /** Undefined: the broker is not in a cluster. */
  cluster(): ClusterFigures | undefined;
  /** Undefined: it is not in a cluster, or the request comes from another node. */
  nodes(): OtherNodes | undefined;
  bans(): readonly Ban[];
  isBanned(remoteAddress: string): boolean;
  /** Errors: see Bans.add(). */
  ban(request: BanRequest, by: ApiCaller): Ban;
  /** False: there was no such ban. Errors: see Bans.remove(). */
  liftBan(kind: BanKind, value: string, by: ApiCaller): boolean;
  /** Undefined: it received all messages, as far as its events go back. */
  dropsOf(clientId: string): DropsOfClient | undefined;
  /**
   * The clients with the longest queues, first those whose connection has accepted nothing for longest; or those with the most
   * dropped messages.
   */
  slow(max: number, order: SlowOrder): Promise<readonly SlowClient[]>;
  /** `count`: of all pages. `next`: where the next page begins; undefined: this is the last. */
  matches(
    topic: string,
    max: number,
    from?: MatchesPlace,
  ): Promise<{
    readonly count: number;
    readonly rows: readonly ClientMatch[];
    readonly next: MatchesPlace | undefined;
  }>;
  /** `next`: likewise. There may be fewer rows than `max` before it. */
  retainedTopics(
    filter: string,
    max: number,
    from?: RetainedPlace,
  ): Promise<{ readonly rows: readonly RetainedRow[]; readonly next: RetainedPlace | undefined }>;
  /** The levels of topics below `above` behind `after`, in the order of their bytes; undefined: the first ones. */
  topicLevels(
    above: string | undefined,
    after: string | undefined,
    max: number,
  ): Promise<readonly TopicLevelRow[]>;
  /** Returns a stream of messages; undefined: there are too many. Errors: HOST_SUBSCRIBE_INVALID. */
  openStream(request: StreamRequest): StreamedBody | undefined | Promise<StreamedBody | undefined>;
  traces(): readonly Trace[];
  trace(id: string): Trace | undefined;
  /** Undefined: there are as many as there can be. */
  startTrace(request: Omit<TraceRequest, 'mayReceive'>, by: ApiCaller): Trace | undefined;
  /**
   * What happens here, from line `after` on, for another node that has this trace; it is begun if it is not known.
   * Undefined: there are as many as there can be.
   */
  traceForNode(
    id: string,
    after: number,
    request: Omit<TraceRequest, 'mayReceive'>,
    by: ApiCaller,
  ): HandedOver | undefined;
  /** False: there is no such trace here. */
  endTraceForNode(id: string): boolean;
  /** False: there is no such trace. */
  stopTrace(id: string, by: ApiCaller): boolean;
  deleteTrace(id: string, by: ApiCaller): boolean;
  /**
   * The lines of the trace from this one on, with the payloads of topics that `mayRead` allows; undefined: there are too many
   * streams.
   */
  streamTrace(trace: Trace, next: number, mayRead: (topic: string) => boolean): StreamedBody | undefined;
  /** On all nodes, until the next reload of the configuration. */
  setLogLevel(level: LogLevel, by: ApiCaller): void;
  /** Returns the number of clients to disconnect. */
  drain(by: ApiCaller): number;
  /** Reloads the configuration and the files of users, rules, keys and certificates. Errors: see Broker.reload(). */
  reload(
    by: ApiCaller,
  ): Promise<Reloaded & { readonly certificates: 'reloaded' | 'unchanged' | 'refused' | 'none' }>;
  /** Options that the last reload has found changed, and that take effect after a restart. */
  needsRestart(): readonly string[];
}

/** The environment of a handler. */
export interface RouteContext {
  readonly config: BrokerConfig;
  readonly version: string;
  /** The ports that clients can use. */
  readonly ports: ListeningPorts;
  readonly source: SiteSource;
  readonly idempotency: Idempotency;
}

/** A request, as its route gets it. */
export interface RouteRequest {
  readonly question: HttpQuestion;
  /** Of the path, percent-decoded. */
  readonly parameters: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  /** The caller; undefined for routes that everyone may use. */
  readonly caller: ApiCaller | undefined;
  /** The parsed JSON of routes that take a body. */
  readonly body: unknown;
}

/**
 * Who may call a route. `everyone` who reaches the port; `client`: everyone if everyone may connect, since clients could find out
 * as much; `observer`: callers with the scope `read`, and everyone who could read as much from $SYS as a client. A scope: callers
 * that have it, by an API key or as a user; `subscribe`: also everyone, if everyone may connect.
 */
export type Right = 'everyone' | 'client' | 'observer' | ApiScope;

export interface Route {
  /** In lower case. `get` includes `head`. */
  readonly method: 'get' | 'post' | 'put' | 'delete';
  /** For routePathOf(). */
  readonly path: string;
  readonly right: Right;
  /** The request has a JSON body. */
  readonly takesBody?: boolean;
  /** It is answered at once, in a few bytes, whatever other requests wait for: a supervisor must not take these for a fault. */
  readonly isAlwaysAnswered?: boolean;
  /** Its description for the API. */
  readonly operation?: Operation;
  handle(request: RouteRequest, context: RouteContext): HttpAnswer | Promise<HttpAnswer>;
  /** Other nodes may call it too (other-nodes.ts). */
  answersNodes?(request: RouteRequest, context: RouteContext): Promise<NodeAnswer>;
}
