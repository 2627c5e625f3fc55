/** The HTTP API of this broker, with the credentials of the signed-in visitor. They are kept for this tab only. */
import { siteRoot } from '../shared/statistics.ts';

/** The header Authorization. */
const storageKey = 'rallymq-authorization';

export class ApiError extends Error {
  readonly status: number;

  constructor(status: number, detail: string) {
    super(detail);
    this.status = status;
  }
}

export function isSignedIn(): boolean {
  return sessionStorage.getItem(storageKey) !== null;
}
/** `username`: empty for an API key or a token. */
export function keepCredentials(username: string, secret: string): void {
  const bytes = new TextEncoder().encode(`${username}:${secret}`);
  const header = username === '' ? `Bearer ${secret}` : `Basic ${btoa(String.fromCharCode(...bytes))}`;
  sessionStorage.setItem(storageKey, header);
}
export function forgetCredentials(): void {
  sessionStorage.removeItem(storageKey);
}

/** `path`: below /api/v1/. Errors: ApiError with the broker's message, TypeError if the broker is unreachable. */
export async function ask<Body>(path: string, method = 'GET', body?: unknown): Promise<Body> {
  const response = await request(`api/v1/${path}`, method, body);
  return (response.status === 204 ? undefined : await response.json()) as Body;
}

/**
 * The path of a route such as `clients/{clientid}/events`, with this value in place of the parameter, and its query.
 * Browsers remove the segments '.' and '..' from a path: these values go into the query.
 */
export function pathOf(route: string, name: string, query: Readonly<Record<string, string>> = {}): string {
  const isDots = name === '.' || name === '..';
  const asked = new URLSearchParams(query);
  const path = route.replace(/\{(\w+)\}/, (_whole, parameter: string) => {
    if (isDots) asked.set(parameter, name);
    return isDots ? '-' : encodeURIComponent(name);
  });
  return asked.size === 0 ? path : `${path}?${asked}`;
}

/** A file or a stream; `path`: below the root of the site. Errors: as ask(). */
export async function open(path: string, headers = {}, signal?: AbortSignal): Promise<Response> {
  return await request(path, 'GET', undefined, headers, signal);
}

async function request(
  path: string,
  method: string,
  body?: unknown,
  headers: Readonly<Record<string, string>> = {},
  signal: AbortSignal | null = null,
): Promise<Response> {
  const response = await fetch(new URL(path, siteRoot), {
    method,
    headers: { ...headers, authorization: sessionStorage.getItem(storageKey) ?? '' },
    signal,
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  if (response.ok) return response;
  throw new ApiError(response.status, await detailOf(response));
}

async function detailOf(response: Response): Promise<string> {
  const text = await response.text();
  try {
    const { detail } = JSON.parse(text) as { detail?: unknown };
    if (typeof detail === 'string') return detail;
  } catch {
    // Not problem+json, but a sentence.
  }
  return text.trim() || `The broker answered ${response.status}.`;
}

export interface Page<Row> {
  readonly data: readonly Row[];
  readonly meta: { readonly hasnext: boolean; readonly cursor?: string; readonly count?: number };
}

export function sentenceOf(error: unknown): string {
  if (error instanceof ApiError) return error.message;
  return 'The broker cannot be reached. Reconnecting…';
}
