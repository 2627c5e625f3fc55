/**
 * An MQTT client for one test: raw bytes out, packets in, taken apart by hand, and the exchanges that a test
 * needs but does not ask about.
 */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import type { Closing, RawClient, ReceivedPacket } from '../../support/raw-client.ts';
import { hex, octets, type Part } from './octets.ts';
import {
  disconnect,
  type PublishFields,
  pingreq,
  pingresp,
  puback,
  pubcomp,
  publish,
  pubrec,
  pubrel,
  type SubscribeFields,
  subscribe,
  unsubscribe,
  type Version,
} from './packets.ts';
import {
  type Acknowledgement,
  type Connack,
  hexOf,
  type Publish,
  packetType,
  readAcknowledgement,
  readConnack,
  readGoodbye,
  readPublish,
} from './received.ts';

export class Client {
  readonly version: Version;
  readonly raw: RawClient;
  readonly clientId: string;
  /** Says why the connection ended where the specification lets it choose to. */
  readonly #saysWhy: boolean;
  #connack: Connack | undefined;
  // Came, and was passed over by an exchange that waited for something else.
  readonly #kept: ReceivedPacket[] = [];
  #packetId = 1_000;

  constructor(version: Version, raw: RawClient, clientId: string, saysWhy: boolean) {
    this.version = version;
    this.raw = raw;
    this.clientId = clientId;
    this.#saysWhy = saysWhy;
  }

  /** What the server answered to the CONNECT. */
  get connack(): Connack {
    return this.#connack ?? assert.fail('not connected');
  }

  /** Sends the bytes as one piece: one TCP write, or one WebSocket message. */
  send(...parts: readonly Part[]): void {
    this.raw.send(octets(...parts));
  }

  /** The next packet, whatever it is. */
  async next(): Promise<ReceivedPacket> {
    return this.#kept.shift() ?? (await this.raw.nextPacket());
  }

  /** The next packet; undefined when the connection ends instead. For where a server may choose. */
  async nextUnlessClosed(): Promise<ReceivedPacket | undefined> {
    try {
      return await this.next();
    } catch (error) {
      if (this.raw.isClosed) return undefined;
      throw error;
    }
  }

  /** The next packet must consist of exactly these bytes. */
  async expect(...parts: readonly Part[]): Promise<void> {
    assert.equal(hexOf(await this.next()), hex(octets(...parts)));
  }

  /** The next packet must be a CONNACK. */
  async nextConnack(): Promise<Connack> {
    this.#connack = readConnack(this.version, await this.next());
    return this.#connack;
  }

  /** The next packet must be a PUBLISH, which is not acknowledged. */
  async nextPublish(): Promise<Publish> {
    return readPublish(this.version, await this.next());
  }

  /** The next packet must be this acknowledgement. */
  async nextAcknowledgement(type: number): Promise<Acknowledgement> {
    const received = await this.next();
    assert.equal(received.type, type, `packet type ${type} expected, this came: ${hexOf(received)}`);
    return readAcknowledgement(this.version, received);
  }

