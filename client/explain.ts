/**
 * Why a client that was never connected did not get in; it loads this module after a failed attempt. Browsers and Node.js hide
 * the server's answer to a WebSocket, so this asks the same address by HTTP, at most once a minute. And it warns of options that
 * do not exist, such as `pasword`, which plain JavaScript ignores. Without this file errors say `no connection to …` and no more.
 */
import type { RallyOptions } from './options.ts';
import type { RallyError } from './rally-error.ts';

interface Finding {
  readonly sentence: string;
  /** Of HTTP; missing if there was no answer, or none that this page may read. */
  readonly status?: number;
  readonly cause?: unknown;
}

/** How long a finding is reused. */
const reuseMs = 60_000;
const timeoutMs = 5_000;
/** Of a sentence of the server. */
const characterCountMax = 300;

/** By URL. */
const known = new Map<string, { readonly atMs: number; readonly finding: Promise<Finding> }>();

const optionNames: Readonly<Record<keyof RallyOptions, 1>> = {
  cleanStart: 1,
  clientId: 1,
  connectTimeoutMs: 1,
  credentials: 1,
  keepAliveSeconds: 1,
  password: 1,
  properties: 1,
  queue: 1,
  reconnect: 1,
  signal: 1,
  username: 1,
  WebSocket: 1,
  whileConnected: 1,
  will: 1,
};
let hasWarned = false;

/**
 * Finds out about `url`, and adds it to `error`: to its message, and as `status` and `cause`; an empty `url` if the server has
 * answered. Never rejects.
 */
export async function explain(options: object, error: RallyError, url: string): Promise<void> {
  warnOf(Object.keys(options));
  if (!/^wss?:/.test(url)) return;
  const last = known.get(url);
  const isRecent = last && Date.now() - last.atMs < reuseMs;
  const { atMs, finding } = isRecent ? last : { atMs: Date.now(), finding: findOut(url) };
  if (known.size > 100) known.clear();
  known.set(url, { atMs, finding });
  const { sentence, ...found } = await finding;
  const message = `${error.message}: ${sentence}`;
  Object.assign(error, found, { message, stack: error.stack?.replace(error.message, () => message) });
}

/** Names of one letter are the client's own, minified. */
function warnOf(names: readonly string[]): void {
  const unknown = names.filter((name) => name !== 'isNew' && name.length > 1 && !(name in optionNames));
  if (hasWarned || !unknown[0]) return;
  hasWarned = true;
  console.warn(
    `RallyMQ: unknown options: ${unknown}. The options are ${Object.keys(optionNames).join(', ')}.`,
  );
}

async function findOut(url: string): Promise<Finding> {
  const target = new URL(url.replace('ws', 'http'));
  // fetch refuses a URL that contains them.
  target.username = target.password = '';
  try {
    const response = await fetch(target, { ...shared(), redirect: 'manual' });
    const { status, type } = response;
    // Pages get no status of a redirect.
    if (type === 'opaqueredirect') return { sentence: ourSentence(302) };
    return { sentence: `HTTP ${status}, ${(await theirSentence(response)) || ourSentence(status)}`, status };
  } catch (error) {
    return await whyUnanswered(target, error as Error);
  }
}

const shared = (): RequestInit => ({ cache: 'no-store', signal: AbortSignal.timeout(timeoutMs) });

async function whyUnanswered(target: URL, error: Error): Promise<Finding> {
  // Node.js gives the reason, for several addresses only as a code, for TLS in the message of OpenSSL.
  const { cause } = error;
  const { message, code, reason } = Object(cause) as { message?: string; code?: string; reason?: string };
  if (reason) return { sentence: `TLS failed (${reason})`, cause };
  if (message || code) return { sentence: message || `${code}`, cause };
  try {
    // Without CORS a page learns that there is an answer, but not which.
    await fetch(target, { ...shared(), mode: 'no-cors' });
    return { sentence: 'a server answers there, but refuses, and does not let this page read why' };
  } catch {
    const sentence = 'nothing answers there, or this page may not ask (certificate, Content-Security-Policy)';
    return { sentence, cause: error };
  }
}

/** The first line of a short text that refuses; brokers with pages answer people in HTML. */
async function theirSentence(response: Response): Promise<string> {
  const { status, headers, body } = response;
  if (status < 400 || status === 426 || !headers.get('content-type')?.startsWith('text/plain')) {
    await body?.cancel();
    return '';
  }
  const text = await response.text().catch(() => '');
  const [line = ''] = text.trim().split(/\p{Cc}/u);
  return line.slice(0, characterCountMax);
}

function ourSentence(status: number): string {
  if (status < 300) return 'a web page, not an MQTT broker';
  if (status < 400) return 'a redirect, which a WebSocket does not follow';
  if (status === 401 || status === 403) return 'this client may not connect';
  if (status === 404) return 'there is nothing at this path';
  if (status >= 500) return 'the broker is not available';
  // 400 and 426: the answers of a server that has WebSockets at this path.
  return 'a server with WebSockets, which has refused this one: it may not speak MQTT';
}
