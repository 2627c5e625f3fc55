/**
 * How commands talk to a running broker: over its HTTP API, with a key from a file or the environment, never from the
 * command line, which everyone on the machine can see.
 */
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { BrokerError } from '../broker-error.ts';

export const apiFlagsUsage = [
  '  --url URL        of the broker (default http://127.0.0.1:8080)',
  '                     or RALLYMQ_URL',
  '  --key-file FILE  file with a key of the HTTP API (default: the variable RALLYMQ_API_KEY)',
];

export interface ApiRequest {
  readonly url: string;
  readonly key: string;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** `more`: flags beside those of every command. Errors: FLAG_UNKNOWN, FLAG_VALUE_INVALID, ACCESS_FILE_UNREADABLE. */
export function readApiRequest(args: readonly string[], environment: Environment, more: Options) {
  const values = parsed(args, { url: { type: 'string' }, 'key-file': { type: 'string' }, ...more });
  const url = `${values['url'] ?? environment['RALLYMQ_URL'] ?? 'http://127.0.0.1:8080'}`;
  if (!/^https?:\/\/[^/?#]+\/?$/.test(url) || !URL.canParse(url))
    throw new BrokerError(
      'FLAG_VALUE_INVALID',
      `--url is an address such as https://broker.example, not '${url}'.`,
    );
  const path = values['key-file'];
  const key = (path === undefined ? environment['RALLYMQ_API_KEY'] : keyOf(`${path}`))?.trim() ?? '';
  if (!/^\S+$/.test(key))
    throw new BrokerError(
      'FLAG_VALUE_INVALID',
      'This needs a key of the HTTP API: give --key-file FILE or RALLYMQ_API_KEY (`rallymq api-key add` makes one).',
    );
  return { request: { url: url.replace(/\/$/, ''), key }, values };
}

type Options = Readonly<Record<string, { readonly type: 'string' | 'boolean' }>>;

function parsed(
  args: readonly string[],
  options: Options,
): Readonly<Record<string, string | boolean | undefined>> {
  try {
    return parseArgs({ args: [...args], options }).values as Readonly<Record<string, string | boolean>>;
  } catch (error) {
    throw new BrokerError('FLAG_UNKNOWN', `${error instanceof Error ? error.message : error}`);
  }
}

function keyOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    throw new BrokerError('ACCESS_FILE_UNREADABLE', `The key in ${path} cannot be read.`, { cause });
  }
}

/** `path`: behind /api/v1/. Errors: BROKER_NOT_REACHED, API_REFUSED with what the broker says. */
export async function askApi(
  request: ApiRequest,
  method: string,
  path: string,
  body?: unknown,
): Promise<unknown> {
  const text = await (await openApi(request, method, path, { body })).text();
  return text === '' ? undefined : JSON.parse(text);
}

/** An answer that is read as it comes. Errors: as askApi(). */
export async function openApi(
  { url, key }: ApiRequest,
  method: string,
  path: string,
  { body, signal }: { readonly body?: unknown; readonly signal?: AbortSignal } = {},
): Promise<Response> {
  const headers = { authorization: `Bearer ${key}` };
  const init = {
    method,
    headers,
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    ...(signal === undefined ? {} : { signal }),
  };
  const answer = await fetch(`${url}/api/v1/${path}`, init).catch((cause: unknown) => {
    throw new BrokerError('BROKER_NOT_REACHED', `No broker answers at ${url}: ${reasonOf(cause)}.`, {
      cause,
    });
  });
  if (answer.ok) return answer;
  throw new BrokerError(
    'API_REFUSED',
    `The broker answers ${answer.status}: ${detailOf(await answer.text())}`,
  );
}

function reasonOf(error: unknown): string {
  const { cause = error } = error as { readonly cause?: unknown };
  return cause instanceof Error ? cause.message : `${cause}`;
}

function detailOf(text: string): string {
  try {
    const { detail } = JSON.parse(text) as { readonly detail?: string };
    return detail ?? 'it does not say why.';
  } catch {
    return text.slice(0, 200).trim(); // a proxy speaks, or an older broker
  }
}
