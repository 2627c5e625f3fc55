/**
 * An add-on: brokers that speak only MQTT 3.1.1. `connect(url, { WebSocket: mqtt3() })` puts a translator
 * between the client, which still speaks MQTT 5, and the broker. What 3.1.1 does not have is left out:
 * properties, No Local, Retain As Published, Retain Handling, reason codes of acknowledgements. A session that
 * expires at once becomes a clean session, any other one lasts as long as the broker keeps it.
 */
import { decodeAcknowledgement, decodeSubscriptionAnswer } from '../core/wire/decode-acknowledgement.ts';
import { decodeConnack } from '../core/wire/decode-connack.ts';
import { decodeConnect } from '../core/wire/decode-connect.ts';
import { decodePublish } from '../core/wire/decode-publish.ts';
import { decodeSubscribe, decodeUnsubscribe } from '../core/wire/decode-subscribe.ts';
import { encodeAcknowledgement, encodeSuback, encodeUnsuback } from '../core/wire/encode-acknowledgement.ts';
import { encodeConnack } from '../core/wire/encode-connack.ts';
import { encodeConnect } from '../core/wire/encode-connect.ts';
import { encodeDisconnect } from '../core/wire/encode-disconnect.ts';
import { encodePingreq, encodePingresp } from '../core/wire/encode-ping.ts';
import { encodePublish } from '../core/wire/encode-publish.ts';
import { encodeSubscribe, encodeUnsubscribe } from '../core/wire/encode-subscribe.ts';
import { type Frame, FrameReader } from '../core/wire/frame-reader.ts';
import { type AcknowledgementType, PacketType } from '../core/wire/packet-type.ts';
import type { ConnectPacket, ProtocolVersion } from '../core/wire/packets.ts';
import { isProtocolError, type ProtocolError, protocolViolation } from '../core/wire/protocol-error.ts';
import { concat } from '../core/wire/write.ts';
import { type Bytes, LayeredWebSocket, layerOf } from './layered-websocket.ts';
import type { WebSocketConstructor } from './options.ts';

/** Messages in flight at once: 3.1.1 does not define a bound, and this is the default of many brokers. */
const receiveMaximum = 20;

/** The WebSocket for `options.WebSocket`. `Original` is the WebSocket underneath; by default the global one. */
export function mqtt3(Original?: WebSocketConstructor): WebSocketConstructor {
  return layerOf(TranslatingWebSocket, Original);
}

class TranslatingWebSocket extends LayeredWebSocket {
  readonly #fromClient = new FrameReader(5);
  readonly #fromBroker = new FrameReader(4);

  send(data: Bytes): void {
    this.#translate(this.#fromClient, data, 5, 4, (frames) => this.below.send(frames));
  }

  protected override received(chunk: Bytes): void {
    this.#translate(this.#fromBroker, chunk, 4, 5, (frames) => this.give(frames));
  }

  /** Passes on the frames of a chunk in one piece, as they arrived. */
  #translate(
    reader: FrameReader,
    chunk: Uint8Array,
    from: ProtocolVersion,
    to: ProtocolVersion,
    give: (frames: Bytes) => void,
  ): void {
    const frames: Bytes[] = [];
    let error: ProtocolError | undefined;
    reader.push(chunk);
    for (let frame = reader.next(); frame && !error; frame = reader.next()) {
      const translated = isProtocolError(frame) ? frame : translate(frame, from, to);
      if (isProtocolError(translated)) error = translated;
      else frames.push(translated);
    }
    if (frames.length > 0) give(concat(frames));
    if (error) this.close();
  }
}

function translate(
  { header, body }: Frame,
  from: ProtocolVersion,
  to: ProtocolVersion,
): Bytes | ProtocolError {
  const type = header >> 4;
  const via = <Packet extends object>(
    packet: Packet | ProtocolError,
    encode: (packet: Packet) => Bytes,
  ): Bytes | ProtocolError => (isProtocolError(packet) ? packet : encode(packet));
  switch (type) {
    case PacketType.connect:
      return via<ConnectPacket>(decodeConnect(header, body), (packet) => encodeConnect(toVersion4(packet)));
    case PacketType.connack:
      return via(decodeConnack(header, body, from), (packet) =>
        encodeConnack({ ...packet, properties: { receiveMaximum } }, to),
      );
    case PacketType.publish:
      return via(decodePublish(header, body, from), (packet) => encodePublish(packet, to));
    case PacketType.puback:
    case PacketType.pubrec:
    case PacketType.pubrel:
    case PacketType.pubcomp: {
      const encode = (packet: Parameters<typeof encodeAcknowledgement>[1]): Bytes =>
        encodeAcknowledgement(type as AcknowledgementType, packet, to);
      return via(decodeAcknowledgement(header, body, from), encode);
    }
    case PacketType.subscribe:
      return via(decodeSubscribe(header, body, from), (packet) => encodeSubscribe(packet, to));
    case PacketType.suback:
      return via(decodeSubscriptionAnswer(header, body, from), (packet) => encodeSuback(packet, to));
    case PacketType.unsubscribe:
      return via(decodeUnsubscribe(header, body, from), (packet) => encodeUnsubscribe(packet, to));
    case PacketType.unsuback:
      return via(decodeSubscriptionAnswer(header, body, from), (packet) => encodeUnsuback(packet, to));
    case PacketType.pingreq:
      return encodePingreq();
    case PacketType.pingresp:
      return encodePingresp();
    case PacketType.disconnect:
      return encodeDisconnect({ reasonCode: 0, properties: {} }, to);
    default:
      return protocolViolation('not in MQTT 3.1.1');
  }
}

/** Before version 5 an empty client identifier needs a clean session, and a password a user name. */
function toVersion4(packet: ConnectPacket): ConnectPacket {
  const { clientId, properties, password } = packet;
  const cleanStart = clientId === '' || !properties.sessionExpiryInterval;
  return {
    ...packet,
    protocolVersion: 4,
    cleanStart,
    ...(password && { username: packet.username ?? '' }),
  };
}
