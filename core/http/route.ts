/** What a route is: a row of the table in routes.ts. Each resource has a file of its own in routes/. */
import type { NodeAnswer } from '../cluster/node-messages.ts';
import type { BrokerConfig, LogLevel } from '../config/options.ts';
import type { ClusterFigures } from '../control/cluster-control.ts';
import type { Reloaded } from '../control/reloads.ts';
import type {
  MatchRow,
  RetainedRow,
  SessionFigures,
  SlowRow,
  SubscriptionRow,
  TopicLevelRow,
} from '../data-plane/inspection.ts';
import type { AskedSubscription } from '../front-end/subscribe.ts';
import type { HostMessage, PublishOptions } from '../host/host-message.ts';
import type { ApiCaller } from '../security/api-caller.ts';
import type { ApiKeys, ApiScope } from '../security/api-keys.ts';
import type { Ban, BanKind, BanRequest } from '../security/bans.ts';
import type { HttpCredentials, SignInRefusal } from '../security/sign-in.ts';
import type { ClientEvent, DropsOfClient } from '../sessions/client-history.ts';
import type { ClientPage, ClientQuery, ClientState } from '../sessions/client-list.ts';
import type { Trace, TraceRequest } from '../tracing/traces.ts';
import type { HttpAnswer, HttpQuestion, StreamedBody } from './answer.ts';
import type { Idempotency } from './idempotency.ts';
import type { Operation } from './operation.ts';
import type { OtherNodes } from './other-nodes.ts';
import type { StreamRequest } from './sse/event-streams.ts';

export interface ListeningPorts {
  readonly port: number;
  readonly tcpPort: number | false;
  readonly tlsPort: number | false;
  readonly mqttsPort: number | false;
}

/** Undefined stands for the host program. */
export interface ClientMatch extends MatchRow {
  readonly clientId: string | undefined;
}

export type SlowOrder = 'delay' | 'drops';

/** What waits for a client is known of those for which most waits. */
export interface SlowClient extends Partial<SlowRow> {
  readonly clientId: string;
  /** Undefined: it got all messages, as far as its events reach. */
  readonly drops: DropsOfClient | undefined;
}

