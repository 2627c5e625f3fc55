/**
 * The lines of an export: JSON objects that a person can read, and that can be imported.
 *
 *   {"rallymq":"store","version":1,...}                 the first one
 *   {"message":64,"topic":"a/b","payload":"text",...}   each message once, before lines that refer to its number
 *   {"retained":64}
 *   {"session":...,"clientId":"phone","subscriptions":[...],"waiting":[...]}
 *   {"unclaimed":64,"share":"$share/workers/jobs"}      no member of the share has it
 *   {"end":5}                                           the last one: the number of lines before it
 *
 * Bytes are text if they are readable, otherwise {"base64":"..."}. Properties have their names in MQTT 5. Default values
 * (nothing, 0, false) are left out.
 */
import type { StoredContent, StoredDelivery, StoredSubscription, StoreItem } from '../data-plane/addon.ts';
import { isRecord } from '../unknown-value.ts';
import { decodeProperties } from '../wire/decode-properties.ts';
import { encodeProperties } from '../wire/encode-properties.ts';
import { PacketType } from '../wire/packet-type.ts';
import { type Properties, propertyTable } from '../wire/properties.ts';
import { Reader } from '../wire/reader.ts';
import { isValidTopicFilter, isValidTopicName } from '../wire/topic.ts';
import { concat, write } from '../wire/write.ts';

export const linesVersion = 1;

type Line = Readonly<Record<string, unknown>>;

const contentFields = ['topic', 'payload', 'qos', 'retain', 'properties'];

/** The fields of each object. */
const fields = {
  store: ['rallymq', 'version', 'run', 'lastMessage', 'lastSeenAt'],
  message: ['message', ...contentFields, 'publisher', 'expiresAt'],
  retained: ['retained'],
  unclaimed: ['unclaimed', 'share'],
  session: [
    'session',
    'clientId',
    'expirySeconds',
    'leftAt',
    'access',
    'will',
    'subscriptions',
    'received',
    'waiting',
  ],
  will: [...contentFields, 'delaySeconds', 'expirySeconds'],
  subscriptions: ['filter', 'qos', 'noLocal', 'retainAsPublished', 'subscriptionId'],
  waiting: ['message', 'qos', 'retain', 'isFromStore', 'packetId', 'share', 'subscriptionIds'],
  end: ['end'],
} as const;

// --- to lines -----------------------------------------------------------------------------------------

export function lineOf(item: StoreItem): string {
  return JSON.stringify(readable(item));
}

/** The last one. */
export function endLine(linesBefore: number): string {
  return JSON.stringify({ end: linesBefore });
}

function readable(item: StoreItem): Line {
  switch (item.kind) {
    case 'store': {
      const { run, lastMessage, lastMs } = item;
      return {
        rallymq: 'store',
        version: linesVersion,
        run,
        lastMessage,
        lastSeenAt: lastMs === 0 ? undefined : timeOf(lastMs),
      };
    }
    case 'message': {
      const { number, publisher, expiresAtMs } = item;
      const expiresAt = expiresAtMs === 0 ? undefined : timeOf(expiresAtMs);
      return { message: number, ...readableContent(item), publisher: publisher || undefined, expiresAt };
    }
    case 'retained':
      return { retained: item.message };
    case 'unclaimed':
      return { unclaimed: item.message, share: item.share };
    case 'session': {
      const { session, clientId, expirySeconds, leftAtMs, access, received, will } = item;
      return {
        session,
        clientId,
        expirySeconds,
        leftAt: leftAtMs === 0 ? undefined : timeOf(leftAtMs),
        access: access.length === 0 ? undefined : base64Of(access),
        will: will && {
          ...readableContent(will),
          delaySeconds: will.delaySeconds || undefined,
          expirySeconds: will.expirySeconds < 0 ? undefined : will.expirySeconds,
        },
        subscriptions: sorted(item.subscriptions).map(({ subscriptionId, ...each }) => ({
          ...withoutDefaults(each),
          qos: each.qos,
          subscriptionId: subscriptionId || undefined,
        })),
        received: received.length === 0 ? undefined : received.toSorted((a, b) => a - b),
        waiting: item.waiting.map(({ subscriptionIds, ...each }) => ({
          ...withoutDefaults(each),
          qos: each.qos,
          subscriptionIds: subscriptionIds.length === 0 ? undefined : subscriptionIds,
        })),
      };
    }
  }
}

