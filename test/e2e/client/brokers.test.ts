/** The client library against brokers: this one and mosquitto. */
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { type TestContext, test } from 'node:test';
import { mqtt3 } from '../../../client/mqtt-3.ts';
import { connect, Rally, RallyError, type RallyOptions } from '../../../client/rally.ts';
import { startBroker } from '../../support/broker.ts';
import { unusedPort } from '../../support/command.ts';
import { listen } from '../../support/listen.ts';
import { startMosquitto } from '../../support/mosquitto-broker.ts';
import { CuttableNetwork, TcpWebSocket, WebSocket } from '../../support/node-websocket.ts';
import { Random, seeds } from '../../support/random.ts';
import { until, within } from '../../support/wait.ts';

interface BrokerKind {
  start(test: TestContext): Promise<string>;
  Socket: typeof WebSocket;
  /** Puts a translator before it. */
  translated?: typeof mqtt3;
}

const brokers: Record<string, BrokerKind> = {
  'RallyMQ, 1 worker': { start: async (context) => (await startBroker(context)).wsUrl, Socket: WebSocket },
  'RallyMQ, 4 workers': {
    start: async (context) => (await startBroker(context, { workers: 4 })).wsUrl,
    Socket: WebSocket,
  },
  mosquitto: { start: startMosquitto, Socket: TcpWebSocket },
  'mosquitto, MQTT 3.1.1': { start: startMosquitto, Socket: TcpWebSocket, translated: mqtt3 },
};

/** A client that ends with the test. */
async function client(context: TestContext, url: string, options: RallyOptions): Promise<Rally> {
  const rally = await within('connect', connect(url, options));
  context.after(() => rally.close());
  return rally;
}

for (const [name, { start, Socket, translated }] of Object.entries(brokers)) {
  const over = (Used: typeof WebSocket): RallyOptions => ({ WebSocket: translated?.(Used) ?? Used });
  const options = over(Socket);

  test(`${name}: every QoS, retained messages, wildcards, requests`, async (context) => {
    const url = await start(context);
    const [one, two] = [await client(context, url, options), await client(context, url, options)];
    const got: string[] = [];
    const listener = one.subscribe('scores/#', (message) => {
      got.push(`${message.topic} ${message.text()} ${message.qos} ${message.retain}`);
    });
    await listener.ready;
    for (const qos of [0, 1, 2] as const) await two.publish(`scores/${qos}`, `${qos}`, { qos, retain: true });
    await until('three messages', () => got.length === 3);
    // Topics have no order among each other.
    assert.deepEqual(got.sort(), ['scores/0 0 0 false', 'scores/1 1 1 false', 'scores/2 2 2 false']);

    const retained: string[] = [];
    for await (const message of two.subscribe('scores/+')) {
      retained.push(`${message.text()} ${message.retain}`);
      if (retained.length === 3) break;
    }
    assert.deepEqual(retained.sort(), ['0 true', '1 true', '2 true']);

    if (!translated) {
      one.subscribe('svc/echo', async ({ json, properties: { responseTopic = '', correlationData } }) => {
        const properties = correlationData ? { correlationData } : {};
        await one.publish(responseTopic, { got: json() }, { properties });
      });
      const answer = await within('an answer', two.request('svc/echo', { a: 1 }, { qos: 1 }));
      assert.deepEqual(answer.json(), { got: { a: 1 } });
    }

    await two.publish('scores/0', undefined, { retain: true, qos: 1 });
    await until('the empty message', () => got.length === 4);
  });

  test(`${name}: a will is published when the client is gone without a goodbye`, async (context) => {
    const url = await start(context);
    const network = new CuttableNetwork(Socket);
    const watcher = await client(context, url, options);
    const wills: string[] = [];
    await watcher.subscribe('presence/#', (message) => wills.push(message.text())).ready;
    const will = { topic: 'presence/x', value: 'gone', qos: 1 } as const;
    await client(context, url, { ...over(network.WebSocket), will, reconnect: false });
    for (const socket of network.open) socket.terminate();
    await until('the will', () => wills.length === 1);
    const polite = await client(context, url, { ...options, will });
    polite.close();
    const marker = await client(context, url, options);
    await marker.publish('presence/marker', 'marker', { qos: 1 });
    await until('the marker', () => wills.includes('marker'));
    assert.deepEqual(wills, ['gone', 'marker']);
  });

  test(`${name}: over 200 cut connections QoS 1 skips nothing and QoS 2 repeats nothing either`, async (context) => {
    const url = await start(context);
    // mosquitto 2.0.11 repeats a batch of QoS 2 in one of some twenty runs, with the client of 0.1.0 too; whose fault it
    // is was not found. It may play again; this broker may not.
    const triesMax = name.startsWith('mosquitto') ? 3 : 1;
    for (let tries = 1; ; tries++) {
      const { once, exactly, count } = await playOverCuts(context, url, `count-${tries}`, {
        network: new CuttableNetwork(Socket),
        over,
      });
      const all = [...Array(count).keys()];
      assert.deepEqual([...new Set(once)], all, 'QoS 1, in the order of the first arrivals');
      if (tries < triesMax && exactly.length > count) continue;
      assert.deepEqual(exactly, all, 'QoS 2');
      return;
    }
  });
}

