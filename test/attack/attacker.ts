/** An attacking client: it keeps no message, and records the broker's refusals. */
import assert from 'node:assert/strict';
import { decodeConnack } from '../../core/wire/decode-connack.ts';
import { encodeSubscribe } from '../../core/wire/encode-subscribe.ts';
import { PacketType } from '../../core/wire/packet-type.ts';
import type { ConnackPacket, ConnectPacket, ProtocolVersion, QoS } from '../../core/wire/packets.ts';
import { isProtocolError } from '../../core/wire/protocol-error.ts';
import { connectFrame, publishFrame, subscription } from '../support/frames.ts';
import type { RawClient, ReceivedPacket } from '../support/raw-client.ts';
import { until } from '../support/wait.ts';

const deadlineMs = 30_000;

export class Attacker {
  readonly raw: RawClient;
  /** How many packets have come, by type. */
  readonly counts = new Map<number, number>();
  /** What each filter of the last SUBSCRIBE was granted, or why not. */
  granted: readonly number[] = [];
  /** Reason codes of acknowledgements that refuse. */
  readonly refusals: number[] = [];
  /** Of the DISCONNECT that has come. */
  disconnectReason: number | undefined;
  onPublish: (packet: ReceivedPacket) => void = () => {};
  #connack: ConnackPacket | undefined;
  #packetIds = 0;
  #version: ProtocolVersion = 5;

  constructor(raw: RawClient) {
    this.raw = raw;
    raw.onPacket((packet) => this.#take(packet));
  }

  /** Behind connect(). */
  get connack(): ConnackPacket {
    return this.#connack ?? assert.fail('no CONNACK');
  }

  async connect(packet: Partial<ConnectPacket> = {}): Promise<void> {
    this.#version = packet.protocolVersion ?? 5;
    this.raw.send(connectFrame(packet));
    await until('CONNACK', () => this.#connack !== undefined || this.raw.isClosed, deadlineMs);
  }

  count(type: number): number {
    return this.counts.get(type) ?? 0;
  }
  async untilCount(type: number, count: number): Promise<void> {
    await until(`${count} packets of type ${type}`, () => this.count(type) >= count, deadlineMs);
  }
  /** Waits until the broker has ended it; gives the reason code of its DISCONNECT, or of the CONNACK. */
  async ended(): Promise<number | undefined> {
    await this.raw.closed(deadlineMs);
    return this.disconnectReason ?? this.#connack?.reasonCode;
  }

  /** Gives what each filter was granted, or why not. */
  async subscribe(filters: readonly string[], qos: QoS = 0): Promise<readonly number[]> {
    const before = this.count(PacketType.suback);
    this.sendSubscribe(filters, qos);
    await this.untilCount(PacketType.suback, before + 1);
    return this.granted;
  }
  sendSubscribe(filters: readonly string[], qos: QoS = 0): void {
    const subscriptions = filters.map((filter) => subscription(filter, qos));
    this.raw.send(encodeSubscribe({ packetId: this.nextPacketId(), subscriptions, properties: {} }, 5));
  }

  /** Publishes with QoS 1, and waits for all PUBACKs. */
  async publishAll(
    topics: Iterable<string>,
    payload: string | Uint8Array,
    isRetained = false,
  ): Promise<void> {
    let count = this.count(PacketType.puback);
    let batch: Uint8Array[] = [];
    for (const topic of topics) {
      batch.push(publishFrame(topic, payload, { qos: 1, packetId: this.nextPacketId(), retain: isRetained }));
      count++;
      if (batch.length < 200) continue;
      this.raw.send(...batch);
      batch = [];
      await this.untilCount(PacketType.puback, count);
    }
    if (batch.length > 0) this.raw.send(...batch);
    await this.untilCount(PacketType.puback, count);
  }

  nextPacketId(): number {
    this.#packetIds = (this.#packetIds % 65_535) + 1;
    return this.#packetIds;
  }

  #take(packet: ReceivedPacket): void {
    const { type, body } = packet;
    this.counts.set(type, this.count(type) + 1);
    if (type === PacketType.connack) this.#takeConnack(packet);
    else if (type === PacketType.publish) this.onPublish(packet);
    else if (type === PacketType.suback) this.granted = [...body.subarray(3)];
    else if (type === PacketType.disconnect) this.disconnectReason = body[0] ?? 0;
    else if ((body[2] ?? 0) >= 0x80) this.refusals.push(body[2] ?? 0);
  }

  #takeConnack({ header, body }: ReceivedPacket): void {
    const connack = decodeConnack(header, body, this.#version);
    assert.ok(!isProtocolError(connack), 'not a CONNACK');
    this.#connack = connack;
  }
}

/** So many of the same topic. */
export function* repeated(topic: string, count: number): Iterable<string> {
  for (let index = 0; index < count; index++) yield topic;
}
/** Topics or filters with a number. */
export function numbered(count: number, nameOf: (index: number) => string): string[] {
  return Array.from({ length: count }, (_, index) => nameOf(index));
}
