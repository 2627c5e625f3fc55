/**
 * HTTP of the broker, on the main thread: the site, the server that speaks for it, and the socket that the doors of
 * the workers find it by. The socket is in a folder that nobody else may enter: what the door says about its
 * clients has to be from the door.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BrokerError } from '../broker-error.ts';
import type { NodeAnswer, NodeQuestion } from '../cluster/node-messages.ts';
import type { BrokerConfig } from '../config/options.ts';
import { createHttpServer, type HttpServer } from './http-server.ts';
import type { ListeningPorts, SiteSource } from './route.ts';
import { Site } from './site.ts';

/** Longer ones do not fit into the address of a socket. */
const socketPathBytesMax = 107;

/** Those that run, to be ended with the process however it ends. */
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

  /** Which package serves, and if it is not uWebSockets, why. */
  get description(): { readonly http: string; readonly reason?: string } {
    const http = this.#server?.name ?? 'none';
    return this.#reason === undefined ? { http } : { http, reason: this.#reason };
  }

  /** As Site.answerNode(). */
  answerNode(question: NodeQuestion): Promise<NodeAnswer> {
    return this.#site.answerNode(question);
  }

  /** The ports that clients can use, for the page that says so. */
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

/** Of mode 0700. */
function privateFolder(): string {
  const prefix = join(tmpdir(), 'rallymq-');
  const isShort = Buffer.byteLength(join(`${prefix}XXXXXX`, 'http')) <= socketPathBytesMax;
  return mkdtempSync(isShort ? prefix : '/tmp/rallymq-');
}

/** A server that still has connections must not meet the end of the process, and neither must its folder. */
function watchExit(): void {
  if (isWatching) return;
  isWatching = true;
  process.on('exit', () => {
    for (const frontEnd of [...running]) frontEnd.close();
  });
}
