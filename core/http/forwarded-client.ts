/** What the door adds to a request (native/net/http-forward.h). */

export const forwardedClientHeader = 'rallymq-client';

export interface ForwardedClient {
  /** Bytes of the request line and headers as the client sent them. */
  readonly headBytes: number;
  readonly remoteAddress: string;
  /** The header that shows that a proxy has forwarded the request; absent if none has. */
  readonly forwardedBy?: string;
}

/** `value`: of the header. */
export function forwardedClientOf(value: string): ForwardedClient {
  const [headBytes = '', remoteAddress = '', forwardedBy] = value.split(' ');
  const client = { headBytes: Number(headBytes), remoteAddress };
  return forwardedBy === undefined ? client : { ...client, forwardedBy };
}
