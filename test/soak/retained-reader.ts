/** A client that reads what is retained, with a new subscription. */
import { setTimeout as delay } from 'node:timers/promises';
import { decodePublish } from '../../core/wire/decode-publish.ts';
import { encodeSubscribe } from '../../core/wire/encode-subscribe.ts';
import { PacketType } from '../../core/wire/packet-type.ts';
import { isProtocolError } from '../../core/wire/protocol-error.ts';
import type { TransportName } from '../support/raw-client.ts';
import { Link } from './clients/link.ts';
import { againMs, patienceMs, type World } from './clients/terms.ts';
import type { Publication } from './model/publications.ts';
import { type Found, wrongOf } from './model/retained.ts';

/** For so long nothing more must have come. */
const quietMs = 150;

function isIn(link: Link): boolean {
  return link.connack?.reasonCode === 0 && !link.connection.isClosed;
}

export class RetainedReader {
  readonly clientId: string;
  readonly #world: World;
  readonly #found = new Map<string, Publication>();
  #lastMs = performance.now();
  #hasSuback = false;

  constructor(clientId: string, world: World) {
    this.clientId = clientId;
    this.#world = world;
  }

  /**
   * Reads until nothing more comes and nothing is missing; what is missing is waited for in patience. Undefined, and a
   * fault: it was not let in, or its connection was cut.
   */
  async read(transport: TransportName): Promise<Found | undefined> {
    const { model } = this.#world;
    const endMs = performance.now() + patienceMs;
    let link = await this.#connect(transport);
    // It is a new client, whom a busy broker may refuse.
    while (!isIn(link) && performance.now() < endMs) {
      link.connection.die('reset');
      await delay(againMs);
      link = await this.#connect(transport);
    }
    if (!isIn(link)) {
      const why = link.connack === undefined ? 'was closed' : `got 0x${link.connack.reasonCode.toString(16)}`;
      model.fault('locked out', `${this.clientId} ${why} for ${patienceMs} ms`, this.clientId);
      return undefined;
    }
    this.#subscribe(link);
    const readMs = performance.now() + patienceMs;
    const isMissing = (): boolean =>
      (!this.#hasSuback || wrongOf(model, this.#found).length > 0) && performance.now() < readMs;
    while (isIn(link) && (performance.now() - this.#lastMs < quietMs || isMissing())) await delay(20);
    const { isClosed } = link.connection;
    link.connection.die('fin');
    if (isClosed) model.fault('cut off', `${this.clientId} was cut off`, this.clientId);
    else if (!this.#hasSuback) model.fault('unfinished', `${this.clientId} got no SUBACK`, this.clientId);
    else return this.#found;
    return undefined;
  }

  async #connect(transport: TransportName): Promise<Link> {
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
    return link;
  }

  #subscribe(link: Link): void {
    const subscriptions = ['r/#', 'w/#'].map((topicFilter) => {
      return { topicFilter, qos: 0, noLocal: false, retainAsPublished: false, retainHandling: 0 } as const;
    });
    link.send(encodeSubscribe({ packetId: 1, subscriptions, properties: {} }, 5));
    this.#lastMs = performance.now();
  }

  #onPacket(header: number, body: Uint8Array): void {
    this.#lastMs = performance.now();
    if (header >> 4 === PacketType.suback) this.#hasSuback = true;
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
