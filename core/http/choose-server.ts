/** Which HTTP server answers behind the door: uWebSockets if its binary loads, otherwise Node's own. */
import type { Answerer, HttpServer } from './http-server.ts';
import { NodeHttpServer } from './node-http-server.ts';
import { loadUwebsockets, UwebsocketsServer } from './uwebsockets-server.ts';

export interface ChosenServer {
  readonly server: HttpServer;
  /** Why it is not uWebSockets. */
  readonly reason: string | undefined;
}

export async function createHttpServer(answerer: Answerer): Promise<ChosenServer> {
  const loaded = await loadUwebsockets();
  return typeof loaded === 'string'
    ? { server: new NodeHttpServer(answerer), reason: loaded }
    : { server: new UwebsocketsServer(loaded, answerer), reason: undefined };
}
