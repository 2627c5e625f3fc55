/**
 * The key under which an address is counted: an IPv4 address itself, or the /64 network of an IPv6 address, since a household
 * or a machine gets such a network and can use any address in it.
 */
import { isIP, SocketAddress } from 'node:net';

/** Anything that is not an IP address, such as that of a Unix socket, is its own key. */
export function addressKey(address: string): string {
  if (isIP(address) !== 6) return address;
  const numeric = numericOf(address);
  return networkText(numeric, numeric.bits === 32 ? 32 : 64);
}

/**
 * Whether limits per address apply to it. All clients of a Unix socket have the same name instead of one, unless a proxy states
 * theirs.
 */
export function isCountedByAddress(address: string): boolean {
  return isIP(address) !== 0;
}

/** An address in numbers. One of IPv4 that is mapped to IPv6 is one of IPv4. */
export interface NumericAddress {
  readonly bits: 32 | 128;
  /** Four octets, or eight groups. */
  readonly parts: readonly number[];
}

/** Undefined for anything that is not an IP address. */
export function numericAddressOf(address: string): NumericAddress | undefined {
  return isIP(address) === 0 ? undefined : numericOf(address);
}

/** The network with this prefix that the address is in, in the form of canonicalNetwork(). */
export function networkText({ bits, parts }: NumericAddress, prefix: number): string {
  const masked = maskOf(parts, prefix, bits === 32 ? 8 : 16);
  if (bits === 32) return prefix === 32 ? masked.join('.') : `${masked.join('.')}/${prefix}`;
  if (prefix === 64) return `${masked.slice(0, 4).map(inHex).join(':')}::/64`;
  return `${masked.map(inHex).join(':')}/${prefix}`;
}

/**
 * An address or a network in canonical form, so that equal ones have equal texts; the same text as addressKey() where that has
 * one. Undefined for anything else.
 */
export function canonicalNetwork(text: string): string | undefined {
  const [address = '', prefixText, ...more] = text.split('/');
  const version = isIP(address);
  if (version === 0 || address.includes('%') || more.length > 0) return undefined;
  const bits = version === 4 ? 32 : 128;
  if (prefixText !== undefined && !/^(0|[1-9]\d{0,2})$/.test(prefixText)) return undefined;
  const prefix = prefixText === undefined ? bits : Number(prefixText);
  if (prefix > bits) return undefined;
  const numeric = numericOf(address);
  const mappedBits = bits - numeric.bits;
  if (prefix >= mappedBits) return networkText(numeric, prefix - mappedBits);
  return networkText({ bits: 128, parts: groupsOf(address) }, prefix);
}

/** An address in the form in which clients' addresses are shown; anything else unchanged. */
export function shownAddress(text: string): string {
  if (isIP(text) !== 6 || text.includes('%')) return text;
  return new SocketAddress({ address: text, family: 'ipv6' }).address.replace(/^::ffff:(?=[\d.]+$)/, '');
}

/** Whether it is an address of this machine, which a proxy here that speaks for others has too. */
export function isOwnMachine(address: string): boolean {
  const key = addressKey(address);
  return (
    key.startsWith('127.') || (key === '0:0:0:0::/64' && groupsOf(address)[7] === 1) || isIP(address) === 0
  );
}

function maskOf(parts: readonly number[], prefix: number, partBits: number): number[] {
  return parts.map((part, index) => {
    const kept = Math.min(Math.max(prefix - index * partBits, 0), partBits);
    return part & ((2 ** kept - 1) << (partBits - kept));
  });
}

function numericOf(address: string): NumericAddress {
  if (!address.includes(':')) return { bits: 32, parts: address.split('.').map(Number) };
  const groups = groupsOf(address);
  const isMapped = groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff;
  if (!isMapped) return { bits: 128, parts: groups };
  const [high = 0, low = 0] = groups.slice(6);
  return { bits: 32, parts: [high >> 8, high & 255, low >> 8, low & 255] };
}

/** The eight groups of an IPv6 address without a zone. */
function groupsOf(address: string): number[] {
  const [text = ''] = address.split('%');
  const [left = '', right] = text.split('::');
  const head = partsOf(left);
  if (right === undefined) return head;
  const tail = partsOf(right);
  return [...head, ...Array<number>(8 - head.length - tail.length).fill(0), ...tail];
}

/** The last one may be an IPv4 address. */
function partsOf(text: string): number[] {
  if (text === '') return [];
  return text.split(':').flatMap((part) => {
    if (!part.includes('.')) return [Number.parseInt(part, 16)];
    const [a = 0, b = 0, c = 0, d = 0] = part.split('.').map(Number);
    return [a * 256 + b, c * 256 + d];
  });
}

function inHex(group: number): string {
  return group.toString(16);
}
