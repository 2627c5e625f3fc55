/**
 * What the client must do wherever JavaScript runs. It uses nothing but the language, so that pages, workers,
 * Node.js, Deno and Bun can all play it. Whoever listens to `runtimes/restart` restarts the broker then.
 */
const textsMax = 3;

/** `rally` is the client's module; resolves if all went well. */
export async function playScenario(rally, url, options = {}) {
  const { connect, RallyError } = rally;
  const one = await connect(url, { reconnect: { minMs: 20, maxMs: 200 }, ...options });
  const two = await connect(url, { reconnect: { minMs: 20, maxMs: 200 }, ...options });
  const prefix = `runtimes/${Math.random()}`;
  await publishAndSubscribe(one, two, prefix);
  await askAndAnswer(one, two, prefix);
  await loseTheBroker(one, two, prefix);
  const refused = await two.publish('a/+', '').catch((error) => error);
  equal(refused instanceof RallyError && refused.reasonCode, 0x90, 'a typed error');
  one.close();
  two.close();
  equal(`${one.status} ${two.status}`, 'closed closed', 'both are closed');
}

async function publishAndSubscribe(one, two, prefix) {
  const texts = [];
  const subscription = one.subscribe(`${prefix}/+`, { qos: 2 });
  await subscription.ready;
  for (const qos of [0, 1, 2]) await two.publish(`${prefix}/qos`, `${qos}`, { qos });
  for await (const message of subscription) {
    texts.push(`${message.text()}:${message.qos}`);
    if (texts.length === textsMax) break;
  }
  equal(texts.join(), '0:0,1:1,2:2', 'every QoS, in order');
  await two.publish(`${prefix}/kept`, { score: [40, 30] }, { qos: 1, retain: true });
  for await (const message of one.subscribe(`${prefix}/kept`)) {
    equal(`${message.retain} ${message.json().score[1]}`, 'true 30', 'a retained message');
    break;
  }
}

async function askAndAnswer(one, two, prefix) {
  const answering = one.subscribe(`${prefix}/ask`, (request) => {
    const { responseTopic, correlationData } = request.properties;
    void one.publish(responseTopic, `${request.text()}!`, { properties: { correlationData } });
  });
  await answering.ready;
  const answer = await two.request(`${prefix}/ask`, 'well', { signal: AbortSignal.timeout(30_000) });
  equal(answer.text(), 'well!', 'an answer');
  answering.unsubscribe();
}

async function loseTheBroker(one, two, prefix) {
  const later = one.subscribe(`${prefix}/later`, { qos: 1 });
  await later.ready;
  const back = [one, two].map(
    (rally) =>
      new Promise((resolve) => {
        rally.on('reconnecting', () => rally.on('connected', resolve, { once: true }), { once: true });
      }),
  );
  await one.publish('runtimes/restart', '', { qos: 0 });
  await Promise.all(back);
  // Its subscription is there again, or it waits until it is.
  await one.subscribe(`${prefix}/later`, { qos: 1 }).ready;
  await two.publish(`${prefix}/later`, 'again', { qos: 1 });
  for await (const message of later) {
    equal(message.text(), 'again', 'after the restart');
    break;
  }
}

function equal(actual, expected, what) {
  if (actual !== expected) throw new Error(`${what}: ${actual} instead of ${expected}`);
}
