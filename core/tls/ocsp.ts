/**
 * OCSP responses in files: statements of authorities about the broker's certificates. A missing or invalid one never prevents the
 * use of a certificate: clients then ask the authority themselves, or ignore it, except for certificates that require it.
 */
import { loadAddon } from '../data-plane/addon.ts';

/** For the data plane: the response, and until when it is sent, in seconds since 1970; 0: always. */
export interface Staple {
  readonly ocspResponse: Uint8Array;
  readonly ocspUntilSeconds: number;
}

export const noStaple: Staple = { ocspResponse: new Uint8Array(), ocspUntilSeconds: 0 };

/** Tolerance for clocks. */
const skewSeconds = 300;

/** Throws an Error if the response is not valid for the first certificate of `chain` at `nowMs`. */
export function checkStaple(response: Uint8Array, chain: string, nowMs: number): Staple {
  const { fromSeconds, untilSeconds } = loadAddon().checkOcspResponse(response, chain);
  const staple = { ocspResponse: response, ocspUntilSeconds: untilSeconds };
  if (!holds(staple, nowMs)) {
    throw new Error(`it was valid until ${new Date(untilSeconds * 1_000).toISOString()}`);
  }
  if (fromSeconds - skewSeconds > nowMs / 1_000) {
    throw new Error(`it is not valid before ${new Date(fromSeconds * 1_000).toISOString()}`);
  }
  return staple;
}

export function holds({ ocspUntilSeconds }: Staple, nowMs: number): boolean {
  return ocspUntilSeconds === 0 || ocspUntilSeconds * 1_000 > nowMs;
}
