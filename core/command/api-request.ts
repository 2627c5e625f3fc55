/**
 * The connection of commands to a running broker: over its HTTP API, with a key from a file or the environment, never from the
 * command line, which everyone on the machine can see.
 */
import { BrokerError } from '../broker-error.ts';
import { readAccessFile } from '../security/access-file.ts';
import { messageOf } from '../system-reason.ts';

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

/** Unless it is read as a stream. */
const answerMs = 10_000;

/** The flags of all commands that use the API. */
export const apiFlags = { url: 'text', 'key-file': 'text' } as const;

/** Errors: FLAG_VALUE_INVALID, ACCESS_FILE_UNREADABLE. */
export function apiRequestOf(
  flags: { readonly url?: string; readonly 'key-file'?: string },
  environment: Environment,
): ApiRequest {
  const url = flags.url ?? environment['RALLYMQ_URL'] ?? 'http://127.0.0.1:8080';
  if (!/^https?:\/\/[^/?#]+\/?$/.test(url) || !URL.canParse(url)) {
    const name = flags.url === undefined ? 'RALLYMQ_URL' : '--url';
    throw new BrokerError(
      'FLAG_VALUE_INVALID',
      `${name} is '${url}': give an address such as https://broker.example.`,
    );
  }
  const path = flags['key-file'];
  const key = (path === undefined ? environment['RALLYMQ_API_KEY'] : readAccessFile(path))?.trim() ?? '';
  if (key === '' && path === undefined)
    throw new BrokerError(
      'FLAG_VALUE_INVALID',
      'Give a key of the HTTP API, with --key-file FILE or in RALLYMQ_API_KEY: rallymq api-key add creates one.',
    );
  if (!/^[\x21-\x7e]+$/.test(key))
    throw new BrokerError(
      'FLAG_VALUE_INVALID',
      `${path ?? 'RALLYMQ_API_KEY'} contains no key: give the line that rallymq api-key add has printed.`,
    );
  return { url: url.replace(/\/$/, ''), key };
}

/** `path`: the part after /api/v1/. Errors: BROKER_NOT_REACHED, API_REFUSED with the broker's sentence. */
export async function askApi(
  request: ApiRequest,
  method: string,
  path: string,
  body?: unknown,
): Promise<unknown> {
  const answer = await openApi(request, method, path, { body, signal: AbortSignal.timeout(answerMs) });
  const text = await answer.text().catch((cause: unknown) => {
    const sentence = `The answer of ${request.url} was cut short: ${reasonOf(cause)}.`;
    throw new BrokerError('BROKER_NOT_REACHED', sentence, { cause });
  });
  return answer.status === 204 ? undefined : objectOf(text, request);
}

/** Errors: BROKER_NOT_REACHED. */
function objectOf(text: string, { url }: ApiRequest): object {
  const fault = (cause?: unknown): BrokerError => {
    const sentence = `What answers at ${url} is not a RallyMQ broker: give the address of one with --url.`;
    return new BrokerError('BROKER_NOT_REACHED', sentence, { cause });
  };
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw fault(cause);
  }
  if (typeof value !== 'object' || value === null) throw fault();
  return value;
}

/** An answer read as a stream. Errors: see askApi(). */
export async function openApi(
  { url, key }: ApiRequest,
  method: string,
  path: string,
  {
    body,
    signal,
    lastEventId,
  }: { readonly body?: unknown; readonly signal?: AbortSignal; readonly lastEventId?: string } = {},
): Promise<Response> {
  const headers = {
    authorization: `Bearer ${key}`,
    ...(lastEventId === undefined ? {} : { 'last-event-id': lastEventId }),
  };
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
  const { cause = error, name } = error as { readonly cause?: unknown; readonly name?: string };
  return name === 'TimeoutError' ? `no answer within ${answerMs / 1_000} s` : messageOf(cause);
}

function detailOf(text: string): string {
  try {
    const { detail } = JSON.parse(text) as { readonly detail?: string };
    return detail ?? 'it gives no reason.';
  } catch {
    return text.slice(0, 200).trim(); // the answer of a proxy, or of an older broker
  }
}
