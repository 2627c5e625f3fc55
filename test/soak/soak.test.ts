/**
 * A minute of the soak, with other seeds each time: sessions that roam, takeovers, slow readers, shares, retained
 * messages, wills and QoS 0 to 2 against a model. `npm run soak` plays more, also with late lanes, and any seed again.
 */
import assert from 'node:assert/strict';
import { type AddressInfo, createServer } from 'node:net';
import { test } from 'node:test';
import { encodeConnack } from '../../core/wire/encode-connack.ts';
import { encodePublish } from '../../core/wire/encode-publish.ts';
import { atEnd } from '../support/at-end.ts';
import { seeds } from '../support/random.ts';
import { Model } from './model/model.ts';
import { RetainedReader } from './retained-reader.ts';
import { commandOf, soak } from './soak.ts';
import { switchesOf } from './switches.ts';

const [seed = 0] = seeds(1);

for (const workers of [1, 2, 4]) {
  test(`${workers} workers: nothing is lost, doubled or out of order, whatever clients do`, async () => {
    const { failed, rounds } = await soak({
      seed: seed + workers * 1_000,
      minutes: 1 / 3,
      rounds: Number.POSITIVE_INFINITY,
      workers: [workers],
      secondsPerRound: 4,
      switches: switchesOf([], ['delays']), // which need an addon of their own
      say: (line) => console.log(line),
    });
    assert.ok(rounds > 0);
    assert.deepEqual(
      failed.map(({ plan, model }) => [commandOf(plan), model.faults]),
      [],
    );
  });
}

test('who reads what is retained comes again where it is refused, and what it has not read is not missing', async (t) => {
  const model = new Model(1);
  const publication = model.publish({ topic: 'r/0', qos: 0, retain: true, client: 'a', connection: 1 });
  const connack = (reasonCode: number) =>
    encodeConnack({ sessionPresent: false, reasonCode, properties: {} }, 5);
  const { topic, qos, retain } = publication;
  const payload = model.publications.payloadOf(publication);
  const retained = encodePublish({ topic, payload, qos, retain, dup: false, properties: {} }, 5);
  const suback = Uint8Array.of(0x90, 5, 0, 1, 0, 0, 0);
  let connections = 0;
  const server = createServer((socket) => {
    const isRefused = ++connections === 1;
    socket.on('error', () => {});
    if (isRefused) socket.end(connack(0x89));
    else socket.write(Buffer.concat([connack(0), suback, retained]));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  atEnd(t, () => void server.close());
  const { port: tcpPort } = server.address() as AddressInfo;
  const world = { model, ports: { port: 0, tcpPort }, hasCrashes: false, receiveMaximum: 1 };
  const found = await new RetainedReader('reader', world).read('tcp');
  assert.equal(found?.get(topic), publication);
  assert.equal(connections, 2);
  assert.deepEqual(model.faults, []);
});
