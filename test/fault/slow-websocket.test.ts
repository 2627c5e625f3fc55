/** A client that reads slowly over WebSocket survives, though its pongs are late; one that reads nothing does not. */
import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { type RunningBroker, startBroker } from '../support/broker.ts';
import { connectFrame, publishFrame, subscribeFrame } from '../support/frames.ts';
import { openClient } from '../support/raw-client.ts';
import { withTimeEnough } from '../support/time-enough.ts';
import { until } from '../support/wait.ts';
import { encodeFrame, handshake, opcode } from '../support/websocket-link.ts';

const limits = { webSocketPingMs: 1_000, webSocketSilenceMs: 5_000 };
/** What takes longer to read, at 1 MB a second, than a silent client may live. */
const longReadBytes = 8_000_000;

/** A connected client that answers nothing, and whose socket is paused. */
async function muteClient(t: TestContext, { port }: RunningBroker): Promise<Socket> {
  const { socket } = await handshake(port);
  t.after(() => socket.destroy());
  socket.on('error', () => {});
  for (const frame of [connectFrame(), subscribeFrame('news', 0)])
    socket.write(encodeFrame(opcode.binary, frame));
  return socket;
}

/** Publishes more than the readers take, until the test ends. */
async function feed(t: TestContext, running: RunningBroker): Promise<void> {
  const feeder = await openClient(t, 'tcp', running);
  const message = publishFrame('news', 'x'.repeat(2_000));
  const timer = setInterval(() => {
    for (let index = 0; index < 500; index++) feeder.send(message);
  }, 50);
  t.after(() => clearInterval(timer));
}

test('who takes bytes all the time lives, and who takes none is cut', async (t) => {
  const running = await startBroker(t, { limits });
  const slow = await muteClient(t, running);
  const frozen = await muteClient(t, running);
  await until('both', () => running.broker.statistics().subscriptions === 2);
  await feed(t, running);
  slow.on('readable', () => {});
  const reading = setInterval(() => slow.read(Math.min(100_000, slow.readableLength)), 100);
  t.after(() => clearInterval(reading));
  await until('the end of the one', () => running.broker.statistics().connections === 2);
  const { bytesRead } = slow;
  await until('much more is read', () => slow.bytesRead > bytesRead + longReadBytes, 120_000);
  assert.equal(running.broker.statistics().connections, 2);
  assert.ok(!frozen.destroyed);
});

test('who takes bytes in bursts lives, though none is taken between the ping and the end of the silence', async (t) => {
  await withTimeEnough(async (seconds, inTime) => {
    const bounds = { webSocketPingMs: 2_000 * seconds, webSocketSilenceMs: 2_500 * seconds };
    const running = await startBroker(t, { limits: bounds });
    const bursty = await muteClient(t, running);
    await until('it', () => running.broker.statistics().subscriptions === 1);
    await feed(t, running);
    bursty.on('data', () => {});
    for (let burst = 0; burst < 4; burst++) {
      await inTime(2, async () => {
        bursty.pause();
        await delay(1_500 * seconds);
        const { bytesRead } = bursty;
        bursty.resume();
        await until('a burst', () => bursty.bytesRead > bytesRead + 1_000_000);
      });
      assert.equal(running.broker.statistics().connections, 2, `behind burst ${burst}`);
    }
  });
});

test('who is idle and does not answer a ping is cut', async (t) => {
  const running = await startBroker(t, { limits });
  await muteClient(t, running);
  const answering = await openClient(t, 'ws', running);
  await until('both', () => running.broker.statistics().connections === 2);
  await until('the end of the one', () => running.broker.statistics().connections === 1);
  await delay(limits.webSocketPingMs + 500);
  assert.ok(!answering.isClosed);
});
