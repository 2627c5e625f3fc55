/** A connected publisher and subscriber: measures the delivery times of their messages while something else happens. */
import { decodePublish } from '../../core/wire/decode-publish.ts';
import { encodePublish } from '../../core/wire/encode-publish.ts';
import type { ConnectPacket } from '../../core/wire/packets.ts';
import { isProtocolError } from '../../core/wire/protocol-error.ts';
import { BenchError } from '../bench-error.ts';
import type { RunningPeer } from '../peers/peer.ts';
import { quantileOf } from '../statistics.ts';
import { LoginClient } from './login-client.ts';

const messageEveryMs = 2;
const topic = 'probe';

export class DeliveryProbe {
  readonly #clients: readonly LoginClient[];
  readonly #timer: ReturnType<typeof setInterval>;
  #delays: number[] = [];

  private constructor(publisher: LoginClient, subscriber: LoginClient) {
    this.#clients = [publisher, subscriber];
    subscriber.onFrame = (_, { header, body }) => {
      const packet = decodePublish(header, body, 5);
      if (isProtocolError(packet))
        throw new BenchError(`The broker sent a malformed PUBLISH: ${packet.why}.`);
      this.#delays.push(performance.now() - Number(new TextDecoder().decode(packet.payload)));
    };
    this.#timer = setInterval(() => {
      const payload = new TextEncoder().encode(`${performance.now()}`);
      publisher.send(encodePublish({ topic, payload, qos: 0, retain: false, dup: false, properties: {} }, 5));
    }, messageEveryMs);
  }

  /** `who`: the credentials of both. */
  static async open({ tcp }: RunningPeer, who: Partial<ConnectPacket>): Promise<DeliveryProbe> {
    if (tcp === undefined) throw new BenchError('The broker has no TCP.');
    const [publisher, subscriber] = [await LoginClient.open(tcp), await LoginClient.open(tcp)];
    for (const client of [publisher, subscriber])
      if ((await client.logIn(who)) !== 0) throw new BenchError('The probe was refused.');
    await subscriber.subscribe(topic, 0);
    return new DeliveryProbe(publisher, subscriber);
  }

  /** In milliseconds, of the messages that arrive during `play`. */
  async p99Of(play: Promise<unknown>): Promise<number> {
    this.#delays = [];
    await play;
    const p99 = quantileOf(this.#delays, 0.99);
    if (p99 === undefined) throw new BenchError('No message has arrived.');
    return p99;
  }

  close(): void {
    clearInterval(this.#timer);
    for (const client of this.#clients) client.end();
  }
}
