/** The target of a trace: a client, a topic filter or an address. */
export type TraceTarget =
  | { readonly kind: 'client'; readonly clientId: string }
  | { readonly kind: 'topic'; readonly topicFilter: string }
  | { readonly kind: 'address'; readonly remoteAddress: string };

/** Whether it covers everything that this client does. */
export function isAboutClient(
  target: TraceTarget,
  client: { readonly clientId: string; readonly remoteAddress: string },
): boolean {
  if (target.kind === 'client') return target.clientId === client.clientId;
  return target.kind === 'address' && target.remoteAddress === client.remoteAddress;
}

/** As the API has it. */
export function shownTarget(target: TraceTarget): Readonly<Record<string, string>> {
  if (target.kind === 'client') return { clientid: target.clientId };
  return target.kind === 'topic' ? { topic: target.topicFilter } : { ip_address: target.remoteAddress };
}
