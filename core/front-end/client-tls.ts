/** What the data plane knows about a TLS connection (native/tls/tls-channel.h, `facts`), for authentication. */
import type { ClientTls } from '../config/authentication.ts';
import { type ClientIdentity, clientIdentities } from '../config/options.ts';

/** `lines`: latin1, from the data plane; none if the connection is plain. */
export function clientTlsOf(lines: readonly string[], identityKind: ClientIdentity): ClientTls | undefined {
  if (lines.length === 0) return undefined;
  const [version, serverName = '', ...certificate] = lines.map(fromUtf8);
  const names = certificate[clientIdentities.indexOf(identityKind)]?.split('\t') ?? [];
  const fingerprint256 = certificate[clientIdentities.length] ?? '';
  const preSharedIdentity = certificate[clientIdentities.length + 1] ?? '';
  const isPreShared = preSharedIdentity !== '';
  // With several names, choosing one would be a guess.
  const named = names.length === 1 ? names[0] : undefined;
  const identity = isPreShared ? preSharedIdentity : named;
  return {
    version: version === 'TLSv1.3' ? version : 'TLSv1.2',
    ...(serverName === '' ? {} : { serverName }),
    ...(identity === undefined || identity === '' ? {} : { identity }),
    ...(isPreShared ? { isPreShared } : {}),
    ...(fingerprint256 === '' ? {} : { fingerprint256 }),
  };
}

function fromUtf8(latin1: string): string {
  return Buffer.from(latin1, 'latin1').toString('utf8');
}