/** What routes ask the broker for. All throw or reject while it does not run, which is answered with 503. */
export interface SiteSource {
  /** Why it cannot do all that it should, though it runs; undefined: it can. */
  trouble(): string | undefined;
  /** Why no client should be sent here; undefined: they are welcome. */
  unreadiness(): string | undefined;
  statistics(): Readonly<Record<string, number>>;
  /** All that Prometheus is told, in its text format. */
  metrics(format: 'prometheus' | 'openMetrics'): string;
  /** Undefined if no message is retained on the topic. */
  retained(topic: string): Promise<HostMessage | undefined>;
  /** Whether the rules let everybody have the messages of a topic; true where there are none. */
  mayAnyoneReceive(topic: string): boolean;
  /** Undefined: there is no file of keys, and nobody has one. */
  apiKeys(): ApiKeys | undefined;
  /** A user of the broker asks, with its password or token. Does not reject. */
  signIn(credentials: HttpCredentials): Promise<ApiCaller | SignInRefusal>;
  mayPublish(caller: ApiCaller, topic: string): boolean;
  mayReceive(caller: ApiCaller, topic: string): boolean;
  /** Gives the reason code when the broker has the message, with QoS 0 mostly at once. Errors: as Broker.publish(). */
  publish(topic: string, payload: Uint8Array, options: PublishOptions): number | Promise<number>;
  clients(query: ClientQuery): ClientPage<ClientState>;
  client(clientId: string): ClientState | undefined;
  /** Undefined: the session is not on the worker, as while it moves. */
  figures(client: ClientState): Promise<SessionFigures | undefined>;
  subscriptions(client: ClientState, from: number, max: number): Promise<readonly SubscriptionRow[]>;
  events(clientId: string): readonly ClientEvent[] | undefined;
  /** False: there is no such client, or no connection of one whose session is kept. */
  disconnect(clientId: string, keepsSession: boolean, by: ApiCaller): boolean;
  /**
   * Subscribes a client that is connected or away, and resolves to the reason code; undefined: its session is not on the
   * worker, as while it moves.
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
  /** Undefined: it is not in a cluster, or another node asks. */
  nodes(): OtherNodes | undefined;
  bans(): readonly Ban[];
  isBanned(remoteAddress: string): boolean;
  /** Errors: as Bans.add(). */
  ban(request: BanRequest, by: ApiCaller): Ban;
  /** False: there was no such ban. Errors: as Bans.remove(). */
  liftBan(kind: BanKind, value: string, by: ApiCaller): boolean;
  /** Undefined: it got all messages, as far as its events reach. */
  dropsOf(clientId: string): DropsOfClient | undefined;
  /**
   * Clients for which most waits, those first whose connection takes nothing for longest; or those that did not get most
   * messages.
   */
  slow(max: number, order: SlowOrder): Promise<readonly SlowClient[]>;
  matches(
    topic: string,
    max: number,
  ): Promise<{ readonly count: number; readonly rows: readonly ClientMatch[] }>;
  retainedTopics(
    filter: string,
    max: number,
  ): Promise<{ readonly areAll: boolean; readonly rows: readonly RetainedRow[] }>;
  /** The levels of topics below `above` behind `after`, in the order of their bytes; undefined: the first ones. */
  topicLevels(
    above: string | undefined,
    after: string | undefined,
    max: number,
  ): Promise<readonly TopicLevelRow[]>;
  /** Gives a stream of messages; undefined: there is no room for one. Errors: HOST_SUBSCRIBE_INVALID. */
  openStream(request: StreamRequest): StreamedBody | undefined | Promise<StreamedBody | undefined>;
  traces(): readonly Trace[];
  trace(id: string): Trace | undefined;
  /** Undefined: there are as many as there can be. */
  startTrace(request: Omit<TraceRequest, 'mayReceive'>, by: ApiCaller): Trace | undefined;
  /** False: there is no such trace. */
  stopTrace(id: string, by: ApiCaller): boolean;
  deleteTrace(id: string, by: ApiCaller): boolean;
  /**
   * Its lines, from this one on, with the payloads of the topics that `mayRead` allows; undefined: there is no room for
   * another stream.
   */
  streamTrace(trace: Trace, next: number, mayRead: (topic: string) => boolean): StreamedBody | undefined;
  /** On all nodes, until the configuration is read again. */
  setLogLevel(level: LogLevel, by: ApiCaller): void;
  /** Gives how many clients are there to be told to go. */
  drain(by: ApiCaller): number;
  /** Reads the configuration, and the files of users, rules, keys and certificates again. Errors: as Broker.reload(). */
  reload(
    by: ApiCaller,
  ): Promise<Reloaded & { readonly certificates: 'reloaded' | 'unchanged' | 'refused' | 'none' }>;
  /** Options for which the last reload has found another value, which counts after a restart. */
  needsRestart(): readonly string[];
}

/** What a handler has to work with. */
export interface RouteContext {
  readonly config: BrokerConfig;
  readonly version: string;
  /** The ports that clients can use. */
  readonly ports: ListeningPorts;
  readonly source: SiteSource;
  readonly idempotency: Idempotency;
}

/** A request that has come to its route. */
export interface RouteRequest {
  readonly question: HttpQuestion;
  /** Of the path, percent-decoded. */
  readonly parameters: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  /** Who asks; undefined where everyone may. */
  readonly caller: ApiCaller | undefined;
  /** Of a route that takes one: what JSON.parse() has made of it. */
  readonly body: unknown;
}

/**
 * Who may ask: `everyone` who reaches the port; `client`: only where everyone may connect, since the answer tells what a
 * client could find out by connecting; `observer`: callers with the scope `read`, and everyone who could read as much from
 * $SYS as a client. A scope: callers who have it, by an API key or as a user; `subscribe`: and everyone where everyone may
 * connect.
 */
export type Right = 'everyone' | 'client' | 'observer' | ApiScope;

export interface Route {
  /** In lower case. What answers `get` answers `head` too. */
  readonly method: 'get' | 'post' | 'put' | 'delete';
  /** As routePathOf() reads it. */
  readonly path: string;
  readonly right: Right;
  /** The request has a body of JSON. */
  readonly takesBody?: boolean;
  /** What the API says of it. */
  readonly operation?: Operation;
  handle(request: RouteRequest, context: RouteContext): HttpAnswer | Promise<HttpAnswer>;
  /** Other nodes may ask for it, too (other-nodes.ts). */
  answersNodes?(request: RouteRequest, context: RouteContext): Promise<NodeAnswer>;
}
