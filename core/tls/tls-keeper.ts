/**
 * Keeps the certificates and the ticket keys of the broker (main thread): reads the files, checks periodically whether
 * they have changed, and passes changes to the workers once they have been verified. Until then, or if a new file
 * is invalid, the old one stays in use. Existing connections are not affected.
 */
import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { BrokerError } from '../broker-error.ts';
import type { BrokerConfig } from '../config/options.ts';
import { clientCertificateSettings } from '../config/options.ts';
import type { TlsMaterial } from '../data-plane/addon.ts';
import type { Clock, Timer } from '../sessions/timers.ts';
import { messageOf, systemReason } from '../system-reason.ts';
import {
  type CertificateFacts,
  CertificateFault,
  checkAuthorities,
  checkCertificate,
  type NamedText,
} from './certificates.ts';
import { ExpiryWatch } from './expiry-watch.ts';
import { checkStaple, holds, noStaple, type Staple } from './ocsp.ts';
import { areStrong, parsePreSharedKeys } from './pre-shared-keys.ts';
import { listsExpireAtMs } from './revocation-lists.ts';

export type TlsFiles = Pick<
  BrokerConfig,
  'tlsCertificates' | 'clientCertificates' | 'clientCa' | 'clientCrl' | 'pskFile' | 'limits'
>;

export interface TlsKeeperOptions {
  readonly config: TlsFiles;
  readonly clock: Clock;
  /** Wall-clock time. */
  now(): number;
  log(level: 'info' | 'warn' | 'error', fields: Readonly<Record<string, unknown>>, sentence: string): void;
  /** To all workers, including those that start later. */
  onMaterial(material: TlsMaterial): void;
  onTicketKeys(keys: Uint8Array): void;
  /** For tests. */
  read?(path: string): Promise<Buffer>;
}

/** The result of `reload`: an unchanged certificate is kept, and so is the old one if the new one is invalid. */
export type ReloadOutcome = 'reloaded' | 'unchanged' | 'refused';

/** A key encrypts tickets for this long, and decrypts them for twice as long after that: longer than the two hours of a ticket. */
const ticketKeyMs = 3_600_000;
const ticketKeysKept = 4;
/** The format of native/tls/ticket-keys.h. */
const ticketKeyBytes = 80;
const expiryLookMs = 3_600_000;

export class TlsKeeper {
  readonly #options: TlsKeeperOptions;
  readonly #read: (path: string) => Promise<Buffer>;
  readonly #expiry: ExpiryWatch;
  #facts: readonly CertificateFacts[] = [];
  #listsExpireAtMs = Number.POSITIVE_INFINITY;
  #material: TlsMaterial | undefined;
  /** The last content of all files, to detect changes. */
  #texts = '';
  /** The refused content; a file that is being written has until the next check. */
  #refusedTexts = '';
  #reported = '';
  /** The last message about the state of each certificate, by path. */
  readonly #saidOfStaples = new Map<string, string>();
  #ticketKeys: Uint8Array[] = [];
  #timers: Timer[] = [];
  #last: Promise<unknown> = Promise.resolve();
  #counts = { certificateReloads: 0, certificateReloadsRefused: 0 };

  constructor(options: TlsKeeperOptions) {
    this.#options = options;
    this.#read = options.read ?? ((path) => readFile(path));
    this.#expiry = new ExpiryWatch((level, fields, sentence) => options.log(level, fields, sentence));
  }

  /**
   * Reads everything for the first time. An expired certificate is better than no broker: start() warns about it. Errors:
   * CERTIFICATE_INVALID.
   */
  async load(): Promise<void> {
    try {
      this.#take(await this.#readAll(), undefined);
    } catch (cause) {
      throw new BrokerError('CERTIFICATE_INVALID', `TLS cannot start: ${messageOf(cause)}.`, { cause });
    }
    this.#turnTicketKeys();
  }

  /** After load(). */
  start(): void {
    this.#every(ticketKeyMs, () => this.#turnTicketKeys());
    this.#every(expiryLookMs, () => this.#lookAtExpiry());
    this.#every(this.#options.config.limits.certificateCheckMs, () => void this.#look(false));
    this.#lookAtExpiry();
  }

