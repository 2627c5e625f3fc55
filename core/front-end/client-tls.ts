/** What the data plane knows of a connection over TLS (native/tls/tls-channel.h, `facts`), for whoever decides about it. */
import type { ClientTls } from '../config/authentication.ts';
import { type ClientIdentity, clientIdentities } from '../config/options.ts';

/** `lines`: latin1, as they come from the data plane; none if the connection is plain. */
export function clientTlsOf(lines: readonly string[], identityKind: ClientIdentity): ClientTls | undefined {
  if (lines.length === 0) return undefined;
  const [version, serverName = '', ...certificate] = lines.map(fromUtf8);
  const names = certificate[clientIdentities.indexOf(identityKind)]?.split('\t') ?? [];
  const fingerprint256 = certificate[clientIdentities.length] ?? '';
  const preSharedIdentity = certificate[clientIdentities.length + 1] ?? '';
  const isPreShared = preSharedIdentity !== '';
  // Of several names, which one it is would be a guess.
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
