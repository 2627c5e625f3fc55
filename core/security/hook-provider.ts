/** Asks the `authenticate` function of the host program, which decides about every client. */
import type { Authenticate, ConnectingClient, Grant } from '../config/authentication.ts';
import { isRecord } from '../config/option-rules.ts';
import { ReasonCode } from '../wire/reason-code.ts';
import { accessOf } from './grants.ts';
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
    return accessOf(client.username === undefined ? answer : { username: client.username, ...answer });
  }
}

const refused: Decision = { reasonCode: ReasonCode.badUserNameOrPassword };

/** A function of JavaScript may answer with anything, and a grant that is misread gives rights away. */
function isGrant(answer: unknown): answer is Grant {
  if (!isRecord(answer)) return false;
  const { username, roles = [], claims = {}, allow = {}, subscriptions = [], ...more } = answer;
  const { tokenId, issuedAt, expiresAt, ...others } = more;
  return (
    Object.keys(others).length === 0 &&
    (username === undefined || isShortText(username)) &&
    areTexts(roles) &&
    isRecord(claims) &&
    Object.entries(claims).every((pair) => pair.every(isShortText)) &&
    isRecord(allow) &&
    Object.entries(allow).every(([action, filters]) => action in actions && areTexts(filters)) &&
    Array.isArray(subscriptions) &&
    subscriptions.every((each) => isRecord(each) && isShortText(each['topicFilter']) && isQos(each['qos'])) &&
    (tokenId === undefined || isShortText(tokenId)) &&
    [issuedAt, expiresAt].every((time) => time === undefined || Number.isFinite(time))
  );
}

const actions = { publish: true, subscribe: true };

function areTexts(value: unknown): boolean {
  return Array.isArray(value) && value.every(isShortText);
}

function isQos(qos: unknown): boolean {
  return qos === undefined || qos === 0 || qos === 1 || qos === 2;
}

function isShortText(value: unknown): value is string {
  return typeof value === 'string' && value.length <= 16_384; // bytes for the data plane have two for the length
}
