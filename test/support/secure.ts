/**
 * With RALLYMQ_TEST_TLS=1 tests run over TLS: brokers of startBroker() are reached only on their TLS ports, and the raw
 * clients use TLS. Also the certificates for this, and for the tests of TLS itself.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, type NetConnectOpts, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { type CertificateWish, type CertifiedKey, loadAddon } from '../../core/data-plane/addon.ts';
import { within } from './wait.ts';

const { RALLYMQ_TEST_TLS: switched } = process.env;

export const isOverTls = switched === '1';

/** For tests of features that exist only without TLS. */
export const plainOnly = { skip: isOverTls ? 'of plain ports' : false } as const;

const hour = 3_600;

const standardWish: CertificateWish = {
  commonName: 'localhost',
  names: ['localhost', '127.0.0.1', '::1'],
  isAuthority: false,
  isForClients: false,
  fromSeconds: -hour,
  untilSeconds: 60 * 24 * hour,
  issuer: undefined,
};

export interface CertifiedFiles extends CertifiedKey {
  readonly certFile: string;
  readonly keyFile: string;
}

/**
 * A certificate authority, and the certificates it signs, as texts and as files removed when the process ends.
 */
export class Authority {
  readonly own: CertifiedFiles;

  constructor(name = 'an authority of the tests') {
    this.own = this.#keep(
      loadAddon().makeCertificate({ ...standardWish, commonName: name, names: [], isAuthority: true }),
    );
  }

  /** For localhost, unless `wish` says otherwise. */
  issue(wish: Partial<CertificateWish> = {}): CertifiedFiles {
    return this.#keep(loadAddon().makeCertificate({ ...standardWish, issuer: this.own, ...wish }));
  }

  #keep(made: CertifiedKey): CertifiedFiles {
    const path = join(folder(), `${++pairs}`);
    const files = { certFile: `${path}.pem`, keyFile: `${path}-key.pem` };
    writeFileSync(files.certFile, made.certificate);
    writeFileSync(files.keyFile, made.key);
    return { ...made, ...files };
  }
}

let pairs = 0;
let madeFolder: string | undefined;
let standard: { readonly authority: Authority; readonly server: CertifiedFiles } | undefined;

/** A folder removed when the process ends. */
export function folder(): string {
  if (madeFolder === undefined) {
    const made = mkdtempSync(join(tmpdir(), 'rallymq-tls-'));
    process.on('exit', () => rmSync(made, { recursive: true, force: true }));
    madeFolder = made;
  }
  return madeFolder;
}

/** One for all tests of the process that do not depend on certificates. */
export function standardCertificate(): { readonly authority: Authority; readonly server: CertifiedFiles } {
  if (standard === undefined) {
    const authority = new Authority();
    standard = { authority, server: authority.issue() };
  }
  return standard;
}

/** The options of a broker with the standard certificate. */
export function standardTls(): { tlsPort: number; mqttsPort: number; tlsCert: string; tlsKey: string } {
  const { certFile, keyFile } = standardCertificate().server;
  return { tlsPort: 0, mqttsPort: 0, tlsCert: certFile, tlsKey: keyFile };
}

/** A connection, over TLS if the switch is on. Writing may begin at once. */
export function openSocket(options: NetConnectOpts & { host: string; port: number }): Socket {
  if (!isOverTls) return connect(options);
  const socket = connectTls({ ...options, ca: standardCertificate().authority.own.certificate });
  socket.setNoDelay(true);
  return socket;
}

/** Resolves when bytes can be sent in both directions. */
export function socketConnected(socket: Socket): Promise<void> {
  return within(
    'a connection',
    new Promise<void>((resolve, reject) => {
      socket.once(isOverTls ? 'secureConnect' : 'connect', resolve);
      socket.once('error', reject);
    }),
  );
}
