/**
 * The subcommand `streams`: 500 streams of messages over HTTP (`/sse`), or 5,000 with --full, beside MQTT subscribers
 * over TCP and WebSockets. All must get every message, those of each topic in the same order.
 */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { WebSocket } from 'ws';
import { type Message, Rally, type WebSocketConstructor } from '../../client/rally.ts';
import { decodePublish } from '../../core/wire/decode-publish.ts';
import { encodePublish } from '../../core/wire/encode-publish.ts';
import { isProtocolError } from '../../core/wire/protocol-error.ts';
import { BenchError } from '../bench-error.ts';
import type { CommandLine } from '../command-line.ts';
import { LoginClient } from '../logins/login-client.ts';
import type { Endpoint } from '../peers/peer.ts';
import { rallymq } from '../peers/rallymq.ts';
import { clear, say, shortNumber, showStep } from '../progress.ts';
import { quantileOf } from '../statistics.ts';

const overTcp = 5;
const overWebSocket = 5;
const subscribers = overTcp + overWebSocket;
/** Each publishes to all topics, so that the broker decides the order of a topic. */
const publishers = 4;
const topics = 4;
const messages = 200;
const messageEveryMs = 100;
const openedAtOnce = 100;
const lastMsMax = 60_000;

/** Returns whether all of them received everything in the same order. */
export async function runStreams({ full, workers }: CommandLine): Promise<boolean> {
  const streams = full ? 5_000 : 500;
  const broker = await rallymq(workers[0] ?? 1).start();
  const { http, tcp, ws } = broker;
  const closers: (() => void)[] = [];
  try {
    if (http === undefined || tcp === undefined || ws === undefined)
      throw new BenchError('The broker has no HTTP, no TCP or no WebSocket.');
    const heard: Heard[] = [];
    const senders: LoginClient[] = [];
    for (let index = 0; index < overTcp + publishers; index++) {
      const client = await LoginClient.open(tcp);
      closers.push(() => client.end());
      if ((await client.logIn({})) !== 0) throw new BenchError('A client was refused.');
      if (index < publishers) senders.push(client);
      else heard.push(await subscribe(client));
    }
    for (let index = 0; index < overWebSocket; index++) {
      const { own, rally } = await subscribeByWebSocket(ws);
      closers.push(() => void rally.close());
      heard.push(own);
    }
    for (let first = 0; first < streams; first += openedAtOnce) {
      showStep(`${first} of ${streams} streams`);
      const opened = await Promise.all(Array.from({ length: openedAtOnce }, () => openStream(http)));
      for (const { own, socket } of opened) {
        heard.push(own);
        closers.push(() => socket.destroy());
      }
    }
    showStep('messages');
    for (let number = 0; number < messages; number++) {
      for (const sender of senders) publish(sender, number);
      await delay(messageEveryMs);
    }
    return await judge(heard, streams);
  } finally {
    for (const close of closers) close();
    await broker.stop();
  }
}

/** The messages received by one of them. */
class Heard {
  count = 0;
  readonly delaysMs: number[] = [];
  /** For each topic: a number that represents its messages and their order. */
  readonly orders: number[] = Array.from({ length: topics }, () => 0);

  take(topic: number, payload: string): void {
    const [sender = '', number = '', sentMs = ''] = payload.split(' ');
    this.count++;
    this.delaysMs.push(performance.now() - Number(sentMs));
    this.orders[topic] = Math.imul(this.orders[topic] ?? 0, 31) + Number(sender) * messages + Number(number);
  }
}

function publish(sender: LoginClient, number: number): void {
  const topic = `bench/${number % topics}`;
  const payload = new TextEncoder().encode(`${senderOf(sender)} ${number} ${performance.now()}`);
  sender.send(encodePublish({ topic, payload, qos: 0, retain: false, dup: false, properties: {} }, 5));
}

const senderNumbers = new Map<LoginClient, number>();

