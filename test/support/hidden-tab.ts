/**
 * A tab of real Chromium that is actually hidden, behind another tab, with its timers throttled after a second
 * instead of minutes. Playwright tells every page that it is visible, so this uses the browser's protocol
 * directly.
 */
import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import type { TestContext } from 'node:test';
import { atEnd } from './at-end.ts';

interface BrowserSocket {
  on(event: string, listener: (data: Buffer) => void): void;
  send(text: string): void;
  close(): void;
}

const { WebSocket } = createRequire(import.meta.url)('ws') as {
  WebSocket: new (url: string) => BrowserSocket;
};

type Answer = Record<string, unknown> & { targetId: string; sessionId: string };

export class HidableTab {
  readonly #socket: BrowserSocket;
  readonly #answers = new Map<number, (answer: Answer) => void>();
  #lastId = 0;
  #tab = '';
  #other = '';
  #session = '';

  private constructor(socket: BrowserSocket) {
    this.#socket = socket;
    socket.on('message', (data) => {
      const { id, result, error } = JSON.parse(data.toString()) as {
        id: number;
        result: Answer;
        error: Answer;
      };
      this.#answers.get(id)?.(result ?? error);
      this.#answers.delete(id);
    });
  }

  static async open(test: TestContext, url: string): Promise<HidableTab> {
    const profile = await mkdtemp(join(tmpdir(), 'rallymq-chromium-'));
    const browser = spawn('/usr/bin/chromium', [
      '--headless=new',
      '--no-sandbox',
      '--disable-gpu',
      '--no-first-run',
      '--remote-debugging-port=0',
      '--enable-features=IntensiveWakeUpThrottling:grace_period_seconds/1',
      `--user-data-dir=${profile}`,
    ]);
    const ended = new Promise<void>((resolve) => browser.once('exit', () => resolve()));
    atEnd(test, async () => {
      browser.kill();
      await ended;
      await rm(profile, { recursive: true, force: true, maxRetries: 5 });
    });
    const socket = new WebSocket(await debuggerUrl(browser.stderr));
    await new Promise<void>((resolve) => socket.on('open', () => resolve()));
    atEnd(test, () => socket.close());
    const tab = new HidableTab(socket);
    tab.#other = (await tab.#ask('Target.createTarget', { url: 'about:blank' })).targetId;
    tab.#tab = (await tab.#ask('Target.createTarget', { url })).targetId;
    const attached = await tab.#ask('Target.attachToTarget', { targetId: tab.#tab, flatten: true });
    tab.#session = attached.sessionId;
    return tab;
  }

  /** Runs `body`, the body of an async function with `argument`, in the tab; returns its result. */
  async run<Result>(body: string, argument: unknown = null): Promise<Result> {
    const expression = `(async (argument) => { ${body} })(${JSON.stringify(argument)})`;
    const asked = { expression, awaitPromise: true, returnByValue: true };
    const answer = await this.#ask('Runtime.evaluate', asked, this.#session);
    const { result, exceptionDetails } = answer as unknown as {
      result: { value: Result };
      exceptionDetails?: unknown;
    };
    if (exceptionDetails) throw new Error(JSON.stringify(exceptionDetails));
    return result.value;
  }

  /** Switches to another tab. */
  async hide(): Promise<void> {
    await this.#ask('Target.activateTarget', { targetId: this.#other });
  }

  async show(): Promise<void> {
    await this.#ask('Target.activateTarget', { targetId: this.#tab });
  }

  #ask(method: string, params: object, sessionId?: string): Promise<Answer> {
    const id = ++this.#lastId;
    this.#socket.send(JSON.stringify({ id, method, params, sessionId }));
    return new Promise((resolve) => this.#answers.set(id, resolve));
  }
}

/** The browser prints it when ready. */
async function debuggerUrl(output: Readable): Promise<string> {
  let printed = '';
  for await (const chunk of output) {
    printed += chunk;
    const [, url] = /DevTools listening on (\S+)/.exec(printed) ?? [];
    if (url) return url;
  }
  throw new Error(`Chromium does not start: ${printed}`);
}
