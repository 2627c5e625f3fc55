/**
 * HTTP of the broker, on the main thread: the site, its server, and the socket through which the doors of the workers
 * reach it. The socket is in a folder that no other user may enter, because what the door says about a client must come
 * from the door.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BrokerError } from '../broker-error.ts';
import type { NodeAnswer, NodeQuestion } from '../cluster/node-messages.ts';
import type { BrokerConfig } from '../config/options.ts';
import { createHttpServer } from './choose-server.ts';
import type { HttpServer } from './http-server.ts';
import type { ListeningPorts, SiteSource } from './route.ts';
import { Site } from './site.ts';

/** Longer ones do not fit into a socket address. */
const socketPathBytesMax = 107;

/** The running ones, which must end before the process does. */
const running = new Set<HttpFrontEnd>();
let isWatching = false;

export class HttpFrontEnd {
  readonly #site: Site;
  #server: HttpServer | undefined;
  #reason: string | undefined;
  #folder: string | undefined;

  constructor(config: BrokerConfig, version: string, source: SiteSource) {
    this.#site = new Site(config, version, source);
  }

  /** Resolves to the path of the socket. Errors: HTTP_NOT_AVAILABLE. */
  async listen(): Promise<string> {
    const { server, reason } = await createHttpServer((question) => this.#site.answer(question));
    try {
      this.#folder = privateFolder();
      const path = join(this.#folder, 'http');
      await server.listen(path);
      this.#server = server;
      this.#reason = reason;
      watchExit();
      running.add(this);
      return path;
    } catch (cause) {
      server.close();
      this.close();
      throw new BrokerError(
        'HTTP_NOT_AVAILABLE',
        `No socket for HTTP can be created in ${tmpdir()}: set TMPDIR to a folder that can be written.`,
        { cause },
      );
    }
  }

  /** The package that serves, and the reason if it is not uWebSockets. */
  get description(): { readonly http: string; readonly reason?: string } {
    const http = this.#server?.name ?? 'none';
    return this.#reason === undefined ? { http } : { http, reason: this.#reason };
  }

  /** See Site.answerNode(). */
  answerNode(question: NodeQuestion): Promise<NodeAnswer> {
    return this.#site.answerNode(question);
  }

  /** The ports that clients can use, for the page that shows them. */
  set ports(ports: ListeningPorts) {
    this.#site.ports = ports;
  }

  close(): void {
    running.delete(this);
    this.#server?.close();
    this.#server = undefined;
    if (this.#folder !== undefined) rmSync(this.#folder, { recursive: true, force: true });
    this.#folder = undefined;
  }
}

/** Has mode 0700. */
function privateFolder(): string {
  const prefix = join(tmpdir(), 'rallymq-');
  const isShort = Buffer.byteLength(join(`${prefix}XXXXXX`, 'http')) <= socketPathBytesMax;
  return mkdtempSync(isShort ? prefix : '/tmp/rallymq-');
}

/** When the process ends, the server must have no connections, and its folder must be gone. */
function watchExit(): void {
  if (isWatching) return;
  isWatching = true;
  process.on('exit', () => {
    for (const frontEnd of [...running]) frontEnd.close();
  });
}