/** What a subscriber got of `count` numbered messages, while both sides lost their connections 200 times. */
async function playOverCuts(
  context: TestContext,
  url: string,
  name: string,
  { network, over }: { network: CuttableNetwork; over: (Used: typeof WebSocket) => RallyOptions },
): Promise<{ once: number[]; exactly: number[]; count: number }> {
  const [seed = 0] = seeds(1);
  const random = new Random(seed);
  const cuttable: RallyOptions = { ...over(network.WebSocket), reconnect: { minMs: 1, maxMs: 4 } };
  const publisher = await client(context, url, { ...cuttable, clientId: `publisher-${name}` });
  const subscriber = await client(context, url, { ...cuttable, clientId: `subscriber-${name}` });
  const once: number[] = [];
  const exactly: number[] = [];
  await subscriber.subscribe(`${name}/1`, (message) => once.push(message.json<number>()), { qos: 1 }).ready;
  await subscriber.subscribe(`${name}/2`, (message) => exactly.push(message.json<number>()), { qos: 2 })
    .ready;

  let losses = 0;
  for (const rally of [publisher, subscriber]) rally.on('reconnecting', () => losses++);
  let isOver = false;
  const chaos = (async () => {
    while (losses < 200) {
      await new Promise((resolve) => setTimeout(resolve, random.below(12)));
      const { open } = network;
      const victim = open[random.below(open.length || 1)];
      victim?.terminate();
    }
    isOver = true;
  })();
  let count = 0;
  const published: Promise<unknown>[] = [];
  while (!isOver) {
    const value = count++;
    published.push(
      publisher.publish(`${name}/1`, value, { qos: 1 }),
      publisher.publish(`${name}/2`, value, { qos: 2 }),
    );
    if (count % 50 === 0) await within('the broker has them', Promise.all(published.splice(0)), 30_000);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  await chaos;
  await within('the broker has them', Promise.all(published), 30_000);
  await until('the last', () => once.includes(count - 1) && exactly.includes(count - 1), 30_000);
  return { once, exactly, count };
}

test('a connection that cannot be opened says what the server answers', async (context) => {
  const { wsUrl, port } = await startBroker(context);
  const redirecting = await listen(
    context,
    createServer((_request, response) => response.writeHead(302, { location: '/' }).end()),
  );
  const dead = await unusedPort();
  for (const [url, sentence, status] of [
    [`ws://127.0.0.1:${dead}/mqtt`, `connect ECONNREFUSED 127.0.0.1:${dead}`, undefined],
    [wsUrl.replace('ws', 'wss'), /TLS failed \([^()]+\)$/, undefined],
    [`${wsUrl}x`, 'HTTP 404, There is nothing here.', 404],
    [`ws://127.0.0.1:${port}/`, 'HTTP 200, a web page, not an MQTT broker', 200],
    [redirecting.replace('http', 'ws'), 'HTTP 302, a redirect, which a WebSocket does not follow', 302],
  ] as const) {
    const error = await firstFailure(url, { WebSocket });
    if (sentence instanceof RegExp) assert.match(error.message, sentence);
    else assert.equal(error.message, `no connection to ${url}: ${sentence}`);
    assert.equal(error.status, status);
    assert.equal(error.reasonCode, 0);
    if (url.includes(`:${dead}/`)) assert.equal((error.cause as { code?: string }).code, 'ECONNREFUSED');
  }
});

async function firstFailure(url: string, options: RallyOptions): Promise<RallyError> {
  const rally = new Rally(url, { ...options, reconnect: false });
  const error = await within(
    url,
    rally.ready.then(
      () => undefined,
      (reason) => reason,
    ),
  );
  assert.ok(error instanceof RallyError, `${error}`);
  return error;
}

test('a refusal of this broker is final and has its reason code', async (context) => {
  const { wsUrl } = await startBroker(context, { authenticate: () => false });
  const connecting = connect(wsUrl, { WebSocket, username: 'u', password: 'wrong' });
  await assert.rejects(within('the refusal', connecting), (error) => {
    return error instanceof RallyError && [0x86, 0x87].includes(error.reasonCode);
  });
});
