/**
 * The return codes of CONNACK in MQTT 3.1 and 3.1.1 (v3.1.1 section 3.2.2.3), and their translation: inside the
 * broker and the client every refusal is an MQTT 5 reason code, whatever the version.
 */
import { ReasonCode } from './reason-code.ts';

export const ConnackReturnCode = {
  accepted: 0,
  unacceptableProtocolVersion: 1,
  identifierRejected: 2,
  serverUnavailable: 3,
  badUserNameOrPassword: 4,
  notAuthorized: 5,
} as const;

export type ConnackReturnCode = (typeof ConnackReturnCode)[keyof typeof ConnackReturnCode];

/**
 * The return code for a 3.x client that corresponds to `reasonCode` of version 5.
 * Undefined if there is none: then the connection is closed without a CONNACK.
 */
export function returnCodeOf(reasonCode: number): ConnackReturnCode | undefined {
  switch (reasonCode) {
    case ReasonCode.success:
      return ConnackReturnCode.accepted;
    case ReasonCode.unsupportedProtocolVersion:
      return ConnackReturnCode.unacceptableProtocolVersion;
    case ReasonCode.clientIdentifierNotValid:
      return ConnackReturnCode.identifierRejected;
    case ReasonCode.badUserNameOrPassword:
    case ReasonCode.badAuthenticationMethod:
      return ConnackReturnCode.badUserNameOrPassword;
    case ReasonCode.notAuthorized:
    case ReasonCode.banned:
      return ConnackReturnCode.notAuthorized;
    case ReasonCode.unspecifiedError:
    case ReasonCode.implementationSpecificError:
    case ReasonCode.serverUnavailable:
    case ReasonCode.serverBusy:
    case ReasonCode.serverShuttingDown:
    case ReasonCode.quotaExceeded:
    case ReasonCode.useAnotherServer:
    case ReasonCode.serverMoved:
    case ReasonCode.connectionRateExceeded:
      return ConnackReturnCode.serverUnavailable;
    default:
      return undefined;
  }
}
