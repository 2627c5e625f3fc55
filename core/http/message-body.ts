/** Messages as the API accepts and returns them, in EMQX's format: payloads as text or base64, properties in snake case. */
import type { HostMessage, PublishOptions } from '../host/host-message.ts';
import { isRecord } from '../unknown-value.ts';
import type { Properties } from '../wire/properties.ts';
import { isReservedTopic, isValidTopicName } from '../wire/topic.ts';
import { count, oneOf, record, type Schema, text, truth } from './operation.ts';
import { RequestFault } from './problem.ts';

const propertiesSchema: Schema = {
  type: 'object',
  additionalProperties: false,
  properties: {
    payload_format_indicator: oneOf(0, 1),
    message_expiry_interval: count,
    content_type: text,
    response_topic: text,
    correlation_data: { type: 'string', description: 'in base64' },
    user_properties: {
      type: 'object',
      additionalProperties: { anyOf: [text, { type: 'array', items: text }] },
    },
  },
};

/** Of a retained message: the path has its topic. */
const contentSchemas = {
  payload: { type: 'string', description: 'as payload_encoding says; default: empty' },
  payload_encoding: { enum: ['plain', 'base64'], default: 'plain' },
  qos: { enum: [0, 1, 2], default: 0 },
  properties: propertiesSchema,
} as const;

export const contentSchema: Schema = record(contentSchemas, ...Object.keys(contentSchemas));
export const messageSchema: Schema = record(
  { topic: text, ...contentSchemas, retain: { ...truth, default: false } },
  ...Object.keys(contentSchemas),
  'retain',
);
export const retainedSchema: Schema = record({
  topic: text,
  payload: text,
  payload_encoding: oneOf('plain', 'base64'),
  qos: oneOf(0, 1, 2),
  properties: propertiesSchema,
});

export interface ApiMessage {
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly options: PublishOptions;
}

const messageNames = new Set(['topic', 'payload', 'payload_encoding', 'qos', 'retain', 'properties']);

/** `where`: the start of an error sentence. Errors: RequestFault. */
export function messageOf(body: unknown, where = 'The body'): ApiMessage {
  const given = objectOf(body, where);
  const unknown = Object.keys(given).find((name) => !messageNames.has(name));
  if (unknown !== undefined)
    throw new RequestFault(
      400,
      `${where} has an unknown field '${unknown.slice(0, 40)}': use ${[...messageNames].join(', ')}.`,
    );
  const {
    topic,
    payload = '',
    payload_encoding: encoding = 'plain',
    qos = 0,
    retain = false,
    properties,
  } = given;
  if (typeof topic !== 'string' || !isValidTopicName(topic) || isReservedTopic(topic))
    throw new RequestFault(400, `${where} needs a topic that clients can publish to.`);
  if (qos !== 0 && qos !== 1 && qos !== 2)
    throw new RequestFault(400, `${where} has a qos that is not 0, 1 or 2.`);
  if (typeof retain !== 'boolean')
    throw new RequestFault(400, `${where} has a retain that is neither true nor false.`);
  return {
    topic,
    payload: payloadOf(payload, encoding, where),
    options: { qos, retain, properties: propertiesOf(properties, where) },
  };
}

function payloadOf(payload: unknown, encoding: unknown, where: string): Uint8Array {
  if (typeof payload !== 'string')
    throw new RequestFault(400, `${where} has a payload that is not a string.`);
  if (encoding === 'plain') return Buffer.from(payload);
  if (encoding !== 'base64')
    throw new RequestFault(400, `${where} has a payload_encoding that is neither plain nor base64.`);
  return bytesOf(payload, `${where} has a payload`);
}

/** Node ignores invalid characters in base64. */
function bytesOf(base64: string, what: string): Buffer {
  if (base64.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(base64)) return Buffer.from(base64, 'base64');
  throw new RequestFault(400, `${what} that is not base64.`);
}

interface NamedProperty {
  readonly name: keyof Properties;
  read(value: unknown): unknown;
}

const isText = (value: unknown): unknown => (typeof value === 'string' ? value : undefined);

const propertyNames: Readonly<Record<string, NamedProperty>> = {
  payload_format_indicator: {
    name: 'payloadFormatIndicator',
    read: (value) => (value === 0 || value === 1 ? value : undefined),
  },
  message_expiry_interval: {
    name: 'messageExpiryInterval',
    read: (value) =>
      typeof value === 'number' && Number.isInteger(value) && value >= 0 && value < 2 ** 32
        ? value
        : undefined,
  },
  content_type: { name: 'contentType', read: isText },
  response_topic: {
    name: 'responseTopic',
    read: (value) => (typeof value === 'string' && isValidTopicName(value) ? value : undefined),
  },
  correlation_data: {
    name: 'correlationData',
    read: (value) =>
      typeof value === 'string' ? bytesOf(value, 'The properties have a correlation_data') : undefined,
  },
  user_properties: { name: 'userProperties', read: userPropertiesOf },
};

function propertiesOf(given: unknown, where: string): Properties {
  if (given === undefined) return {};
  const properties: Record<string, unknown> = {};
  for (const [shown, value] of Object.entries(objectOf(given, `${where}, in its properties,`))) {
    const known = Object.hasOwn(propertyNames, shown) ? propertyNames[shown] : undefined;
    const read = known?.read(value);
    if (known === undefined || read === undefined)
      throw new RequestFault(
        400,
        `${where} has a property '${shown.slice(0, 40)}' that is unknown or has an invalid value: the properties are ${Object.keys(propertyNames).join(', ')}.`,
      );
    properties[known.name] = read;
  }
  return properties;
}

function userPropertiesOf(value: unknown): [string, string][] | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  const pairs = Object.entries(value).flatMap(([name, given]) =>
    (Array.isArray(given) ? given : [given]).map((one: unknown) => [name, one]),
  );
  return pairs.every(([, one]) => typeof one === 'string') ? (pairs as [string, string][]) : undefined;
}

export function objectOf(value: unknown, where: string): Readonly<Record<string, unknown>> {
  if (isRecord(value)) return value;
  throw new RequestFault(400, `${where} must be a JSON object.`);
}

/** As GET returns it: as plain text if the payload is UTF-8. */
export function shownMessage({
  topic,
  payload,
  qos,
  properties,
}: HostMessage): Readonly<Record<string, unknown>> {
  const plain = textOf(payload);
  return {
    topic,
    payload: plain ?? Buffer.from(payload).toString('base64'),
    payload_encoding: plain === undefined ? 'base64' : 'plain',
    qos,
    properties: shownProperties(properties),
  };
}

const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function textOf(payload: Uint8Array): string | undefined {
  try {
    return strictUtf8.decode(payload);
  } catch {
    return undefined; // not text
  }
}

function shownProperties(properties: Properties): Readonly<Record<string, unknown>> {
  const shown: Record<string, unknown> = {};
  for (const [name, { name: inPacket }] of Object.entries(propertyNames)) {
    const value = properties[inPacket];
    if (value === undefined) continue;
    if (value instanceof Uint8Array) shown[name] = Buffer.from(value).toString('base64');
    else shown[name] = inPacket === 'userProperties' ? shownPairs(properties.userProperties ?? []) : value;
  }
  return shown;
}

function shownPairs(pairs: readonly [string, string][]): Readonly<Record<string, string | string[]>> {
  const byName = new Map<string, string[]>();
  for (const [name, value] of pairs) byName.set(name, [...(byName.get(name) ?? []), value]);
  return Object.fromEntries(
    [...byName].map(([name, values]) => [name, values.length === 1 ? values.join() : values]),
  );
}
