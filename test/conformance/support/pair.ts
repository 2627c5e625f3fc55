/** A publisher, and a subscriber with a session that stays: what the tests of QoS 1 and 2 begin with. */
import { octets, u32 } from './octets.ts';
import type { QoS } from './packets.ts';
import type { Context } from './section.ts';

/** The CONNECT properties of a session that outlives its connection by a minute (MQTT 5). */
export const sessionExpiry = octets('11', u32(60));

/** The subscriber has subscribed to `name()`; `reconnect` takes up its session on another connection. */
export async function pair({ version, connect, name }: Context, qos: QoS) {
  const publisher = await connect();
  const properties = version === '5.0' ? sessionExpiry : '';
  const reconnect = () => connect({ clientId: name('s'), properties, clean: false });
  const subscriber = await reconnect();
  await subscriber.subscribe(name(), qos);
  return { publisher, subscriber, reconnect };
}
