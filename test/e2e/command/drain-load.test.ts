/** A drain under load: 10,000 clients leave within the requested time, and no acknowledged message is lost. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { accessFolder } from '../../support/access-files.ts';
import { Command, unusedPort } from '../../support/command.ts';
import { joinCrowd } from '../../support/crowd.ts';
import { missing, Publisher, Subscriber } from '../../support/durable-flow.ts';
import { until, within } from '../../support/wait.ts';

const crowdSize = 10_000;
const clientsPerSecond = 2_500;
const askedMs = (crowdSize / clientsPerSecond) * 1_000;
/** The machine may be busy with other tests; the broker waits as long for who is still there. */
const slackMs = 40_000;

const serverShuttingDown = 0x8b;

test(`${crowdSize} clients under load are told, ${clientsPerSecond} a second, and go; what was acknowledged is there`, async (t) => {
  const folder = accessFolder(t);
  const data = mkdtempSync(join(tmpdir(), 'rallymq-drain-'));
  t.after(() => rmSync(data, { recursive: true }));
  const limits = {
    drainClientsPerSecond: clientsPerSecond,
    stopMs: slackMs,
    // All that is published waits for who is away.
    sessionQueueMessagesMax: 10_000_000,
    sessionQueueBytesMax: 128 * 1_048_576,
  };
  const config = folder.write('config', { limits });
  const [port, tcpPort] = [await unusedPort(), await unusedPort()];
  const args = ['--config', config, '--workers', '2', '--durability', 'os'];
  const start = async (): Promise<Command> => {
    const ports = ['--port', `${port}`, '--tcp-port', `${tcpPort}`];
    const command = new Command([...args, ...ports], { RALLYMQ_DATA: data });
    t.after(() => command.kill('SIGKILL'));
    await command.ready();
    return command;
  };
  const command = await start();
  const crowd = await joinCrowd(t, tcpPort, crowdSize, 'drained');
  const connected = await Subscriber.open(t, tcpPort, 'connected', 'jobs/#');
  const away = await Subscriber.open(t, tcpPort, 'away', 'jobs/#');
  await away.client.endAsync(true);
  const publishers = [0, 1, 2].map(
    (index) => new Publisher(t, tcpPort, `publisher-${index}`, `jobs/${index}`),
  );
  const safe = (): string[] => publishers.flatMap((publisher) => [...publisher.safe]);
  await until('messages flow', () => connected.received.size > 500);

  const told: number[] = [];
  const gone = crowd.sockets.map((socket) => {
    socket.once('data', (packet: Buffer) => void told.push(packet[2] ?? 0));
    return once(socket, 'close');
  });
  const beganMs = performance.now();
  command.kill('SIGUSR2');
  await within('the end of all', Promise.all(gone), askedMs + slackMs);
  const tookMs = performance.now() - beganMs;
  const { code, stderr } = await command.exited(slackMs);
  assert.equal(code, 0, stderr);
  assert.ok(tookMs > 0.8 * askedMs, `all were gone after ${Math.round(tookMs)} ms: that is too much at once`);
  assert.equal(told.length, crowdSize);
  assert.deepEqual([...new Set(told)], [serverShuttingDown]);

  const again = await start();
  const back = await Subscriber.open(t, tcpPort, 'away', 'jobs/#');
  await Promise.all(publishers.map((publisher) => publisher.finish()));
  for (const [name, { received }] of [
    ['who was connected', connected],
    ['who was away', back],
  ] as const)
    await until(`${name} has all`, () => missing(safe(), received).length === 0);
  again.kill('SIGTERM');
  t.diagnostic(
    `${crowdSize} clients gone after ${Math.round(tookMs)} ms, ${askedMs} asked; ${safe().length} messages`,
  );
});
