/** MQTT.js, the client of most web pages and Node.js programs. */
import mqtt, { type IClientOptions, type IPublishPacket, type MqttClient } from 'mqtt';
import type { QoS } from '../../../core/wire/packets.ts';
import { atEnd } from '../at-end.ts';
import type { RunningBroker } from '../broker.ts';
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

type PacketProperties = NonNullable<IPublishPacket['properties']>;

export function mqttJs(version: 3 | 4 | 5, transport: 'ws' | 'tcp'): ClientKind {
  return {
    name: `MQTT.js, version ${version}, ${transport}`,
    version,
    tellsDisconnectReason: version === 5,
    async connect(test, broker, options) {
      const client = new MqttJsClient(connectOptions(version, transport, broker, options));
      atEnd(test, () => client.drop());
      await client.connected();
      return client;
    },
  };
}

function connectOptions(
  version: 3 | 4 | 5,
  transport: 'ws' | 'tcp',
  { port, tcpPort }: RunningBroker,
  { clientId, cleanStart = true, will, sessionExpirySeconds }: ConnectOptions,
): IClientOptions {
  return {
    protocolVersion: version,
    protocolId: version === 3 ? 'MQIsdp' : 'MQTT',
    clientId,
    clean: cleanStart,
    reconnectPeriod: 0,
    resubscribe: false,
    host: '127.0.0.1',
    ...(transport === 'ws' ? { protocol: 'ws', port, path: '/mqtt' } : { protocol: 'mqtt', port: tcpPort }),
    ...(sessionExpirySeconds === undefined
      ? {}
      : { properties: { sessionExpiryInterval: sessionExpirySeconds } }),
    ...(will === undefined
      ? {}
      : {
          will: {
            topic: will.topic,
            payload: Buffer.from(will.payload),
            qos: will.qos ?? 0,
            retain: will.retain ?? false,
            ...(will.delaySeconds === undefined
              ? {}
              : { properties: { willDelayInterval: will.delaySeconds } }),
          },
        }),
  };
}

class MqttJsClient implements TestClient {
  isSessionPresent = false;
  readonly received: Message[] = [];
  readonly closed: Promise<number | undefined>;
  readonly #client: MqttClient;
  #disconnectReason: number | undefined;

  constructor(options: IClientOptions) {
    this.#client = mqtt.connect(options);
    this.#client.on('error', () => {}); // 'close' follows
    this.#client.on('message', (topic, payload, packet) => {
      const { qos, retain, properties = {} } = packet;
      this.received.push({ topic, payload, qos, retain, properties: fromPacket(properties) });
    });
    this.#client.on('disconnect', ({ reasonCode }) => {
      this.#disconnectReason = reasonCode;
    });
    this.closed = new Promise((resolve) => {
      this.#client.once('close', () => resolve(this.#disconnectReason));
    });
  }

  async connected(): Promise<void> {
    const connack = await within(
      'CONNACK',
      new Promise<{ sessionPresent: boolean }>((resolve, reject) => {
        this.#client.once('connect', resolve);
        this.#client.once('error', reject);
        this.#client.once('close', () => reject(new Error('closed before the CONNACK')));
      }),
    );
    this.isSessionPresent = connack.sessionPresent;
  }

  async subscribe(filter: string, qos: QoS, options: SubscribeOptions = {}): Promise<number> {
    const { noLocal, retainAsPublished, retainHandling, subscriptionIdentifier } = options;
    const granted = await this.#client.subscribeAsync(filter, {
      qos,
      ...(noLocal === undefined ? {} : { nl: noLocal }),
      ...(retainAsPublished === undefined ? {} : { rap: retainAsPublished }),
      ...(retainHandling === undefined ? {} : { rh: retainHandling }),
      ...(subscriptionIdentifier === undefined ? {} : { properties: { subscriptionIdentifier } }),
    });
    return granted[0]?.qos ?? -1;
  }

  async unsubscribe(filter: string): Promise<void> {
    await this.#client.unsubscribeAsync(filter);
  }

  async publish(topic: string, payload: string | Buffer, options: PublishOptions = {}): Promise<void> {
    const { qos = 0, retain = false, properties } = options;
    const packetProperties = properties === undefined ? {} : { properties: toPacket(properties) };
    await this.#client.publishAsync(topic, payload, { qos, retain, ...packetProperties });
  }

  async disconnect(): Promise<void> {
    await this.#client.endAsync();
  }

  async drop(): Promise<void> {
    this.#client.stream.destroy();
    await this.#client.endAsync(true);
  }
}

function toPacket(properties: MessageProperties): PacketProperties {
  const { messageExpirySeconds, userProperties, subscriptionIdentifiers: _, ...others } = properties;
  const byName: Record<string, string[]> = {};
  for (const [name, value] of userProperties ?? []) {
    byName[name] ??= [];
    byName[name].push(value);
  }
  return {
    ...others,
    ...(messageExpirySeconds === undefined ? {} : { messageExpiryInterval: messageExpirySeconds }),
    ...(userProperties === undefined ? {} : { userProperties: byName }),
  };
}

function fromPacket(properties: PacketProperties): MessageProperties {
  const {
    messageExpiryInterval,
    userProperties,
    subscriptionIdentifier,
    topicAlias: _,
    ...others
  } = properties;
  return {
    ...others,
    ...(messageExpiryInterval === undefined ? {} : { messageExpirySeconds: messageExpiryInterval }),
    ...(userProperties === undefined ? {} : { userProperties: pairs(userProperties) }),
    ...(subscriptionIdentifier === undefined
      ? {}
      : { subscriptionIdentifiers: [subscriptionIdentifier].flat() }),
  };
}

/** MQTT.js groups them by name, so only the order within a name and that of the names are known. */
function pairs(
  userProperties: NonNullable<PacketProperties['userProperties']>,
): readonly (readonly [string, string])[] {
  return Object.entries(userProperties).flatMap(([name, values]) =>
    [values].flat().map((value) => [name, value] as const),
  );
}
