/** The control packets that a client sends, by hand, for both versions. */
import { type Octets, octets, type Part, packet, properties, string, text, u8, u16 } from './octets.ts';

/** 3.1 has no numbered statements; its few tests write their bytes themselves. */
export const versions = ['3.1.1', '5.0'] as const;
export type Version = (typeof versions)[number];

export type QoS = 0 | 1 | 2;

export interface Will {
  readonly topic: string;
  readonly payload?: string | Uint8Array;
  readonly qos?: QoS;
  readonly retain?: boolean;
  /** Of MQTT 5, without their length. */
  readonly properties?: Part;
}

export interface ConnectFields {
  /** Default: none, of length 0. */
  readonly clientId?: string;
  /** Clean session, or clean start. Default true. */
  readonly clean?: boolean;
  /** In seconds. Default 0. */
  readonly keepAlive?: number;
  readonly will?: Will;
  readonly username?: string;
  readonly password?: string | Uint8Array;
  /** Of MQTT 5, without their length. */
  readonly properties?: Part;
}

export interface PublishFields {
  readonly qos?: QoS;
  /** The packet identifier, which QoS 1 and 2 need. Default 1. */
  readonly id?: number;
  readonly dup?: boolean;
  readonly retain?: boolean;
  /** Of MQTT 5, without their length. */
  readonly properties?: Part;
}

export interface SubscribeFields {
  /** The packet identifier. Default 1. */
  readonly id?: number;
  /** Of MQTT 5, without their length. */
  readonly properties?: Part;
}

export const pingreq = octets('c0 00');
export const pingresp = octets('d0 00');
/** The normal one, of both versions. */
export const disconnect = octets('e0 00');

export const puback = (id: number): Octets => packet(0x40, u16(id));
export const pubrec = (id: number): Octets => packet(0x50, u16(id));
export const pubrel = (id: number): Octets => packet(0x62, u16(id));
export const pubcomp = (id: number): Octets => packet(0x70, u16(id));

export function connect(version: Version, fields: ConnectFields = {}): Octets {
  const { clientId = '', clean = true, keepAlive = 0, will, username, password } = fields;
  const flags =
    (clean ? 0x02 : 0) |
    (will === undefined ? 0 : 0x04 | ((will.qos ?? 0) << 3) | (will.retain ? 0x20 : 0)) |
    (password === undefined ? 0 : 0x40) |
    (username === undefined ? 0 : 0x80);
  return packet(
    0x10,
    string('MQTT'),
    u8(version === '5.0' ? 5 : 4),
    u8(flags),
    u16(keepAlive),
    propertiesOf(version, fields.properties),
    string(clientId),
    ...(will === undefined ? [] : [willOf(version, will)]),
    ...(username === undefined ? [] : [string(username)]),
    ...(password === undefined ? [] : [string(password)]),
  );
}

function willOf(version: Version, { topic, payload = '', properties: given }: Will): Octets {
  return octets(propertiesOf(version, given), string(topic), string(payload));
}

export function publish(
  version: Version,
  topic: string,
  payload: string | Uint8Array = '',
  fields: PublishFields = {},
): Octets {
  const { qos = 0, id = 1, dup = false, retain = false } = fields;
  return packet(
    0x30 | (dup ? 8 : 0) | (qos << 1) | (retain ? 1 : 0),
    string(topic),
    qos > 0 ? u16(id) : '',
    propertiesOf(version, fields.properties),
    typeof payload === 'string' ? text(payload) : payload,
  );
}

/** `options` is the byte behind each filter: the QoS in 3.1.1, the subscription options in 5.0. */
export function subscribe(
  version: Version,
  filters: readonly (readonly [filter: string, options: number])[],
  { id = 1, properties: given }: SubscribeFields = {},
): Octets {
  const entries = filters.flatMap(([filter, options]) => [string(filter), u8(options)]);
  return packet(0x82, u16(id), propertiesOf(version, given), ...entries);
}

export function unsubscribe(
  version: Version,
  filters: readonly string[],
  { id = 1, properties: given }: SubscribeFields = {},
): Octets {
  return packet(0xa2, u16(id), propertiesOf(version, given), ...filters.map((filter) => string(filter)));
}

function propertiesOf(version: Version, given: Part = ''): Octets {
  if (version === '5.0') return properties(given);
  if (given.length > 0) throw new RangeError('3.1.1 has no properties');
  return octets();
}
