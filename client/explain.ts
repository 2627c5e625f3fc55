/**
 * Why a WebSocket could not be opened: browsers and Node.js hide the server's answer. While a client has never been connected, it
 * loads this module after a failed attempt, which asks the same address by HTTP, at most once a minute. Without this file errors
 * say `no connection to …` and no more.
 */
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

/** Finds out about `url`, and adds it to `error`: to its message, and as `status` and `cause`. Never rejects. */
export async function explain(error: RallyError, url: string): Promise<void> {
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
