/** One poll: the retained message of a topic over HTTP, and its cost. */
import { siteRoot } from '../shared/statistics.ts';

export interface PollResult {
  /** Undefined: nothing is retained there. */
  readonly text: string | undefined;
  /** Of request and response, with their headers. */
  readonly bytes: number;
  readonly durationMs: number;
}

function retainedUrl(topic: string): URL {
  return new URL(`api/retained/${topic.split('/').map(encodeURIComponent).join('/')}`, siteRoot);
}

/** Throws if the broker cannot be reached, or does not serve such requests. */
export async function poll(topic: string, signal?: AbortSignal): Promise<PollResult> {
  const startMs = performance.now();
  const response = await fetch(retainedUrl(topic), { cache: 'no-store', signal: signal ?? null });
  const body = await response.arrayBuffer();
  const durationMs = performance.now() - startMs;
  if (response.status !== 200 && response.status !== 404)
    throw new Error(`the broker answered ${response.status}`);
  const text = response.ok ? new TextDecoder().decode(body) : undefined;
  return { text, bytes: requestBytes(response) + headBytes(response) + body.byteLength, durationMs };
}

/** The broker reports the size of the request headers, because a page cannot see what its browser sends. */
function requestBytes(response: Response): number {
  return Number(response.headers.get('x-request-bytes') ?? 0);
}

function headBytes(response: Response): number {
  let bytes = `HTTP/1.1 ${response.status} ${response.statusText}\r\n\r\n`.length;
  for (const [name, value] of response.headers) bytes += name.length + value.length + 4;
  return bytes;
}
