/** A client that subscribes once and reads what is retained. */
import { setTimeout as delay } from 'node:timers/promises';
import { decodePublish } from '../../core/wire/decode-publish.ts';
import { encodeSubscribe } from '../../core/wire/encode-subscribe.ts';
import { PacketType } from '../../core/wire/packet-type.ts';
import { isProtocolError } from '../../core/wire/protocol-error.ts';
import type { TransportName } from '../support/raw-client.ts';
import { Link } from './clients/link.ts';
import { patienceMs, type World } from './clients/terms.ts';
import type { Publication } from './model/publications.ts';
import { type Found, wrongOf } from './model/retained.ts';

/** For so long nothing more must have come. */
const quietMs = 150;

export class RetainedReader {
  readonly clientId: string;
  readonly #world: World;
  readonly #found = new Map<string, Publication>();
  #lastMs = performance.now();

  constructor(clientId: string, world: World) {
    this.clientId = clientId;
    this.#world = world;
  }

  /** Reads until nothing more comes and nothing is missing; what is missing is waited for in patience. */
  async read(transport: TransportName): Promise<Found> {
    const { model, ports } = this.#world;
    const packet = {
      protocolVersion: 5,
      cleanStart: true,
      keepAliveSeconds: 0,
      clientId: this.clientId,
      properties: {},
    } as const;
    const link = new Link(
      { number: model.nextConnection(), transport, ports, packet, will: undefined },
      {
        onPacket: (_, header, body) => this.#onPacket(header, body),
        onLetIn: (from) => from.release(),
        onClosed: () => {},
      },
    );
    await link.settled;
    const subscriptions = ['r/#', 'w/#'].map((topicFilter) => {
      return { topicFilter, qos: 0, noLocal: false, retainAsPublished: false, retainHandling: 0 } as const;
    });
    link.send(encodeSubscribe({ packetId: 1, subscriptions, properties: {} }, 5));
    this.#lastMs = performance.now();
    const endMs = this.#lastMs + patienceMs;
    const isMissing = (): boolean => wrongOf(model, this.#found).length > 0 && performance.now() < endMs;
    while (performance.now() - this.#lastMs < quietMs || isMissing()) await delay(20);
    link.connection.die('fin');
    return this.#found;
  }

  #onPacket(header: number, body: Uint8Array): void {
    this.#lastMs = performance.now();
    if (header >> 4 !== PacketType.publish) return;
    const packet = decodePublish(header, body, 5);
    if (isProtocolError(packet)) throw new Error(packet.why);
    const { model } = this.#world;
    model.publishPackets++;
    const publication = model.publications.find(packet.topic, packet);
    const isFirst = !this.#found.has(packet.topic);
    if (publication !== undefined && packet.retain && isFirst) this.#found.set(packet.topic, publication);
    else
      model.fault('retained', `${this.clientId} found something strange on ${packet.topic}`, this.clientId);
  }
}