  stop(): void {
    for (const timer of this.#timers) timer.cancel();
    this.#timers = [];
  }

  /** Reads the files now, and logs the result. */
  reload(): Promise<ReloadOutcome> {
    return this.#look(true);
  }

  /** After load(). */
  get material(): TlsMaterial | undefined {
    return this.#material;
  }

  get ticketKeys(): Uint8Array {
    return Buffer.concat(this.#ticketKeys);
  }

  /** When the first certificate expires, in seconds since 1970. */
  get firstExpirySeconds(): number | undefined {
    const firstMs = Math.min(...this.#facts.map(({ expiresAtMs }) => expiresAtMs));
    return this.#facts.length === 0 ? undefined : Math.floor(firstMs / 1_000);
  }

  get counts(): Readonly<{
    certificateReloads: number;
    certificateReloadsRefused: number;
    certificateDaysLeft: number;
  }> {
    const firstMs = Math.min(...this.#facts.map(({ expiresAtMs }) => expiresAtMs));
    const daysLeft = this.#facts.length === 0 ? 0 : Math.floor((firstMs - this.#options.now()) / 86_400_000);
    return { ...this.#counts, certificateDaysLeft: daysLeft };
  }

  #every(ms: number, action: () => void): void {
    const place = this.#timers.length;
    const wait = (): void => {
      this.#timers[place] = this.#options.clock.after(ms, () => {
        wait();
        action();
      });
    };
    wait();
  }

  #lookAtExpiry(): void {
    const nowMs = this.#options.now();
    this.#expiry.look(this.#facts, nowMs);
    const { clientCrl } = this.#options.config;
    if (clientCrl !== undefined) this.#expiry.lookAtLists(clientCrl, this.#listsExpireAtMs, nowMs);
  }

  #turnTicketKeys(): void {
    this.#ticketKeys = [randomBytes(ticketKeyBytes), ...this.#ticketKeys.slice(0, ticketKeysKept - 1)];
    this.#options.onTicketKeys(this.ticketKeys);
  }

