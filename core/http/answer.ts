/** What HTTP asks and answers here, as plain data: a server reads the one and writes the other. */

import type { ForwardedClient } from './forwarded-client.ts';

export interface HttpQuestion extends ForwardedClient {
  /** In lower case. */
  readonly method: string;
  /** Without the query. */
  readonly path: string;
  /** Behind the '?'; empty where there is none. */
  readonly query: string;
  /** The headers of these names; empty where there is none. */
  readonly host: string;
  readonly acceptEncoding: string;
  readonly ifNoneMatch: string;
  readonly accept: string;
  readonly authorization: string;
  readonly idempotencyKey: string;
  readonly origin: string;
  readonly lastEventId: string;
  /** That the body will have, as far as the client says; 0 of one that comes in chunks. */
  readonly contentLength: number;
  /**
   * Reads the body, which the door keeps to httpBodyBytesMax. To be called at once, before anything is waited for, or not
   * at all. Rejects if the client goes away.
   */
  readBody(): Promise<Uint8Array>;
}

export type Header = readonly [name: string, value: string];

export interface HttpAnswer {
  /** '200 OK' and so on. */
  readonly status: string;
  readonly headers: readonly Header[];
  readonly body: Uint8Array;
  /** Called once: the client has taken it all, or has gone. */
  readonly onOver?: () => void;
  /** Goes on behind the headers, in place of `body`. */
  readonly stream?: StreamedBody;
}

/** How a body that goes on is written. */
export interface AnswerStream {
  /**
   * All of it goes to the client. False: it takes no more for now, and writable() follows. The bytes must not change until
   * then.
   */
  write(bytes: Uint8Array): boolean;
  /** The answer is over. closed() follows. */
  end(): void;
}

/** A body that goes on. */
export interface StreamedBody {
  opened(stream: AnswerStream): void;
  writable(): void;
  /** Called once, also where it was never opened: the client has gone, or the answer was ended. */
  closed(): void;
}

export function textAnswer(status: string, text: string, ...headers: readonly Header[]): HttpAnswer {
  return answer(status, 'text/plain; charset=utf-8', text, headers);
}

export function jsonAnswer(value: unknown, ...headers: readonly Header[]): HttpAnswer {
  return answer('200 OK', 'application/json', `${JSON.stringify(value)}\n`, headers);
}

/** An answer of this moment: nothing keeps it. */
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
