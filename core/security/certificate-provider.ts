/** Accepts clients with a certificate signed by the broker's authorities; its identity is the user. */
import type { ConnectingClient } from '../config/authentication.ts';
import type { Decision, Provider } from './provider.ts';

export class CertificateProvider implements Provider {
  readonly name = 'certificate';
  /** The user name and password of the CONNECT are ignored: the certificate has been verified. */
  decide({ tls }: ConnectingClient): Decision {
    return tls?.identity === undefined ? 'unknown' : { username: tls.identity };
  }
}
