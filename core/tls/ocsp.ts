/**
 * What authorities say about the certificates of the broker (OCSP responses in files). It never keeps a certificate from
 * being used: without it clients ask the authority themselves, or do not care, but for certificates that demand it.
 */
import { loadAddon } from '../data-plane/addon.ts';

/** For the data plane: what is shown, and until when, in seconds since 1970; 0: always. */
export interface Staple {
  readonly ocspResponse: Uint8Array;
  readonly ocspUntilSeconds: number;
}

export const noStaple: Staple = { ocspResponse: new Uint8Array(), ocspUntilSeconds: 0 };

/** Clocks differ. */
const skewSeconds = 300;

/** Throws an Error: the response is of no use for the certificate at the beginning of `chain` at `nowMs`. */
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
