/** Error answers of the API: RFC 9457, with a sentence that says what to do. */
import type { Header, HttpAnswer } from './answer.ts';

/** The statuses of the API. */
export const statusTexts = {
  200: 'OK',
  202: 'Accepted',
  204: 'No Content',
  207: 'Multi-Status',
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  409: 'Conflict',
  422: 'Unprocessable Content',
  429: 'Too Many Requests',
  503: 'Service Unavailable',
} as const;

export type Status = keyof typeof statusTexts;

const securityHeaders: readonly Header[] = [
  ['x-content-type-options', 'nosniff'],
  ['content-security-policy', "default-src 'none'"],
  ['cache-control', 'no-store'],
];

/** JSON that nothing may cache. */
export function apiAnswer(status: Status, value: unknown, ...headers: readonly Header[]): HttpAnswer {
  return bodyAnswer(status, 'application/json', `${JSON.stringify(value)}\n`, headers);
}

export function noContent(): HttpAnswer {
  return { status: '204 No Content', headers: securityHeaders, body: new Uint8Array() };
}

/** `detail`: a sentence that says what is wrong and how to correct it. */
export function problem(status: Status, detail: string, ...headers: readonly Header[]): HttpAnswer {
  const body = { type: 'about:blank', title: statusTexts[status], status, detail };
  return bodyAnswer(status, 'application/problem+json', `${JSON.stringify(body)}\n`, headers);
}

export function bodyAnswer(
  status: Status,
  contentType: string,
  text: string,
  headers: readonly Header[] = [],
): HttpAnswer {
  return {
    status: `${status} ${statusTexts[status]}`,
    headers: [['content-type', contentType], ...securityHeaders, ...headers],
    body: Buffer.from(text),
  };
}

/** The part of a name in a request that fits into a sentence. */
export function quoted(text: string): string {
  return `'${text.length > quotedMax ? `${text.slice(0, quotedMax)}…` : text}'`;
}

const quotedMax = 100;

/** An error in a request. A handler throws it; the answer is a problem. */
export class RequestFault extends Error {
  readonly status: Status;

  constructor(status: Status, detail: string) {
    super(detail);
    this.status = status;
  }
}
