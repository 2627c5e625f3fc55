/** The table of all routes, and the look-up of a request in it. */
import type { Route } from './route.ts';
import { type RoutePath, routePathOf } from './route-path.ts';
import { addBan, bans, deleteBan } from './routes/bans.ts';
import { broker } from './routes/broker.ts';
import { subscribeClient, unsubscribeClient } from './routes/client-subscriptions.ts';
import { client, clientEvents, clientSubscriptions, clients, deleteClient } from './routes/clients.ts';
import { dashboardTicket, overview } from './routes/dashboard.ts';
import { events } from './routes/events.ts';
import { health, liveness, readiness } from './routes/health.ts';
import { metrics } from './routes/metrics.ts';
import { nodes } from './routes/nodes.ts';
import { openApi } from './routes/openapi.ts';
import { configuration, drain, logLevel, reload, stats } from './routes/operations.ts';
import { publish, publishBulk } from './routes/publish.ts';
import { retained } from './routes/retained.ts';
import { deleteRetained, putRetained, retainedList, retainedMessage } from './routes/retained-messages.ts';
import { slowSubscriptions } from './routes/slow-subscriptions.ts';
import { statistics } from './routes/statistics.ts';
import { subscriptions } from './routes/subscriptions.ts';
import { topics } from './routes/topics.ts';
import { deleteTrace, startTrace, stopTrace, trace, traceEvents, traceLog, traces } from './routes/traces.ts';

/** Below /api/v1, and described by OpenAPI. */
export const apiRoutes: readonly Route[] = [
  publish,
  publishBulk,
  events,
  clients,
  client,
  deleteClient,
  clientSubscriptions,
  subscribeClient,
  unsubscribeClient,
  clientEvents,
  subscriptions,
  topics,
  retainedList,
  retainedMessage,
  putRetained,
  deleteRetained,
  slowSubscriptions,
  nodes,
  bans,
  addBan,
  deleteBan,
  traces,
  startTrace,
  trace,
  stopTrace,
  deleteTrace,
  traceLog,
  traceEvents,
  stats,
  overview,
  dashboardTicket,
  configuration,
  reload,
  logLevel,
  drain,
  openApi(() => apiRoutes),
];

/** Available without the pages too. */
export const operatingRoutes: readonly Route[] = [health, liveness, readiness, metrics, ...apiRoutes];

/** For the pages. */
export const pageRoutes: readonly Route[] = [broker, statistics, retained];

export interface Found {
  readonly route: Route;
  readonly path: RoutePath;
  /** Of the path's parameters, still encoded. */
  readonly values: readonly string[];
}

export class RouteTable {
  readonly #rows: readonly Found[];
  /** Routes without parameters, which get most requests. */
  readonly #byPath = new Map<string, readonly Found[]>();

  constructor(routes: readonly Route[]) {
    const rows: Found[] = routes.map((route) => ({ route, path: routePathOf(route.path), values: [] }));
    for (const row of rows) {
      if (row.path.parameters.length > 0) continue;
      this.#byPath.set(row.route.path, [...(this.#byPath.get(row.route.path) ?? []), row]);
    }
    this.#rows = rows.filter(({ path }) => path.parameters.length > 0);
  }

  /** The route of a request; for a path with other methods, these; undefined: there is no such path. */
  find(method: string, path: string): Found | { readonly methods: readonly string[] } | undefined {
    const here = this.#byPath.get(path) ?? this.#matching(path);
    if (here.length === 0) return undefined;
    const asked = method === 'head' ? 'get' : method;
    const found = here.find(({ route }) => route.method === asked);
    if (found !== undefined) return found;
    return {
      methods: here.flatMap(({ route }) => (route.method === 'get' ? ['get', 'head'] : [route.method])),
    };
  }

  #matching(asked: string): Found[] {
    return this.#rows.flatMap(({ route, path }) => {
      const values = path.match(asked);
      return values === undefined ? [] : [{ route, path, values }];
    });
  }
}
