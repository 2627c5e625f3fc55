/**
 * The paths of routes: `/api/v1/clients/{clientid}` has one segment in its place, `/api/v1/retained/{topic+}` all that
 * follow. What stands there is percent-decoded. Browsers and other programs take the segments `.` and `..` out of a path,
 * encoded or not: clients and topics of such a name are given in the query, as `/api/v1/clients/-?clientid=..`.
 */

/** Parameters that are names of clients, users or topics, which may be anything. */
export const nameParameters: readonly string[] = ['clientid', 'topic', 'who'];

export interface RoutePath {
  /** In the syntax of OpenAPI. */
  readonly shown: string;
  readonly parameters: readonly string[];
  /** The values of the parameters, still encoded; undefined: the path does not match. */
  match(path: string): readonly string[] | undefined;
}

const places = /\{(\w+)\+?\}/g;

export function routePathOf(pattern: string): RoutePath {
  const parameters = [...pattern.matchAll(places)].map(([, name = '']) => name);
  const shown = pattern.replaceAll(places, '{$1}');
  if (parameters.length === 0) {
    return { shown, parameters, match: (path) => (path === pattern ? [] : undefined) };
  }
  const source = pattern
    .replaceAll('.', '\\.')
    .replaceAll(places, (whole) => (whole.endsWith('+}') ? '(.*)' : '([^/]+)'));
  const expression = new RegExp(`^${source}$`, 's');
  return { shown, parameters, match: (path) => expression.exec(path)?.slice(1) };
}

const none = {};

/**
 * The values by name; of a name, where `-` stands in its place, the one in `query`, which is taken out of it. Undefined: one
 * is not UTF-8, percent-encoded.
 */
export function decodedParameters(
  names: readonly string[],
  values: readonly string[],
  query: URLSearchParams,
): Readonly<Record<string, string>> | undefined {
  if (names.length === 0) return none;
  try {
    return Object.fromEntries(names.map((name, index) => [name, placed(name, values[index] ?? '', query)]));
  } catch {
    return undefined;
  }
}

/** Errors: URIError. */
function placed(name: string, inPath: string, query: URLSearchParams): string {
  const inQuery = inPath === '-' && nameParameters.includes(name) ? query.get(name) : null;
  if (inQuery === null) return decodeURIComponent(inPath);
  query.delete(name);
  return inQuery;
}
