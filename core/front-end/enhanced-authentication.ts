/** AUTH packets of clients, and those of the broker (MQTT 5, 4.12). */
import type { AuthPacket } from '../wire/packets.ts';
import type { Properties } from '../wire/properties.ts';
import { type ProtocolError, protocolViolation } from '../wire/protocol-error.ts';
import { ReasonCode } from '../wire/reason-code.ts';

/**
 * The error in an AUTH; undefined if there is none. `method` is that of the CONNECT; `isUnderWay`:
 * the client is authenticating.
 */
export function authError(
  { reasonCode, properties }: AuthPacket,
  method: string | undefined,
  isUnderWay: boolean,
): ProtocolError | undefined {
  // [MQTT-4.12.0-1]
  if (method === undefined) return protocolViolation('the CONNECT named no authentication method');
  // [MQTT-4.12.0-5] [MQTT-4.12.1-1]
  if (properties.authenticationMethod !== method) {
    return protocolViolation('the authentication method is not that of the CONNECT');
  }
  if (isUnderWay === (reasonCode === ReasonCode.continueAuthentication)) return undefined;
  return protocolViolation(
    isUnderWay ? 'an authentication is already in progress' : 'no authentication is in progress',
  );
}

/** The properties of a packet that continues or completes an authentication [MQTT-4.12.0-6]. */
export function authenticationProperties(
  method: string | undefined,
  data: Uint8Array | undefined,
): Properties {
  if (method === undefined) return {};
  const properties: Properties = { authenticationMethod: method };
  if (data !== undefined && data.length > 0) properties.authenticationData = data;
  return properties;
}