/** The same store gives the same line. */
function sorted(subscriptions: readonly StoredSubscription[]): StoredSubscription[] {
  return subscriptions.toSorted((a, b) => (a.filter < b.filter ? -1 : 1));
}

function readableContent({ topic, payload, properties, qos, retain }: StoredContent): Line {
  return {
    topic,
    payload: readableBytes(payload),
    qos,
    retain: retain || undefined,
    properties: properties.length === 0 ? undefined : readableProperties(properties),
  };
}

function readableProperties(bytes: Uint8Array): Line {
  const reader = new Reader(concat([write.variableByteInteger(bytes.length), bytes]));
  const { correlationData, ...properties } = decodeProperties(reader, PacketType.publish);
  return correlationData === undefined
    ? { ...properties }
    : { ...properties, correlationData: readableBytes(correlationData) };
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function readableBytes(bytes: Uint8Array): unknown {
  try {
    const text = utf8.decode(bytes);
    return isReadable(text) ? text : base64Of(bytes);
  } catch {
    return base64Of(bytes);
  }
}

/** Without control characters other than tabs and line breaks. */
function isReadable(text: string): boolean {
  return !/[\0-\x08\x0b\x0c\x0e-\x1f\x7f]/.test(text);
}

function base64Of(bytes: Uint8Array): { readonly base64: string } {
  return { base64: Buffer.from(bytes).toString('base64') };
}

function timeOf(ms: number): string {
  return new Date(ms).toISOString();
}

function withoutDefaults(object: object): Line {
  const said = Object.entries(object).filter(([, value]) => value !== 0 && value !== false && value !== '');
  return Object.fromEntries(said);
}

// --- from lines ---------------------------------------------------------------------------------------

/** An error in a line. */
export class LineFault extends Error {}

/** Positive whole numbers; a Set has no room for more than 16 million. */
class NumberSet {
  readonly #parts: Set<number>[] = [];

  has(number: number): boolean {
    return this.#parts[partOf(number)]?.has(number) ?? false;
  }
  add(number: number): void {
    const part = this.#parts[partOf(number)] ?? new Set();
    this.#parts[partOf(number)] = part.add(number);
  }
}

/** The lowest bits of a message number are those of a worker, and often the same. */
function partOf(number: number): number {
  return Math.floor(number / 64) % 256;
}

/** Reads the lines of one export, in their order. */
export class LineReader {
  readonly #messages = new NumberSet();
  readonly #sessions = new NumberSet();
  readonly #clientIds = new Set<string>();
  #lines = 0;
  #hasEnded = false;

  /** Undefined for the last line. Throws a LineFault. */
  read(text: string): StoreItem | undefined {
    const line = parsed(text);
    if (this.#hasEnded) throw new LineFault('it follows the last line of the export');
    if ('end' in line) return this.#end(line);
    if (this.#lines++ === 0) return storeOf(line);
    if ('message' in line) return this.#message(line);
    if ('retained' in line) return this.#retained(line);
    if ('session' in line) return this.#session(line);
    if ('unclaimed' in line) return this.#unclaimed(line);
    throw new LineFault('it is not a message, a session or another part of an export');
  }

  /** Called after the last line. Throws a LineFault if the export is incomplete. */
  finish(): void {
    if (this.#hasEnded) return;
    throw new LineFault('the last line of the export, {"end":...}, does not follow: the file is cut off');
  }

  #end(line: Line): undefined {
    refuseOthers(line, 'end');
    const lines = integerIn(line, 'end', 0, Number.MAX_SAFE_INTEGER);
    if (lines !== this.#lines)
      throw new LineFault(`there should be ${lines} lines before it, not ${this.#lines}`);
    this.#hasEnded = true;
  }
  #message(line: Line): StoreItem {
    refuseOthers(line, 'message');
    const number = integerIn(line, 'message', 1, Number.MAX_SAFE_INTEGER);
    if (this.#messages.has(number)) throw new LineFault(`message ${number} occurs twice`);
    this.#messages.add(number);
    return {
      kind: 'message',
      number,
      ...contentOf(line),
      publisher: integerIn(line, 'publisher', 0, Number.MAX_SAFE_INTEGER, 0),
      expiresAtMs: timeIn(line, 'expiresAt'),
    };
  }
  #retained(line: Line): StoreItem {
    refuseOthers(line, 'retained');
    return { kind: 'retained', message: this.#known(line, 'retained') };
  }
  #unclaimed(line: Line): StoreItem {
    refuseOthers(line, 'unclaimed');
    return { kind: 'unclaimed', message: this.#known(line, 'unclaimed'), share: filterIn(line, 'share') };
  }
  #known(line: Line, name: string): number {
    const number = integerIn(line, name, 1, Number.MAX_SAFE_INTEGER);
    if (!this.#messages.has(number)) throw new LineFault(`there is no message ${number} before it`);
    return number;
  }

  #session(line: Line): StoreItem {
    refuseOthers(line, 'session');
    const clientId = textIn(line, 'clientId');
    if (clientId === '' || this.#clientIds.has(clientId))
      throw new LineFault(`clientId: '${clientId}' is empty, or occurs twice`);
    this.#clientIds.add(clientId);
    const session = integerIn(line, 'session', 1, Number.MAX_SAFE_INTEGER);
    if (this.#sessions.has(session)) throw new LineFault(`session ${session} occurs twice`);
    this.#sessions.add(session);
    const { will } = line;
    return {
      kind: 'session',
      session,
      clientId,
      expirySeconds: integerIn(line, 'expirySeconds', 0, 4_294_967_295),
      leftAtMs: timeIn(line, 'leftAt'),
      access: bytesIn(line, 'access'),
      ...(will === undefined ? {} : { will: willOf(objectOf(will, 'will')) }),
      subscriptions: listIn(line, 'subscriptions').map((each) =>
        subscriptionOf(objectOf(each, 'subscriptions')),
      ),
      received: listIn(line, 'received').map((each) => integerOf(each, 'received', 1, 65_535)),
      waiting: listIn(line, 'waiting').map((each) => this.#delivery(objectOf(each, 'waiting'))),
    };
  }
  #delivery(line: Line): StoredDelivery {
    refuseOthers(line, 'waiting');
    const message = line['message'] === undefined ? 0 : this.#known(line, 'message');
    const packetId = integerIn(line, 'packetId', 0, 65_535, 0);
    if (message === 0 && packetId === 0) throw new LineFault('waiting: neither message nor packetId');
    return {
      message,
      qos: integerIn(line, 'qos', 1, 2),
      retain: truthIn(line, 'retain'),
      isFromStore: truthIn(line, 'isFromStore'),
      packetId,
      share: line['share'] === undefined ? '' : filterIn(line, 'share'),
      subscriptionIds: listIn(line, 'subscriptionIds').map((each) =>
        integerOf(each, 'subscriptionIds', 1, 268_435_455),
      ),
    };
  }
}

function parsed(text: string): Line {
  try {
    return objectOf(JSON.parse(text), 'the line');
  } catch (error) {
    if (error instanceof LineFault) throw error;
    throw new LineFault(`it is not JSON: ${(error as Error).message}`);
  }
}

function storeOf(line: Line): StoreItem {
  if (line['rallymq'] !== 'store') throw new LineFault('it is not the first line of an export of RallyMQ');
  const version = integerIn(line, 'version', 1, Number.MAX_SAFE_INTEGER);
  if (version > linesVersion)
    throw new LineFault(`version ${version} was written by a newer RallyMQ: use that`);
  refuseOthers(line, 'store');
  return {
    kind: 'store',
    run: integerIn(line, 'run', 0, 1_048_576),
    lastMessage: integerIn(line, 'lastMessage', 0, Number.MAX_SAFE_INTEGER),
    lastMs: timeIn(line, 'lastSeenAt'),
  };
}

function contentOf(line: Line): StoredContent {
  const topic = textIn(line, 'topic');
  if (!isValidTopicName(topic)) throw new LineFault(`topic: '${topic}' is not a topic name`);
  return {
    topic,
    payload: bytesIn(line, 'payload'),
    properties: propertiesIn(line),
    qos: integerIn(line, 'qos', 0, 2),
    retain: truthIn(line, 'retain'),
  };
}

function propertiesIn(line: Line): Uint8Array {
  if (line['properties'] === undefined) return new Uint8Array();
  const { correlationData, ...rest } = objectOf(line['properties'], 'properties');
  const properties = {
    ...rest,
    ...(correlationData === undefined
      ? {}
      : { correlationData: bytesOf(correlationData, 'correlationData') }),
  } as Properties;
  const unknown = Object.keys(properties).find((name) => !propertyTable.some((row) => row[1] === name));
  if (unknown !== undefined) throw new LineFault(`properties: there is no ${unknown}`);
  try {
    const encoded = concat([encodeProperties(properties, PacketType.publish)]);
    const reader = new Reader(encoded);
    const length = reader.variableByteInteger();
    const again = new Reader(encoded);
    decodeProperties(again, PacketType.publish);
    if (again.fault !== undefined) throw new LineFault(`properties: ${again.fault.why}`);
    return encoded.slice(encoded.length - length);
  } catch (error) {
    if (error instanceof LineFault) throw error;
    throw new LineFault(`properties: ${(error as Error).message}`);
  }
}

function willOf(line: Line) {
  refuseOthers(line, 'will');
  return {
    ...contentOf(line),
    delaySeconds: integerIn(line, 'delaySeconds', 0, 4_294_967_295, 0),
    expirySeconds: integerIn(line, 'expirySeconds', 0, 4_294_967_295, -1),
  };
}

function subscriptionOf(line: Line): StoredSubscription {
  refuseOthers(line, 'subscriptions');
  return {
    filter: filterIn(line, 'filter'),
    qos: integerIn(line, 'qos', 0, 2),
    noLocal: truthIn(line, 'noLocal'),
    retainAsPublished: truthIn(line, 'retainAsPublished'),
    subscriptionId: integerIn(line, 'subscriptionId', 0, 268_435_455, 0),
  };
}

// --- values -------------------------------------------------------------------------------------------

function objectOf(value: unknown, name: string): Line {
  if (isRecord(value)) return value;
  throw new LineFault(`${name} is not an object`);
}

/** A name that is mistyped must not be taken for one that is left out. */
function refuseOthers(line: Line, kind: keyof typeof fields): void {
  const known: readonly string[] = fields[kind];
  const other = Object.keys(line).find((name) => !known.includes(name));
  if (other !== undefined) throw new LineFault(`${kind} has no field ${other}`);
}

function listIn(line: Line, name: string): readonly unknown[] {
  const value = line[name] ?? [];
  if (Array.isArray(value)) return value;
  throw new LineFault(`${name} is not a list`);
}

function integerOf(value: unknown, name: string, min: number, max: number): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max) return value;
  throw new LineFault(`${name} is not a whole number from ${min} to ${max}`);
}

function integerIn(line: Line, name: string, min: number, max: number, absent?: number): number {
  if (line[name] === undefined && absent !== undefined) return absent;
  return integerOf(line[name], name, min, max);
}

function truthIn(line: Line, name: string): boolean {
  const value = line[name] ?? false;
  if (typeof value === 'boolean') return value;
  throw new LineFault(`${name} is neither true nor false`);
}

function textIn(line: Line, name: string): string {
  const value = line[name];
  if (typeof value === 'string' && isWellFormed(value) && Buffer.byteLength(value) <= 65_535) return value;
  throw new LineFault(`${name} is not a string of at most 65535 bytes`);
}

/** Without lone surrogates, which UTF-8 cannot represent. */
function isWellFormed(text: string): boolean {
  return Buffer.from(text).toString() === text;
}

function filterIn(line: Line, name: string): string {
  const filter = textIn(line, name);
  if (isValidTopicFilter(filter)) return filter;
  throw new LineFault(`${name}: '${filter}' is not a topic filter`);
}

function bytesIn(line: Line, name: string): Uint8Array {
  return bytesOf(line[name] ?? '', name);
}

function bytesOf(value: unknown, name: string): Uint8Array {
  if (typeof value === 'string') return new TextEncoder().encode(value);
  const { base64 } = objectOf(value, name);
  if (typeof base64 !== 'string') throw new LineFault(`${name} is neither text nor base64`);
  const bytes = Buffer.from(base64, 'base64');
  if (bytes.toString('base64') !== base64) throw new LineFault(`${name} is not valid base64`);
  return new Uint8Array(bytes);
}

function timeIn(line: Line, name: string): number {
  const value = line[name];
  if (value === undefined) return 0;
  const ms = typeof value === 'string' ? Date.parse(value) : Number.NaN;
  if (ms > 0) return ms;
  throw new LineFault(`${name} is not a time such as 2026-11-28T09:00:00Z`);
}
