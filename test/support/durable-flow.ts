/**
 * QoS 1 from end to end with MQTT.js, as used by programs: messages confirmed to a publisher, and those a subscriber
 * received.
 */
import type { TestContext } from 'node:test';
import mqtt, { type MqttClient } from 'mqtt';
import { atEnd } from './at-end.ts';
import { within } from './wait.ts';

const reconnectPeriod = 200;
const inFlight = 10;

/** Publishes messages one after the other, some concurrently, and continues after each interruption. */
export class Publisher {
  /** Acknowledged by a broker. */
  readonly safe = new Set<string>();
  readonly #client: MqttClient;
  readonly #topic: string;
  readonly #loops: Promise<void>[];
  #isStopping = false;
  #count = 0;

  constructor(test: TestContext, port: number, name: string, topic: string) {
    this.#topic = topic;
    this.#client = mqtt.connect(`mqtt://127.0.0.1:${port}`, { clientId: name, clean: true, reconnectPeriod });
    this.#client.on('error', () => {}); // it retries
    atEnd(test, () => this.#client.end(true));
    this.#loops = Array.from({ length: inFlight }, () => this.#publish(name));
  }

  async #publish(name: string): Promise<void> {
    while (!this.#isStopping) {
      const payload = `${name}: ${this.#count++}`;
      await this.#client.publishAsync(this.#topic, payload, { qos: 1 });
      this.safe.add(payload);
    }
  }

  /** Resolves when everything begun is acknowledged. */
  async finish(): Promise<void> {
    this.#isStopping = true;
    await within('the last acknowledgements', Promise.all(this.#loops), 60_000);
  }
}

/** A session that outlives connections and brokers. */
export class Subscriber {
  readonly received = new Set<string>();
  readonly client: MqttClient;

  private constructor(test: TestContext, port: number, name: string) {
    // MQTT.js loses messages that arrive before the first listener exists.
    this.client = mqtt.connect(`mqtt://127.0.0.1:${port}`, {
      clientId: name,
      clean: false,
      reconnectPeriod,
      resubscribe: false,
    });
    this.client.on('error', () => {});
    this.client.on('message', (_topic, payload) => void this.received.add(payload.toString()));
    atEnd(test, () => this.client.end(true));
  }

  static async open(test: TestContext, port: number, name: string, filter: string): Promise<Subscriber> {
    const subscriber = new Subscriber(test, port, name);
    await within('a subscription', subscriber.client.subscribeAsync(filter, { qos: 1 }));
    return subscriber;
  }
}

export function missing(safe: Iterable<string>, received: ReadonlySet<string>): string[] {
  return [...safe].filter((payload) => !received.has(payload));
}
