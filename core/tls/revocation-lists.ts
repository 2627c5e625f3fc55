/** Until when lists of revoked certificates (CRL, RFC 5280, 5.1) hold: OpenSSL refuses every client once they do not. */

const pemForm = /-----BEGIN X509 CRL-----([\s\S]+?)-----END X509 CRL-----/g;

const sequence = 0x30;
const integer = 0x02;
const utcTime = 0x17;
const generalizedTime = 0x18;

/** For a text that OpenSSL accepts. Of each authority the newest list counts, and of those the first to expire; Infinity: none will. */
export function listsExpireAtMs(text: string): number {
  const byIssuer = new Map<string, number>();
  for (const [, body = ''] of text.matchAll(pemForm)) {
    const { issuer, untilMs } = readList(Buffer.from(body, 'base64'));
    byIssuer.set(issuer, Math.max(untilMs, byIssuer.get(issuer) ?? 0));
  }
  return Math.min(...byIssuer.values());
}

/** CertificateList: SEQUENCE { SEQUENCE { [version,] algorithm, issuer, thisUpdate [, nextUpdate] ... } ... } */
function readList(der: Buffer): { readonly issuer: string; readonly untilMs: number } {
  const [list] = elementsOf(der);
  const [signed] = elementsOf(list?.content ?? der);
  const fields = elementsOf(signed?.content ?? der);
  if (fields[0]?.tag === integer) fields.shift();
  const [, issuer, , nextUpdate] = fields;
  return {
    issuer: issuer?.tag === sequence ? issuer.content.toString('hex') : '',
    untilMs: nextUpdate === undefined ? Number.POSITIVE_INFINITY : timeOf(nextUpdate),
  };
}

interface Element {
  readonly tag: number;
  readonly content: Buffer;
}

/** Tag, length, content: a length above 127 is in as many bytes as the first of it says. */
function elementsOf(der: Buffer): Element[] {
  const elements: Element[] = [];
  let at = 0;
  while (at + 2 <= der.length) {
    const tag = der.readUInt8(at);
    const first = der.readUInt8(at + 1);
    const lengthBytes = first < 0x80 ? 0 : Math.min(first & 0x7f, 6, der.length - at - 2);
    const length = lengthBytes === 0 ? first & 0x7f : der.readUIntBE(at + 2, lengthBytes);
    const start = at + 2 + lengthBytes;
    elements.push({ tag, content: der.subarray(start, start + length) });
    at = start + length;
  }
  return elements;
}

/** YYMMDDHHMMSSZ until 2049, YYYYMMDDHHMMSSZ from then on. */
function timeOf({ tag, content }: Element): number {
  if (tag !== utcTime && tag !== generalizedTime) return Number.POSITIVE_INFINITY; // there is no nextUpdate
  const text = content.toString('latin1');
  const whole = tag === generalizedTime ? text : `${text < '50' ? '20' : '19'}${text}`;
  const ms = Date.parse(whole.replace(/^(....)(..)(..)(..)(..)(..)Z$/, '$1-$2-$3T$4:$5:$6Z'));
  return Number.isNaN(ms) ? Number.POSITIVE_INFINITY : ms; // not a form of RFC 5280: OpenSSL may still know it
}
