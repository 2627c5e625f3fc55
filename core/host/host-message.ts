/** Application messages of the host program. */
import { BrokerError } from '../broker-error.ts';
import type { Limits } from '../config/limits.ts';
import { nearestName } from '../config/nearest-name.ts';
import { messageOf } from '../system-reason.ts';
import { decodePublish } from '../wire/decode-publish.ts';
import { encodePublish } from '../wire/encode-publish.ts';
import { FrameReader } from '../wire/frame-reader.ts';
import type { PublishPacket, QoS } from '../wire/packets.ts';
import type { Properties } from '../wire/properties.ts';
import { isProtocolError } from '../wire/protocol-error.ts';
import { isValidTopicName, levelCount } from '../wire/topic.ts';

export interface PublishOptions {
  /** Default 1. */
  readonly qos?: QoS;
  /** Default false. */
  readonly retain?: boolean;
  /** MQTT 5 properties of the message. */
  readonly properties?: Properties;
}

export interface HostMessage {
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly qos: QoS;
  /** True for a message that was retained before the subscription. */
  readonly retain: boolean;
  readonly properties: Properties;
}

export function hostMessageOf({ topic, payload, qos, retain, properties }: PublishPacket): HostMessage {
  const { subscriptionIdentifiers: _, ...others } = properties;
  return { topic, payload, qos, retain, properties: others };
}

/**
 * The message as a packet that the worker accepts: an invalid one would break the
 * connection on which the broker itself publishes. Errors: HOST_PUBLISH_INVALID.
 */
export function publicationOf(
  topic: string,
  payload: string | Uint8Array,
  options: PublishOptions,
  limits: Limits,
): PublishPacket {
  for (const name in options) if (!optionNames.includes(name)) throw unknownOption(name);
  const { qos = 1, retain = false, properties = {} } = options;
  if (typeof topic !== 'string' || !isValidTopicName(topic) || levelCount(topic) > limits.topicLevelsMax) {
    throw invalid(`"${`${topic}`.slice(0, 80)}" is not a topic name that can be published to.`);
  }
  if (typeof payload !== 'string' && !(payload instanceof Uint8Array)) {
    throw invalid(
      'A payload must be a string or a Uint8Array; JSON.stringify() turns other values into a string.',
    );
  }
  assertQos(qos, 'HOST_PUBLISH_INVALID');
  if (Object.keys(properties).length > 0) checkProperties(properties);
  const terms = { topic, qos, retain, dup: false, properties };
  if (typeof payload !== 'string') return { ...terms, payload };
  // Text is encoded each time the message is sent: until then it takes no more memory.
  return {
    ...terms,
    get payload() {
      return Buffer.from(payload);
    },
  };
}

const optionNames: readonly string[] = ['qos', 'retain', 'properties'] satisfies (keyof PublishOptions)[];

function unknownOption(name: string): BrokerError {
  const advice = `did you mean '${nearestName(name, optionNames) ?? 'properties'}'?`;
  return invalid(`'${name}' is not an option of publish(): ${advice}`);
}

/** Errors: `code`. */
export function assertQos(qos: unknown, code: 'HOST_PUBLISH_INVALID' | 'HOST_SUBSCRIBE_INVALID'): void {
  if (qos !== 0 && qos !== 1 && qos !== 2)
    throw new BrokerError(code, `The QoS must be 0, 1 or 2, not ${qos}.`);
}

function checkProperties(properties: Properties): void {
  for (const name of ['topicAlias', 'subscriptionIdentifiers'] as const) {
    if (properties[name] !== undefined) throw invalid(`The host program cannot set the property ${name}.`);
  }
  const problem = problemOf(properties);
  if (problem !== undefined) throw invalid(`The properties cannot be published: ${problem}.`);
}

/** The decoder knows what a worker accepts. */
function problemOf(properties: Properties): string | undefined {
  const { correlationData = new Uint8Array() } = properties;
  if (!(correlationData instanceof Uint8Array)) return 'correlationData must be a Uint8Array';
  const nothing = new Uint8Array();
  try {
    const packet = { topic: 't', payload: nothing, qos: 0, retain: false, dup: false, properties } as const;
    const decoded = decodedPublish(encodePublish(packet, 5));
    return isProtocolError(decoded) ? decoded.why : undefined;
  } catch (error) {
    return messageOf(error);
  }
}

/** One whole packet. */
export function decodedPublish(bytes: Uint8Array) {
  const reader = new FrameReader(5);
  reader.push(bytes);
  const frame = reader.next();
  if (frame === undefined) throw new RangeError('an incomplete packet');
  return isProtocolError(frame) ? frame : decodePublish(frame.header, frame.body, 5);
}

function invalid(message: string): BrokerError {
  return new BrokerError('HOST_PUBLISH_INVALID', message);
}
