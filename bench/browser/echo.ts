/**
 * Runs in the page: it publishes and receives its own messages, a given number in flight at a time. Only this
 * code counts them, so it is the same for every broker and client library.
 */

export interface EchoOptions {
  readonly client: 'rally' | 'mqtt.js';
  readonly url: string;
  /** The broker speaks MQTT 3.1.1 and not 5.0. */
  readonly isVersion4: boolean;
  readonly qos: 0 | 1 | 2;
  /** Messages on the way. */
  readonly window: number;
  readonly seconds: number;
}

export interface EchoResult {
  readonly perSecond: number;
  /** From `publish` to the listener. */
  readonly p50Us: number;
  readonly p99Us: number;
  /** Messages that had not come back a few seconds after the last one was sent. */
  readonly lost: number;
}

interface Echoing {
  publish(): void;
  close(): void;
}

const payload = new Uint8Array(64);
const warmMs = 300;
const drainMs = 5_000;

/** Errors: what the client library throws. */
export async function echo(options: EchoOptions): Promise<EchoResult> {
  const { window, seconds } = options;
  /** When each message was published; they come back in order. */
  const publishedAtMs: number[] = [];
  const latenciesMs: number[] = [];
  let returned = 0;
  let isOver = false;
  let startMs = Number.POSITIVE_INFINITY;
  let drained = (): void => {};
  const publish = (): void => {
    publishedAtMs.push(performance.now());
    echoing.publish();
  };
  const echoing = await open(options, () => {
    const sentMs = publishedAtMs[returned++] as number;
    if (sentMs >= startMs && !isOver) latenciesMs.push(performance.now() - sentMs);
    if (!isOver) publish();
    else if (returned === publishedAtMs.length) drained();
  });
  for (let onTheWay = 0; onTheWay < window; onTheWay++) publish();
  await pause(warmMs);
  startMs = performance.now();
  await pause(seconds * 1_000);
  isOver = true;
  const measuredSeconds = (performance.now() - startMs) / 1_000;
  await Promise.race([new Promise<void>((resolve) => (drained = resolve)), pause(drainMs)]);
  echoing.close();
  latenciesMs.sort((a, b) => a - b);
  const percentileUs = (share: number): number =>
    (latenciesMs[Math.floor(share * (latenciesMs.length - 1))] ?? 0) * 1_000;
  return {
    perSecond: latenciesMs.length / measuredSeconds,
    p50Us: percentileUs(0.5),
    p99Us: percentileUs(0.99),
    lost: publishedAtMs.length - returned,
  };
}

function open(options: EchoOptions, onMessage: () => void): Promise<Echoing> {
  const topic = `bench/echo/${Math.random()}`;
  return options.client === 'rally'
    ? openRally(options, topic, onMessage)
    : openMqttJs(options, topic, onMessage);
}

async function openRally(
  { url, isVersion4, qos }: EchoOptions,
  topic: string,
  onMessage: () => void,
): Promise<Echoing> {
  const { connect } = await load('/rally.js');
  const rally = await connect(url, isVersion4 ? { WebSocket: (await load('/mqtt-3.js')).mqtt3() } : {});
  await rally.subscribe(topic, onMessage, { qos }).ready;
  return { publish: () => void rally.publish(topic, payload, { qos }), close: () => rally.close() };
}

async function openMqttJs(
  { url, isVersion4, qos }: EchoOptions,
  topic: string,
  onMessage: () => void,
): Promise<Echoing> {
  const { default: mqtt } = await load('/mqtt.esm.js');
  const client = await mqtt.connectAsync(url, { protocolVersion: isVersion4 ? 4 : 5 });
  client.on('message', onMessage);
  await client.subscribeAsync(topic, { qos });
  return { publish: () => client.publish(topic, payload, { qos }), close: () => client.end(true) };
}

// biome-ignore lint/suspicious/noExplicitAny: the page's server has them, and tsc does not know where
function load(path: string): Promise<any> {
  return import(path);
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
