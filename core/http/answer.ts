/** HTTP requests and answers as plain data, independent of the server that reads and writes them. */

import type { ForwardedClient } from './forwarded-client.ts';

export interface HttpQuestion extends ForwardedClient {
  /** In lower case. */
  readonly method: string;
  /** Without the query. */
  readonly path: string;
  /** The part after the '?'; empty if there is none. */
  readonly query: string;
  /** The headers of these names; empty if missing. */
  readonly host: string;
  readonly acceptEncoding: string;
  readonly ifNoneMatch: string;
  readonly accept: string;
  readonly authorization: string;
  readonly idempotencyKey: string;
  readonly origin: string;
  readonly lastEventId: string;
  /** As the client announces it; 0 for a chunked body. */
  readonly contentLength: number;
  /**
   * Reads the body, which the door limits to httpBodyBytesMax. Call it immediately, before anything is awaited, or not
   * at all. Rejects if the client disconnects.
   */
  readBody(): Promise<Uint8Array>;
}

export type Header = readonly [name: string, value: string];

export interface HttpAnswer {
  /** For example '200 OK'. */
  readonly status: string;
  readonly headers: readonly Header[];
  readonly body: Uint8Array;
  /** Called once, when the client has received everything or has disconnected. */
  readonly onOver?: () => void;
  /** Continues after the headers, instead of `body`. */
  readonly stream?: StreamedBody;
}

/** Writes a streamed body. */
export interface AnswerStream {
  /**
   * Everything is sent. Returns false if the client accepts no more for now; writable() follows. The bytes must not change
   * until then.
   */
  write(bytes: Uint8Array): boolean;
  /** Ends the answer. closed() follows. */
  end(): void;
}

/** A body without a known end. */
export interface StreamedBody {
  opened(stream: AnswerStream): void;
  writable(): void;
  /** Called once, even if the stream was never opened: the client has disconnected, or the answer has ended. */
  closed(): void;
}

export function textAnswer(status: string, text: string, ...headers: readonly Header[]): HttpAnswer {
  return answer(status, 'text/plain; charset=utf-8', text, headers);
}

export function jsonAnswer(value: unknown, ...headers: readonly Header[]): HttpAnswer {
  return answer('200 OK', 'application/json', `${JSON.stringify(value)}\n`, headers);
}

/** An answer that nothing may cache. */
function answer(status: string, contentType: string, text: string, headers: readonly Header[]): HttpAnswer {
  return {
    status,
    headers: [
      ['content-type', contentType],
      ['x-content-type-options', 'nosniff'],
      ['content-security-policy', "default-src 'none'"],
      ['cache-control', 'no-store'],
      ...headers,
    ],
    body: Buffer.from(text),
  };
}
