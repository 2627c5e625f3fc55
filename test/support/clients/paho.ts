/**
 * Paho, the Python client: one Python process runs all clients of a test file (paho-client.py), controlled by one
 * line of JSON per command.
 */
import assert from 'node:assert/strict';
import { type ChildProcessWithoutNullStreams, spawn, spawnSync } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { QoS } from '../../../core/wire/packets.ts';
import { atEnd } from '../at-end.ts';
import { within } from '../wait.ts';
import type {
  ClientKind,
  ConnectOptions,
  Message,
  MessageProperties,
  PublishOptions,
  SubscribeOptions,
  TestClient,
} from './test-client.ts';

const python = '/usr/bin/python3';

/** Seen from dist/test/support/clients. */
const script = fileURLToPath(new URL('../../../../test/e2e/clients/paho-client.py', import.meta.url));

/** The script's output: the answer to a request, or an event of a client. */
type Line =
  | { readonly request: number; readonly result?: unknown; readonly error?: string }
  | { readonly client: number; readonly message: WireMessage }
  | { readonly client: number; readonly closed: number | null };

interface WireMessage {
  readonly topic: string;
  readonly payload: string;
  readonly qos: QoS;
  readonly retain: boolean;
  readonly properties: Omit<MessageProperties, 'correlationData'> & { readonly correlationData?: string };
}

interface Answer {
  resolve(result: unknown): void;
  reject(error: Error): void;
}

/** Fails with the name of the Debian package if the program is not installed. */
function assertPahoIsInstalled(): void {
  const { status } = spawnSync(python, ['-c', 'import paho.mqtt.client']);
  assert.equal(status, 0, 'Paho is missing: install the Debian package python3-paho-mqtt');
}

export class PahoHost {
  readonly #process: ChildProcessWithoutNullStreams;
  readonly #answers = new Map<number, Answer>();
  readonly #clients = new Map<number, PahoClient>();
  #requests = 0;
  #stderr = '';

  private constructor(process: ChildProcessWithoutNullStreams) {
    this.#process = process;
    createInterface({ input: process.stdout }).on('line', (line) => this.#onLine(JSON.parse(line) as Line));
    process.stderr.on('data', (text: Buffer) => {
      this.#stderr += text.toString();
    });
    process.once('close', () => {
      const error = new Error(`the Python process has ended:\n${this.#stderr}`);
      for (const answer of this.#answers.values()) answer.reject(error);
    });
  }

  static start(test: TestContext): PahoHost {
    assertPahoIsInstalled();
    const process = spawn(python, [script]);
    atEnd(test, () => process.kill('SIGKILL'));
    return new PahoHost(process);
  }

  kind(version: 4 | 5, transport: 'websockets' | 'tcp'): ClientKind {
    return {
      name: `Paho, version ${version}, ${transport}`,
      version,
      tellsDisconnectReason: false, // Paho 1.6 looks for it only in packets with properties
      connect: async (test, { port, tcpPort }, options) => {
        const number = this.#clients.size + 1;
        const client = new PahoClient(this, number);
        this.#clients.set(number, client);
        atEnd(test, () => client.drop());
        const address = { port: transport === 'tcp' ? tcpPort : port, transport, version };
        client.isSessionPresent =
          (await client.tell('connect', { ...address, ...withDefaults(options) })) === true;
        return client;
      },
    };
  }

  async tell(client: number, action: string, parameters: object): Promise<unknown> {
    const request = ++this.#requests;
    const answer = new Promise<unknown>((resolve, reject) => this.#answers.set(request, { resolve, reject }));
    this.#process.stdin.write(`${JSON.stringify({ request, client, action, ...parameters })}\n`);
    return await within(`Paho: ${action}`, answer);
  }

  #onLine(line: Line): void {
    if ('request' in line) {
      const answer = this.#answers.get(line.request);
      this.#answers.delete(line.request);
      if (line.error === undefined) answer?.resolve(line.result);
      else answer?.reject(new Error(`Paho: ${line.error}`));
    } else if ('message' in line) {
      this.#clients.get(line.client)?.received.push(fromWire(line.message));
    } else {
      this.#clients.get(line.client)?.onClosed(line.closed ?? undefined);
    }
  }
}

class PahoClient implements TestClient {
  isSessionPresent = false;
  readonly received: Message[] = [];
  readonly closed: Promise<number | undefined>;
  onClosed: (reasonCode: number | undefined) => void = () => {};
  readonly #host: PahoHost;
  readonly #number: number;

  constructor(host: PahoHost, number: number) {
    this.#host = host;
    this.#number = number;
    this.closed = new Promise((resolve) => {
      this.onClosed = resolve;
    });
  }

  tell(action: string, parameters: object): Promise<unknown> {
    return this.#host.tell(this.#number, action, parameters);
  }

  async subscribe(filter: string, qos: QoS, options: SubscribeOptions = {}): Promise<number> {
    return Number(await this.tell('subscribe', { filter, qos, ...options }));
  }

  async unsubscribe(filter: string): Promise<void> {
    await this.tell('unsubscribe', { filter });
  }

  async publish(topic: string, payload: string | Buffer, options: PublishOptions = {}): Promise<void> {
    const { qos = 0, retain = false, properties } = options;
    await this.tell('publish', {
      topic,
      payload: Buffer.from(payload).toString('base64'),
      qos,
      retain,
      ...(properties === undefined ? {} : { properties: toWire(properties) }),
    });
  }

  async disconnect(): Promise<void> {
    await this.tell('disconnect', {});
  }

  async drop(): Promise<void> {
    await this.tell('drop', {});
  }
}

function withDefaults({ will, ...options }: ConnectOptions): object {
  if (will === undefined) return options;
  return { ...options, will: { qos: 0, retain: false, ...will } };
}

function toWire({ correlationData, ...others }: MessageProperties): WireMessage['properties'] {
  return {
    ...others,
    ...(correlationData === undefined ? {} : { correlationData: correlationData.toString('base64') }),
  };
}

function fromWire({ payload, properties, ...others }: WireMessage): Message {
  const { correlationData, ...rest } = properties;
  return {
    ...others,
    payload: Buffer.from(payload, 'base64'),
    properties: {
      ...rest,
      ...(correlationData === undefined ? {} : { correlationData: Buffer.from(correlationData, 'base64') }),
    },
  };
}