  /** One check at a time. */
  #look(isAsked: boolean): Promise<ReloadOutcome> {
    const next = this.#last.then(() => this.#lookNow(isAsked));
    this.#last = next.catch(() => {});
    return next;
  }

  async #lookNow(isAsked: boolean): Promise<ReloadOutcome> {
    let texts = '';
    try {
      const read = await this.#readAll();
      texts = joined(read);
      if (texts === this.#texts) {
        this.#refusedTexts = '';
        this.#lookAtStaples();
        if (isAsked) this.#options.log('info', {}, 'the certificates have not changed');
        return 'unchanged';
      }
      this.#take(read, this.#options.now());
    } catch (cause) {
      this.#onRefused(texts, messageOf(cause), isAsked);
      return 'refused';
    }
    this.#counts.certificateReloads += 1;
    this.#options.log('info', { certificates: this.#facts.map(shownFacts) }, 'new certificates are in use');
    this.#lookAtExpiry();
    return 'reloaded';
  }

  /** A certificate and its key are two files: a mismatch while they are replaced is not reported. */
  #onRefused(texts: string, reason: string, isAsked: boolean): void {
    const attempt = `${reason}\n${texts}`;
    const isSettled = attempt === this.#refusedTexts;
    this.#refusedTexts = attempt;
    if (!isAsked && (!isSettled || attempt === this.#reported)) return;
    this.#reported = attempt;
    this.#counts.certificateReloadsRefused += 1;
    this.#options.log('error', { reason }, 'the new certificates are invalid: the old ones stay in use');
  }

  async #readAll(): Promise<TlsTexts> {
    const { tlsCertificates, clientCa, clientCrl, pskFile } = this.#options.config;
    const [certificates, ca, crl, psk] = await Promise.all([
      Promise.all(
        tlsCertificates.map(async ({ cert, key, ocsp }) => ({
          cert: await this.#readOne(cert),
          key: await this.#readOne(key),
          ocsp: ocsp === undefined ? undefined : await this.#readStaple(ocsp),
        })),
      ),
      clientCa === undefined ? undefined : this.#readOne(clientCa),
      clientCrl === undefined ? undefined : this.#readOne(clientCrl),
      pskFile === undefined ? undefined : this.#readOne(pskFile),
    ]);
    return { certificates, ca, crl, psk };
  }

  async #readOne(path: string): Promise<NamedText> {
    try {
      return { path, text: (await this.#read(path)).toString() };
    } catch (cause) {
      throw new CertificateFault(
        `${path} cannot be read (${systemReason(cause)}): give the path of a file that this user may read`,
        { cause },
      );
    }
  }

  /** Without it the certificate is used nevertheless. */
  async #readStaple(path: string): Promise<StapleFile> {
    try {
      return { path, response: Uint8Array.from(await this.#read(path)) };
    } catch (cause) {
      return { path, response: undefined, reason: messageOf(cause) };
    }
  }

  /** Checks the files and puts them in use. */
  #take(read: TlsTexts, nowMs: number | undefined): void {
    const { clientCertificates } = this.#options.config;
    const checked = read.certificates.map((texts) =>
      checkCertificate(texts, this.#isInUse(texts.cert) ? undefined : nowMs),
    );
    const areListsInUse = this.#material?.clientCrls === read.crl?.text;
    if (read.ca !== undefined) checkAuthorities(read.ca, read.crl, areListsInUse ? undefined : nowMs);
    const preSharedKeys = read.psk === undefined ? [] : parsePreSharedKeys(read.psk);
    this.#facts = checked.map(({ facts }) => facts);
    this.#listsExpireAtMs = listsExpireAtMs(read.crl?.text ?? '');
    this.#texts = joined(read);
    this.#refusedTexts = '';
    this.#reported = '';
    this.#material = {
      certificates: checked.map(({ material }, index) => ({
        ...material,
        ...this.#stapleOf(read.certificates[index]?.ocsp, material.chain),
      })),
      clients: clientCertificateSettings.indexOf(clientCertificates),
      clientCas: read.ca?.text ?? '',
      clientCrls: read.crl?.text ?? '',
      preSharedKeys,
    };
    this.#options.onMaterial(this.#material);
    if (areStrong(preSharedKeys)) return;
    const { pskFile: path } = this.#options.config;
    this.#options.log(
      'warn',
      { path },
      'pre-shared keys of less than 16 bytes can be guessed: make longer ones',
    );
  }

  /** A certificate that expires in use stays in use: it must not keep the other files from being renewed. */
  #isInUse({ text }: NamedText): boolean {
    return this.#material?.certificates.some(({ chain }) => chain === text) ?? false;
  }

  /** The new response if it is valid; otherwise the current one, while it is valid. */
  #stapleOf(file: StapleFile | undefined, chain: string): Staple {
    if (file === undefined) return noStaple;
    const nowMs = this.#options.now();
    this.#saidOfStaples.delete(file.path);
    try {
      if (file.response === undefined) throw new Error(`it cannot be read (${file.reason})`);
      return checkStaple(file.response, chain, nowMs);
    } catch (cause) {
      const former = this.#material?.certificates.find((one) => one.chain === chain);
      const isKept = former !== undefined && former.ocspResponse.length > 0 && holds(former, nowMs);
      this.#sayOfStaple(file.path, messageOf(cause), isKept);
      return isKept ? former : noStaple;
    }
  }

  /** After a check that has found no change: time has passed. */
  #lookAtStaples(): void {
    const { tlsCertificates } = this.#options.config;
    for (const [index, certificate] of (this.#material?.certificates ?? []).entries()) {
      const path = tlsCertificates[index]?.ocsp;
      if (path === undefined || certificate.ocspResponse.length === 0) continue;
      if (!holds(certificate, this.#options.now())) this.#sayOfStaple(path, 'it is no longer valid', false);
    }
  }

  #sayOfStaple(path: string, reason: string, isKept: boolean): void {
    if (this.#saidOfStaples.get(path) === reason) return;
    this.#saidOfStaples.set(path, reason);
    const consequence = isKept ? 'the previous one is sent as long as it is valid' : 'none is sent';
    this.#options.log('error', { path, reason }, `an OCSP response is unusable: ${consequence}`);
  }
}

interface StapleFile {
  readonly path: string;
  /** Undefined: it cannot be read. */
  readonly response: Uint8Array | undefined;
  readonly reason?: string;
}

interface TlsTexts {
  readonly certificates: readonly {
    readonly cert: NamedText;
    readonly key: NamedText;
    readonly ocsp: StapleFile | undefined;
  }[];
  readonly ca: NamedText | undefined;
  readonly crl: NamedText | undefined;
  readonly psk: NamedText | undefined;
}

function joined({ certificates, ca, crl, psk }: TlsTexts): string {
  const each = certificates.map(({ cert, key, ocsp }) => [cert.text, key.text, textOf(ocsp)]);
  return JSON.stringify([each, ca?.text, crl?.text, psk?.text]);
}

function textOf(file: StapleFile | undefined): string {
  if (file === undefined) return '';
  return file.response === undefined ? `${file.reason}` : Buffer.from(file.response).toString('base64');
}

function shownFacts({ path, names, expiresAtMs }: CertificateFacts): Readonly<Record<string, unknown>> {
  return { path, names, expires: new Date(expiresAtMs).toISOString() };
}
