/**
 * Logs that a certificate will expire: once each 30, 7 and 1 days before, and when it has expired. Lists of revoked certificates
 * hold for days only: when one has expired.
 */
import type { CertificateFacts } from './certificates.ts';

export type ExpiryLog = (
  level: 'warn' | 'error',
  fields: Readonly<Record<string, unknown>>,
  sentence: string,
) => void;

const dayMs = 86_400_000;
/** In days, the last one first; 0: it has expired. */
const marks = [0, 1, 7, 30];

export class ExpiryWatch {
  readonly #log: ExpiryLog;
  /** The last warning, by certificate. */
  #said = new Map<string, number>();
  /** When the list expired that was reported last. */
  #saidOfListsMs = 0;

  constructor(log: ExpiryLog) {
    this.#log = log;
  }

  look(certificates: readonly CertificateFacts[], nowMs: number): void {
    const said = new Map<string, number>();
    for (const certificate of certificates) {
      const name = `${certificate.path} ${certificate.serialNumber}`;
      const before = this.#said.get(name) ?? Number.POSITIVE_INFINITY;
      const mark = marks.find((days) => certificate.expiresAtMs - nowMs <= days * dayMs);
      if (mark !== undefined && mark < before) this.#say(certificate, nowMs);
      said.set(name, Math.min(before, mark ?? Number.POSITIVE_INFINITY));
    }
    this.#said = said;
  }

  lookAtLists(path: string, expireAtMs: number, nowMs: number): void {
    if (nowMs <= expireAtMs || expireAtMs === this.#saidOfListsMs) return;
    this.#saidOfListsMs = expireAtMs;
    const sentence = 'a list of revoked certificates has expired: every client with a certificate is refused';
    this.#log('error', { path, expired: new Date(expireAtMs).toISOString() }, sentence);
  }

  #say({ path, names, expiresAtMs }: CertificateFacts, nowMs: number): void {
    const fields = { path, names, expires: new Date(expiresAtMs).toISOString() };
    if (expiresAtMs <= nowMs) {
      this.#log('error', fields, 'a certificate has expired: clients refuse it');
    } else {
      const days = Math.ceil((expiresAtMs - nowMs) / dayMs);
      this.#log('warn', fields, `a certificate expires in ${days} ${days === 1 ? 'day' : 'days'}: renew it`);
    }
  }
}
