/** Asks the `authenticate` function of the host program, which decides about every client. */
import type { Authenticate, ConnectingClient, Grant } from '../config/authentication.ts';
import { isRecord } from '../config/option-rules.ts';
import { ReasonCode } from '../wire/reason-code.ts';
import type { Decision, Provider } from './provider.ts';

export class HookProvider implements Provider {
  readonly #authenticate: Authenticate;

  constructor(authenticate: Authenticate) {
    this.#authenticate = authenticate;
  }

  async decide(client: ConnectingClient): Promise<Decision> {
    const answer: unknown = await this.#authenticate(client);
    if (answer === true) return { username: client.username };
    if (answer === false || answer === undefined || answer === null) return refused;
    if (!isGrant(answer))
      throw new TypeError(
        'authenticate() has answered with neither true, nor false, nor a grant that can be read',
      );
    return { username: client.username, ...answer };
  }
}

const refused: Decision = { reasonCode: ReasonCode.badUserNameOrPassword };

/** A function of JavaScript may answer with anything, and a grant that is misread gives rights away. */
function isGrant(answer: unknown): answer is Grant {
  if (!isRecord(answer)) return false;
  const { username, roles = [], claims = {}, ...others } = answer;
  return (
    Object.keys(others).length === 0 &&
    (username === undefined || isShortText(username)) &&
    Array.isArray(roles) &&
    roles.every(isShortText) &&
    isRecord(claims) &&
    Object.entries(claims).every((pair) => pair.every(isShortText))
  );
}

function isShortText(value: unknown): value is string {
  return typeof value === 'string' && value.length <= 16_384; // bytes for the data plane have two for the length
}
