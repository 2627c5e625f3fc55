/**
 * A broker in its own process, so that its sockets and those of the test each have a process's descriptors. Started
 * with the options in JSON as argument; prints its addresses, answers `statistics`, and stops when the test closes
 * the channel.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, fork } from 'node:child_process';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type BrokerOptions, createBroker, type Statistics } from '../../../core/broker.ts';
import { atEnd } from '../at-end.ts';
import { within } from '../wait.ts';

type Answer = { readonly port: number; readonly tcpPort: number } | Statistics;

export class BrokerProcess {
  readonly port: number;
  readonly tcpPort: number;
  readonly #process: ChildProcess;

  private constructor(process: ChildProcess, port: number, tcpPort: number) {
    this.#process = process;
    this.port = port;
    this.tcpPort = tcpPort;
  }

  static async start(test: TestContext, options: BrokerOptions): Promise<BrokerProcess> {
    const process = fork(fileURLToPath(import.meta.url), [JSON.stringify(options)]);
    atEnd(test, () => process.disconnect());
    const address = (await nextAnswer(process)) as { port: number; tcpPort: number };
    return new BrokerProcess(process, address.port, address.tcpPort);
  }

  async statistics(): Promise<Statistics> {
    const answer = nextAnswer(this.#process);
    this.#process.send('statistics');
    return (await answer) as Statistics;
  }
}

function nextAnswer(process: ChildProcess): Promise<Answer> {
  return within(
    'an answer of the broker process',
    new Promise((resolve, reject) => {
      process.once('message', (answer) => resolve(answer as Answer));
      process.once('exit', (status) => reject(new Error(`the broker process has ended with ${status}`)));
    }),
  );
}

async function serve(options: BrokerOptions): Promise<void> {
  const broker = createBroker({ port: 0, tcpPort: 0, ...options });
  await broker.start();
  const { port, tcpPort } = broker.address();
  process.send?.({ port, tcpPort });
  process.on('message', (question) => {
    assert.equal(question, 'statistics');
    process.send?.(broker.statistics());
  });
  process.on('disconnect', () => broker.stop());
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await serve(JSON.parse(process.argv[2] ?? '{}'));
