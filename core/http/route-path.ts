/**
 * The paths of routes: `/api/v1/clients/{clientid}` has one segment in its place, `/api/v1/retained/{topic+}` all that
 * follow. What stands there is percent-decoded.
 */

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

/** The values by name; undefined: one is not UTF-8, percent-encoded. */
export function decodedParameters(
  names: readonly string[],
  values: readonly string[],
): Readonly<Record<string, string>> | undefined {
  if (names.length === 0) return none;
  try {
    return Object.fromEntries(names.map((name, index) => [name, decodeURIComponent(values[index] ?? '')]));
  } catch {
    return undefined;
  }
}
