/** The sub-protocols of MQTT over WebSocket, preferred one first: 3.1.1 and 5.0, then 3.1. */
const subprotocols = ['mqtt', 'mqttv3.1'] as const;

/** One of those that the client offers, or undefined if it offers none of them [MQTT-6.0.0-4]. */
export function chooseSubprotocol(offers: string): string | undefined {
  const offered = offers.split(',').map((offer) => offer.trim());
  return subprotocols.find((subprotocol) => offered.includes(subprotocol));
}