  /** The next PUBLISH, acknowledged to its end. Packets of other types are kept for later. */
  async receive(): Promise<Publish> {
    const message = readPublish(this.version, await this.#take(packetType.publish));
    if (message.qos === 1) this.send(puback(message.id));
    if (message.qos === 2) {
      this.send(pubrec(message.id));
      await this.#acknowledged(packetType.pubrel, message.id);
      this.send(pubcomp(message.id));
    }
    return message;
  }

  /** The texts of the next messages, acknowledged. */
  async receiveTexts(count: number): Promise<string[]> {
    const texts: string[] = [];
    while (texts.length < count) texts.push((await this.receive()).text);
    return texts;
  }

  /** Publishes and, with QoS 1 and 2, completes the exchange. Packets of other types are kept for later. */
  async publish(topic: string, payload: string | Uint8Array = '', fields: PublishFields = {}): Promise<void> {
    const { qos = 0, id = ++this.#packetId } = fields;
    this.send(publish(this.version, topic, payload, { ...fields, id }));
    if (qos === 1) await this.#succeeded(packetType.puback, id);
    if (qos === 2) {
      await this.#succeeded(packetType.pubrec, id);
      this.send(pubrel(id));
      await this.#succeeded(packetType.pubcomp, id);
    }
  }

  /**
   * Subscribes with the byte of options behind each filter (the QoS in 3.1.1), and gives the codes of the
   * SUBACK. Packets of other types are kept for later.
   */
  async subscribe(filters: string | readonly string[], options = 0, fields: SubscribeFields = {}) {
    const { id = ++this.#packetId } = fields;
    const list = typeof filters === 'string' ? [filters] : filters;
    const entries = list.map((filter) => [filter, options] as const);
    this.send(subscribe(this.version, entries, { ...fields, id }));
    return (await this.#acknowledged(packetType.suback, id)).codes;
  }

  async unsubscribe(...filters: readonly string[]): Promise<Acknowledgement> {
    const id = ++this.#packetId;
    this.send(unsubscribe(this.version, filters, { id }));
    return await this.#acknowledged(packetType.unsuback, id);
  }

  /** Sends a PINGREQ, whose answer must be the very next packet: nothing else was on its way. */
  async ping(): Promise<void> {
    this.send(pingreq);
    await this.expect(pingresp);
  }

  /**
   * The next packet must be what `publisher` sends now with QoS 0 to `topic`, to which this client has to be
   * subscribed: nothing that it sent before is still to come. Choose the topic of what must not come, where
   * that is possible: only within a topic is there an order.
   */
  async nothingBefore(publisher: Client, topic: string): Promise<void> {
    const marker = `marker ${randomUUID()}`;
    await publisher.publish(topic, marker);
    assert.equal((await this.nextPublish()).text, marker);
  }

  /** Leaves as a client should, and waits for the end of the connection. */
  async disconnect(): Promise<void> {
    this.send(disconnect);
    await this.raw.closed();
  }

  /**
   * Leaves without a DISCONNECT, and waits until the server has closed too: from then on the client is away. (A socket
   * that is destroyed is still there for a server that has not looked.)
   */
  async drop(): Promise<void> {
    this.raw.end();
    await this.raw.closed();
  }

  /** The connection must end, with no packet before its end. */
  async closed(): Promise<Closing> {
    const closing = await this.raw.closed();
    assert.deepEqual([...this.#kept, ...this.raw.packets].map(hexOf), [], 'came before the end');
    return closing;
  }

  /**
   * The connection must end for one of these reasons. Version 5 says it in a DISCONNECT, or in a CONNACK before
   * the connection was accepted; other brokers may choose to close without a word (section 4.13). Version 3.1.1
   * has no such packet, so that nothing may come.
   */
  async ended(...reasonCodes: readonly number[]): Promise<void> {
    if (this.version === '3.1.1') return void (await this.closed());
    await this.raw.closed();
    const received = [...this.#kept, ...this.raw.packets];
    if (received.length === 0 && !this.#saysWhy) return;
    const [last] = received;
    assert.ok(last !== undefined && received.length === 1, `one packet expected: ${received.map(hexOf)}`);
    const isAccepted = this.#connack?.code === 0;
    const { code } = isAccepted ? readGoodbye(last) : readConnack(this.version, last);
    assert.equal(last.type, isAccepted ? packetType.disconnect : packetType.connack);
    assert.ok(reasonCodes.includes(code), `reason code ${code.toString(16)}`);
  }

  async #succeeded(type: number, id: number): Promise<void> {
    const [code = 0] = (await this.#acknowledged(type, id)).codes;
    assert.ok(code < 0x80, `the answer to the message ${id} is the reason code ${code}`);
  }

  async #acknowledged(type: number, id: number): Promise<Acknowledgement> {
    const acknowledgement = readAcknowledgement(this.version, await this.#take(type));
    assert.equal(acknowledgement.id, id, `the packet identifier of packet type ${type}`);
    return acknowledgement;
  }

  /** The next packet of the type; others are kept in their order. */
  async #take(type: number): Promise<ReceivedPacket> {
    const index = this.#kept.findIndex((received) => received.type === type);
    const [kept] = index < 0 ? [] : this.#kept.splice(index, 1);
    if (kept !== undefined) return kept;
    for (;;) {
      const received = await this.raw.nextPacket();
      if (received.type === type) return received;
      this.#kept.push(received);
    }
  }
}
