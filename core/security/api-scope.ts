/** What a caller of the HTTP API may do: reading; publishing and setting retained messages; receiving messages; ending clients; reloading. */
export const apiScopes = ['read', 'publish', 'subscribe', 'clients', 'config'] as const;
export type ApiScope = (typeof apiScopes)[number];

export function isApiScope(text: string): text is ApiScope {
  return apiScopes.some((scope) => scope === text);
}
