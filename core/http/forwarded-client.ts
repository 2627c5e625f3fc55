/** What the door says about a request beside what its client has sent (native/net/http-forward.h). */

export const forwardedClientHeader = 'rallymq-client';

export interface ForwardedClient {
  /** Bytes of the request line and the headers as the client sent them. */
  readonly headBytes: number;
  readonly remoteAddress: string;
  /** The header by which a proxy has handed it on; absent if none has. */
  readonly forwardedBy?: string;
}

/** `value`: of the header. */
export function forwardedClientOf(value: string): ForwardedClient {
  const [headBytes = '', remoteAddress = '', forwardedBy] = value.split(' ');
  const client = { headBytes: Number(headBytes), remoteAddress };
  return forwardedBy === undefined ? client : { ...client, forwardedBy };
}
