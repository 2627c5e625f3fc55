/** Networks as text: an IP address, or one with a prefix length (CIDR). */
import { isIP } from 'node:net';

/** The zone of an IPv6 address is local to one machine: `isIP` accepts it, the data plane does not. */
export function isNetwork(value: unknown): value is string {
  if (typeof value !== 'string' || value.includes('%')) return false;
  const [address = '', prefix, ...more] = value.split('/');
  const version = isIP(address);
  if (version === 0 || more.length > 0) return false;
  if (prefix === undefined) return true;
  return /^(0|[1-9]\d{0,2})$/.test(prefix) && Number(prefix) <= (version === 4 ? 32 : 128);
}
