/** Why something was refused or ended, in plain sentences for people (MQTT 5: the Reason String). */
import type { ReasonStrings } from '../config/options.ts';
import { ReasonCode } from '../wire/reason-code.ts';

/** The default sentence of a reason code; undefined if there is nothing to explain. */
export function reasonSentence(reasonCode: number): string | undefined {
  return sentences.get(reasonCode);
}

/** A clause like "the will QoS is 3" as a sentence. */
export function sentenceOf(why: string): string {
  const capitalised = why.charAt(0).toUpperCase() + why.slice(1);
  return capitalised.endsWith('.') ? capitalised : `${capitalised}.`;
}

/** Whether a client gets reason strings. */
export interface ReasonStringTerms {
  /** In CONNACK and DISCONNECT. */
  readonly atEnds: boolean;
  /** In all other packets [MQTT-3.1.2-29]. */
  readonly elsewhere: boolean;
}

/** `requested` is the Request Problem Information of the CONNECT, undefined if missing. */
export function reasonStringTerms(setting: ReasonStrings, requested: number | undefined): ReasonStringTerms {
  if (setting === 'always') return requested === 0 ? atEndsOnly : everywhere;
  return setting === 'onRequest' && requested === 1 ? everywhere : nowhere;
}

// One for all connections.
const everywhere: ReasonStringTerms = { atEnds: true, elsewhere: true };
const atEndsOnly: ReasonStringTerms = { atEnds: true, elsewhere: false };
const nowhere: ReasonStringTerms = { atEnds: false, elsewhere: false };

const sentences: ReadonlyMap<number, string> = new Map([
  [ReasonCode.noSubscriptionExisted, 'There was no subscription to a topic filter.'],
  [ReasonCode.unspecifiedError, 'The broker cannot continue this connection.'],
  [ReasonCode.malformedPacket, 'A packet could not be read.'],
  [ReasonCode.protocolError, 'A packet was not allowed in this form, or at this time.'],
  [ReasonCode.unsupportedProtocolVersion, 'The broker speaks MQTT 3.1, 3.1.1 and 5.0.'],
  [ReasonCode.clientIdentifierNotValid, 'The client identifier is not valid.'],
  [ReasonCode.badUserNameOrPassword, 'The user name or password is wrong.'],
  [ReasonCode.notAuthorized, 'The client is not authorized.'],
  [ReasonCode.serverUnavailable, 'The broker cannot accept the connection now; try again later.'],
  [ReasonCode.serverShuttingDown, 'The broker is shutting down.'],
  [ReasonCode.badAuthenticationMethod, 'The broker does not know this authentication method.'],
  [ReasonCode.keepAliveTimeout, 'Nothing was received for one and a half times the keep alive.'],
  [ReasonCode.sessionTakenOver, 'Another connection uses the same client identifier.'],
  [ReasonCode.topicFilterInvalid, 'A topic filter has too many levels.'],
  [ReasonCode.topicNameInvalid, 'A topic name has too many levels.'],
  [
    ReasonCode.receiveMaximumExceeded,
    "The client sent more messages than the broker's Receive Maximum allows.",
  ],
  [ReasonCode.topicAliasInvalid, "A topic alias was 0 or above the broker's Topic Alias Maximum."],
  [ReasonCode.packetTooLarge, "A packet was larger than the broker's Maximum Packet Size."],
  [ReasonCode.quotaExceeded, 'A limit of the broker is reached.'],
  [ReasonCode.administrativeAction, 'An operator has ended the connection.'],
  [ReasonCode.payloadFormatInvalid, 'A payload is not UTF-8, although its Payload Format Indicator says so.'],
  [ReasonCode.retainNotSupported, 'Retained messages are not available here.'],
  [ReasonCode.qosNotSupported, 'The QoS is higher than the Maximum QoS of the broker.'],
  [ReasonCode.useAnotherServer, 'Use another server for now.'],
  [ReasonCode.serverMoved, 'The server has moved permanently.'],
  [ReasonCode.sharedSubscriptionsNotSupported, 'Shared subscriptions are not available here.'],
  [ReasonCode.subscriptionIdentifiersNotSupported, 'Subscription identifiers are not available here.'],
  [ReasonCode.wildcardSubscriptionsNotSupported, 'Topic filters with wildcards are not available here.'],
]);
