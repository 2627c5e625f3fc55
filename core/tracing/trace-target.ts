/** What a trace is about: a client, a topic filter or an address. */
export type TraceTarget =
  | { readonly kind: 'client'; readonly clientId: string }
  | { readonly kind: 'topic'; readonly topicFilter: string }
  | { readonly kind: 'address'; readonly remoteAddress: string };

/** Traces there can be at once: a bit each in what the data plane keeps of a session. */
export const tracesMax = 8;

/** Whether it is about everything that this client does. */
export function isAboutClient(
  target: TraceTarget,
  client: { readonly clientId: string; readonly remoteAddress: string },
): boolean {
  if (target.kind === 'client') return target.clientId === client.clientId;
  return target.kind === 'address' && target.remoteAddress === client.remoteAddress;
}
