import type { Properties } from '../core/wire/properties.ts';

/** Every error that the client creates itself. What an AbortSignal ends rejects with the signal's reason. */
export class RallyError extends Error {
  /**
   * The MQTT 5 reason code (section 2.4): the broker's, or its equivalent for what the client
   * itself refused, such as 0x95 for a message that exceeds the broker's Maximum Packet Size. 0 if the
   * connection was lost or closed without one.
   */
  readonly reasonCode: number;
  override readonly name = 'RallyError';
  /** The HTTP status with which the server refuses the WebSocket, if the client could find out. */
  declare readonly status?: number;

  constructor(reasonCode = 0, message = 'closed') {
    super(message);
    this.reasonCode = reasonCode;
  }
}

/** What the broker refuses, or would refuse: with the broker's reason string if there is one. */
export function refusal(reasonCode: number, { reasonString }: Properties = {}): RallyError {
  return new RallyError(reasonCode, reasonString ?? 'refused');
}
