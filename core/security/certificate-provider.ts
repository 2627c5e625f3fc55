/** Lets in who has shown a client certificate that the broker's authorities have signed: its identity is the user. */
import type { ConnectingClient } from '../config/authentication.ts';
import type { Decision, Provider } from './provider.ts';

export class CertificateProvider implements Provider {
  /** What the CONNECT says of user and password is not looked at: the certificate has been verified. */
  decide({ tls }: ConnectingClient): Decision {
    return tls?.identity === undefined ? 'unknown' : { username: tls.identity };
  }
}
