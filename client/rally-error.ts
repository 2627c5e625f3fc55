/** Every error that the client makes itself. What an AbortSignal ends rejects with the signal's reason. */
export class RallyError extends Error {
  /**
   * The MQTT 5 reason code (section 2.4): the broker's own, or the one that says the same of what the client
   * refused by itself, such as 0x95 for a message that exceeds the broker's Maximum Packet Size. 0 if the
   * connection was lost or closed without one.
   */
  readonly reasonCode: number;

  constructor(reasonCode = 0, message = 'closed') {
    super(message);
    this.name = 'RallyError';
    this.reasonCode = reasonCode;
  }
}