function senderOf(sender: LoginClient): number {
  const known = senderNumbers.get(sender) ?? senderNumbers.size;
  senderNumbers.set(sender, known);
  return known;
}

async function subscribe(client: LoginClient): Promise<Heard> {
  const own = new Heard();
  client.onFrame = (_, { header, body }) => {
    const packet = decodePublish(header, body, 5);
    if (isProtocolError(packet)) throw new BenchError(`The broker sent a malformed PUBLISH: ${packet.why}.`);
    own.take(Number(packet.topic.at(-1)), new TextDecoder().decode(packet.payload));
  };
  await client.subscribe('bench/+', 0);
  return own;
}

async function subscribeByWebSocket({
  host,
  port,
  path = '/',
}: Endpoint): Promise<{ own: Heard; rally: Rally }> {
  const own = new Heard();
  const rally = new Rally(`ws://${host}:${port}${path}`, {
    WebSocket: WebSocket as unknown as WebSocketConstructor,
    reconnect: false,
  });
  const take = (message: Message): void => own.take(Number(message.topic.at(-1)), message.text());
  await rally.subscribe('bench/+', take).ready;
  return { own, rally };
}

/** Between the chunks of the body; an event contains no CR. */
const chunkEnds = /\r\n[0-9a-f]+\r\n/g;
const event = /"topic":"bench\/(\d)","payload":"([^"]*)"/g;

async function openStream({ host, port }: Endpoint): Promise<{ own: Heard; socket: Socket }> {
  const own = new Heard();
  const socket = connect({ host, port });
  let text = '';
  const begun = new Promise<void>((resolve, reject) => {
    socket.setEncoding('utf8').on('data', (chunk: string) => {
      text = (text + chunk).replace(chunkEnds, '');
      if (text.includes('event: missed')) reject(new BenchError('A stream has missed messages.'));
      if (text.includes('retry:')) resolve();
      const end = text.lastIndexOf('\n\n');
      if (end < 0) return;
      for (const [, topic, payload = ''] of text.slice(0, end).matchAll(event))
        own.take(Number(topic), payload);
      text = text.slice(end);
    });
    socket.on('error', reject);
    socket.on('close', () => reject(new BenchError(`A stream was refused: ${text.slice(0, 200)}`)));
  });
  begun.catch(() => {}); // it has begun, and missing messages are counted
  await once(socket, 'connect');
  socket.write(`GET /sse?topic=bench/%2B HTTP/1.1\r\nhost: ${host}:${port}\r\n\r\n`);
  await begun;
  return { own, socket };
}

async function judge(heard: readonly Heard[], streams: number): Promise<boolean> {
  const wanted = publishers * messages;
  for (let waitedMs = 0; waitedMs < lastMsMax && heard.some(({ count }) => count < wanted); waitedMs += 100)
    await delay(100);
  clear();
  const orderOf = ({ orders }: Heard): string => orders.join();
  const [first] = heard;
  const isComplete = heard.every(({ count }) => count === wanted);
  const isOrdered = first !== undefined && heard.every((each) => orderOf(each) === orderOf(first));
  const ofStreams = heard.slice(subscribers).flatMap(({ delaysMs }) => delaysMs);
  const ofMqtt = heard.slice(0, subscribers).flatMap(({ delaysMs }) => delaysMs);
  const shown = (delays: readonly number[]): string =>
    [0.5, 0.99].map((part) => shortNumber(quantileOf(delays, part) ?? Number.NaN)).join(' and ');
  say(
    `${streams.toLocaleString('en')} streams and ${subscribers} subscribers by MQTT, ${overWebSocket} of them over WebSockets, ${isComplete ? 'got' : 'did NOT get'} all ` +
      `${wanted.toLocaleString('en')} messages, ${isOrdered ? '' : 'NOT '}in one order for each topic; half of them and 99 % ` +
      `within ${shown(ofStreams)} ms over HTTP, ${shown(ofMqtt)} by MQTT.`,
  );
  return isComplete && isOrdered;
}
