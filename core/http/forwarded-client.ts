/** What the door says about a request beside what its client has sent (native/net/http-forward.h). */

export const forwardedClientHeader = 'rallymq-client';

export interface ForwardedClient {
  /** Bytes of the request line and the headers as the client sent them. */
  readonly headBytes: number;
  readonly remoteAddress: string;
}

/** `value`: of the header. */
export function forwardedClientOf(value: string): ForwardedClient {
  const [headBytes = '', remoteAddress = ''] = value.split(' ');
  return { headBytes: Number(headBytes), remoteAddress };
}
