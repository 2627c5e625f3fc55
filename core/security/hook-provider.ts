/** Asks an `authenticate` function of the host program. */
import type { Authenticate, ConnectingClient } from '../config/authentication.ts';
import { isRecord } from '../unknown-value.ts';
import { ReasonCode } from '../wire/reason-code.ts';
import { accessOf, isGrant, isRefusal } from './grants.ts';
import type { Decision, Provider } from './provider.ts';

export class HookProvider implements Provider {
  readonly name = 'hook';
  readonly #authenticate: Authenticate;

  constructor(authenticate: Authenticate) {
    this.#authenticate = authenticate;
  }

  async decide(client: ConnectingClient): Promise<Decision> {
    const answer: unknown = await this.#authenticate(client);
    if (answer === true) return { username: client.username };
    if (answer === 'unknown') return answer;
    if (answer === false || answer === undefined || answer === null) return refused;
    if (isRefusal(answer)) return answer;
    if (!isGrant(answer))
      throw new TypeError(
        `authenticate() has answered with ${shapeOf(answer)}: it must be true, false, 'unknown', a refusal or a valid grant`,
      );
    return accessOf(answer, client.username);
  }
}

/** Without its values, which may be secret. */
function shapeOf(answer: unknown): string {
  return isRecord(answer) ? `{ ${Object.keys(answer).join(', ')} }` : `a ${typeof answer}`;
}

const refused: Decision = { reasonCode: ReasonCode.badUserNameOrPassword };
