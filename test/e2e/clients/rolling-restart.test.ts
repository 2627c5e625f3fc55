/**
 * Two brokers behind Debian's HAProxy, as in docs/proxies.md, are drained and restarted one after the other while
 * messages with QoS 1 are published: no acknowledged message is lost.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { type TestContext, test } from 'node:test';
import { Command, unusedPort } from '../../support/command.ts';
import { missing, Publisher, Subscriber } from '../../support/durable-flow.ts';
import { until } from '../../support/wait.ts';

const document = readFileSync(resolve(import.meta.dirname, '../../../../docs/proxies.md'), 'utf8');

/** One of the two: it comes back to its ports and its data. */
class Node {
  readonly port: number;
  readonly tcpPort: number;
  readonly #test: TestContext;
  readonly #data: string;
  #command: Command | undefined;

  constructor(t: TestContext, folder: string, name: string, port: number, tcpPort: number) {
    this.#test = t;
    this.#data = join(folder, name);
    this.port = port;
    this.tcpPort = tcpPort;
  }

  async start(): Promise<void> {
    const command = new Command(
      ['--port', `${this.port}`, '--tcp-port', `${this.tcpPort}`, '--workers', '1', '--durability', 'os'],
      { RALLYMQ_DATA: this.#data },
    );
    this.#test.after(() => command.kill('SIGKILL'));
    await command.ready();
    this.#command = command;
  }

  async restart(): Promise<void> {
    this.#command?.kill('SIGUSR2');
    const { code, stderr } = (await this.#command?.exited(60_000)) ?? assert.fail('not started');
    assert.equal(code, 0, stderr);
    await this.start();
  }
}

async function startHaproxy(t: TestContext, folder: string, nodes: readonly Node[]): Promise<number> {
  const port = await unusedPort();
  const [, example = assert.fail('no example')] =
    /## Two brokers[\s\S]*?```haproxy\n([\s\S]*?)```/.exec(document) ?? [];
  const config = nodes
    .reduce(
      (text, node, index) =>
        text
          .replaceAll(`10.0.0.${index + 1}:1883`, `127.0.0.1:${node.tcpPort}`)
          .replaceAll(`port 8080 # ${index + 1}`, `port ${node.port}`),
      example,
    )
    .replace('bind :1883', `bind 127.0.0.1:${port}`);
  const path = join(folder, 'haproxy.cfg');
  writeFileSync(path, config);
  const binary = existsSync('/usr/sbin/haproxy') ? '/usr/sbin/haproxy' : 'haproxy';
  const child = spawn(binary, ['-db', '-f', path], { stdio: ['ignore', 'ignore', 'pipe'] });
  t.after(() => child.kill('SIGKILL'));
  let printed = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (printed += text));
  child.once('exit', (code) => {
    if (code) throw new Error(`haproxy has ended with ${code}:\n${printed}`);
  });
  return port;
}

test('a rolling restart behind HAProxy loses no message that was acknowledged', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'rallymq-rolling-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const nodes: Node[] = [];
  for (const name of ['a', 'b'])
    nodes.push(new Node(t, folder, name, await unusedPort(), await unusedPort()));
  await Promise.all(nodes.map((node) => node.start()));
  const front = await startHaproxy(t, folder, nodes);
  // The brokers know nothing of each other: whoever wants all messages has a session with each.
  const subscribers = await Promise.all(
    nodes.map((node) => Subscriber.open(t, node.tcpPort, 'consumer', 'jobs/#')),
  );
  const publishers = Array.from({ length: 6 }, (_, n) => new Publisher(t, front, `device-${n}`, `jobs/${n}`));
  const received = (): Set<string> => new Set(subscribers.flatMap((each) => [...each.received]));
  const safeCounts = (): number[] => publishers.map(({ safe }) => safe.size);
  const allGoOn = async (): Promise<void> => {
    const before = safeCounts();
    await until(
      'all publish',
      () => safeCounts().every((count, n) => count > (before[n] ?? 0) + 100),
      60_000,
    );
  };
  await allGoOn();
  const counts = subscribers.map(({ received: { size } }) => size);
  assert.ok(
    counts.every((count) => count > 0),
    `HAProxy sends clients to both: ${counts}`,
  );
  for (const node of nodes) {
    await node.restart();
    await allGoOn();
  }
  await Promise.all(publishers.map((publisher) => publisher.finish()));
  const safe = publishers.flatMap((publisher) => [...publisher.safe]);
  await until('all is there', () => missing(safe, received()).length === 0, 60_000);
  t.diagnostic(`${safe.length} messages acknowledged, ${received().size} received`);
});
