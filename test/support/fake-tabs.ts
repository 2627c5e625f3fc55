/**
 * A browser's facilities for tabs and a shared worker, inside Node.js: a SharedWorker whose script runs here, and
 * locks. The worker uses the WebSocket of a FakeNetwork.
 */
import { type TestContext, test } from 'node:test';
import type { RallyClient } from '../../client/rally.ts';
import { type ShareOptions, shareConnection } from '../../client/share.ts';
import { adopt } from '../../client/shared-worker.ts';
import { FakeNetwork } from './fake-websocket.ts';

type Holder = () => unknown;
type Port = InstanceType<typeof MessageChannel>['port1'];

/** Locks like `navigator.locks`: each name has one holder, the others wait in order. */
class FakeLocks {
  readonly #tails = new Map<string, Promise<unknown>>();
  /** Frees the locks of crashed holders, by name, in the order of arrival. */
  readonly crashes = new Map<string, () => void>();

  request(name: string, ...given: [Holder] | [unknown, Holder]): Promise<unknown> {
    const holder = given.at(-1) as Holder;
    const isFirst = !this.#tails.has(name);
    const crashed = new Promise<void>((resolve) => isFirst && this.crashes.set(name, resolve));
    const held = (this.#tails.get(name) ?? Promise.resolve()).then(() => Promise.race([holder(), crashed]));
    this.#tails.set(name, held);
    return held;
  }
}

export class FakeTabs {
  readonly network = new FakeNetwork();
  readonly #locks = new FakeLocks();
  readonly #ports: Port[] = [];
  readonly #opened: RallyClient[] = [];

  /** Everything ends with the test. */
  constructor(context: TestContext) {
    const ports = this.#ports;
    const given = {
      WebSocket: this.network.WebSocket,
      navigator: { locks: this.#locks },
      SharedWorker: class {
        readonly port: Port;
        constructor() {
          const { port1, port2 } = new MessageChannel();
          this.port = port1;
          ports.push(port1, port2);
          adopt(port2);
        }
      },
    };
    const before = Object.keys(given).map((name) => [
      name,
      Object.getOwnPropertyDescriptor(globalThis, name),
    ]);
    for (const [name, value] of Object.entries(given))
      Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
    context.after(() => {
      for (const tab of this.#opened) tab.close();
      for (const [name, crash] of this.#locks.crashes) if (name.startsWith('rally/tab/')) crash();
      for (const port of ports) port.close();
      for (const [name, descriptor] of before) {
        if (descriptor) Object.defineProperty(globalThis, name as string, descriptor as PropertyDescriptor);
        else delete (globalThis as Record<string, unknown>)[name as string];
      }
    });
  }

  open(options: Partial<ShareOptions> = {}, url = 'ws://broker.example/'): RallyClient {
    const reconnect = { minMs: 1, maxMs: 2 };
    const tab = shareConnection(url, { worker: 'shared-worker.js', reconnect, ...options });
    this.#opened.push(tab);
    return tab;
  }

  /** The port of a tab that speaks for itself, which holds `lock`. */
  port(lock: string): Port {
    void this.#locks.request(lock, () => new Promise(() => {}));
    const { port1, port2 } = new MessageChannel();
    this.#ports.push(port1, port2);
    adopt(port2);
    return port1;
  }

  /** The tab or worker number `index` of its kind vanishes abruptly. */
  crash(kind: 'tab' | 'worker', index: number): void {
    const names = [...this.#locks.crashes.keys()].filter((name) => name.startsWith(`rally/${kind}/`));
    this.#locks.crashes.get(names[index] ?? '')?.();
  }
}

/** A test of tabs, which share the globals of the process. */
export function testTabs(title: string, body: (tabs: FakeTabs) => Promise<void>): void {
  void test(title, (context) => body(new FakeTabs(context)));
}
