/** The table of all routes, and the look-up of a request in it. */
import type { Route } from './route.ts';
import { broker } from './routes/broker.ts';
import { health } from './routes/health.ts';
import { retained } from './routes/retained.ts';
import { statistics } from './routes/statistics.ts';

/** What is there without the pages, too. */
export const operatingRoutes: readonly Route[] = [health];

/** What the pages ask for. */
export const pageRoutes: readonly Route[] = [broker, statistics, retained];

export interface Found {
  readonly route: Route;
  /** Of a route that ends with `/*`, the path below it. */
  readonly below: string;
}

/** The route of a request; of a path that has others, the methods that it has; undefined: there is no such path. */
export function findRoute(
  routes: readonly Route[],
  method: string,
  path: string,
): Found | { readonly methods: readonly string[] } | undefined {
  const here = routes.flatMap((route) => {
    const below = belowOf(route.path, path);
    return below === undefined ? [] : [{ route, below }];
  });
  if (here.length === 0) return undefined;
  const methods = here.flatMap(({ route }) => (route.method === 'get' ? ['get', 'head'] : [route.method]));
  const asked = method === 'head' ? 'get' : method;
  return here.find(({ route }) => route.method === asked) ?? { methods };
}

function belowOf(pattern: string, path: string): string | undefined {
  if (!pattern.endsWith('/*')) return pattern === path ? '' : undefined;
  const folder = pattern.slice(0, -1);
  return path.startsWith(folder) ? path.slice(folder.length) : undefined;
}
