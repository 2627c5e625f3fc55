/** Payloads in readable form: formatted JSON, plain text, anything else in hex. */

/** Characters; longer payloads are truncated. */
const previewMax = 240;
/** Enough for a preview that tells whether it is cut. */
export const previewBytesMax = previewMax + 1;
const textMax = 20_000;
const hexBytesMax = 1_024;
const hexColumns = 16;

export interface ShownPayload {
  readonly kind: 'json' | 'text' | 'hex' | 'empty';
  readonly text: string;
}

/** In one line. */
export function previewOf(bytes: Uint8Array): string {
  if (bytes.length === 0) return '(empty)';
  const text = textOf(bytes.subarray(0, previewMax));
  return text === undefined
    ? `${hexOf(bytes.subarray(0, 40), ' ')}${bytes.length > 40 ? ' …' : ''}`
    : `${text.replace(/\s+/g, ' ')}${bytes.length > previewMax ? '…' : ''}`;
}

export function showPayload(bytes: Uint8Array): ShownPayload {
  if (bytes.length === 0) return { kind: 'empty', text: '(empty)' };
  const text = textOf(bytes);
  if (text === undefined) return { kind: 'hex', text: hexDump(bytes) };
  const json = prettyJson(text);
  const shown = json ?? text;
  return {
    kind: json === undefined ? 'text' : 'json',
    text: shown.length > textMax ? `${shown.slice(0, textMax)}…` : shown,
  };
}

/** Undefined: it is not text. A character cut off at the end is left out. */
export function textOf(bytes: Uint8Array): string | undefined {
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes, { stream: true });
    return /[\0-\x08\x0e-\x1a]/.test(text) ? undefined : text;
  } catch {
    return undefined; // not UTF-8
  }
}

/** Bytes from hex digits, with any white space between them; undefined for other text. */
export function bytesFromHex(text: string): Uint8Array | undefined {
  const digits = text.replace(/\s+/g, '');
  if (digits.length % 2 !== 0 || /[^\da-f]/i.test(digits)) return undefined;
  return Uint8Array.from(digits.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}

export function hexOf(bytes: Uint8Array, separator: string): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join(separator);
}

function prettyJson(text: string): string | undefined {
  if (!/^\s*[[{]/.test(text)) return undefined;
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return undefined; // it only looks like JSON
  }
}

/** Offset, bytes, and their characters. */
function hexDump(bytes: Uint8Array): string {
  const lines: string[] = [];
  for (let at = 0; at < Math.min(bytes.length, hexBytesMax); at += hexColumns) {
    const row = bytes.subarray(at, at + hexColumns);
    const characters = Array.from(row, (byte) =>
      byte > 31 && byte < 127 ? String.fromCharCode(byte) : '·',
    ).join('');
    const offset = at.toString(16).padStart(4, '0');
    lines.push(`${offset}  ${hexOf(row, ' ').padEnd(hexColumns * 3 - 1)}  ${characters}`);
  }
  if (bytes.length > hexBytesMax) lines.push('…');
  return lines.join('\n');
}
