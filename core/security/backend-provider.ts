/** Authenticates clients with the back end of `authUrl`: docs/security.md describes the requests and answers. */
import type { ConnectingClient } from '../config/authentication.ts';
import { ReasonCode } from '../wire/reason-code.ts';
import { type Backend, BackendBusy, BackendUnavailable } from './backend.ts';
import { accessOf, isGrant, isRefusal } from './grants.ts';
import type { Decision, Provider } from './provider.ts';
import { TokenError } from './token-error.ts';

export interface BackendProviderOptions {
  readonly backend: Pick<Backend, 'ask'>;
  /** The back end cannot be reached, or its answer cannot be understood. */
  onFailed(error: unknown): void;
}

const busy: Decision = { reasonCode: ReasonCode.serverBusy };
const unavailable: Decision = { reasonCode: ReasonCode.serverUnavailable };
const refused: Decision = { reasonCode: ReasonCode.badUserNameOrPassword };

export class BackendProvider implements Provider {
  readonly name = 'backend';
  readonly #options: BackendProviderOptions;

  constructor(options: BackendProviderOptions) {
    this.#options = options;
  }

  async decide(client: ConnectingClient): Promise<Decision> {
    try {
      const { result, fields } = await this.#options.backend.ask(questionOf(client));
      if (result === 'unknown') return 'unknown';
      return result === 'allow' ? this.#accessOf(client, fields) : refusalOf(fields);
    } catch (error) {
      if (error instanceof BackendBusy) return busy;
      this.#options.onFailed(error);
      return unavailable;
    }
  }

  #accessOf(client: ConnectingClient, { result, ...grant }: Readonly<Record<string, unknown>>): Decision {
    if (!isGrant(grant)) throw new BackendUnavailable('its answer is not a valid grant');
    try {
      return accessOf(grant, client.username);
    } catch (error) {
      if (error instanceof TokenError) throw new BackendUnavailable(`its answer: ${error.message}`);
      throw error;
    }
  }
}

function refusalOf({ reasonCode }: Readonly<Record<string, unknown>>): Decision {
  return isRefusal({ reasonCode }) ? { reasonCode: Number(reasonCode) } : refused;
}

/** A password that is not text is sent as Base64. */
function questionOf({ password, ...client }: ConnectingClient): Readonly<Record<string, unknown>> {
  return { action: 'connect', ...client, ...passwordField(password) };
}

function passwordField(password: Uint8Array | undefined): Readonly<Record<string, string>> {
  if (password === undefined) return {};
  try {
    return { password: new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(password) };
  } catch {
    return { passwordBase64: Buffer.from(password).toString('base64') };
  }
}
