/**
 * The HTTP server behind the door. It runs on the main thread, listens on a Unix socket that the doors of all workers know,
 * and answers the requests of a connection one at a time.
 */
import type { HttpAnswer, HttpQuestion } from './answer.ts';

export type Answerer = (question: HttpQuestion) => HttpAnswer | Promise<HttpAnswer>;

export interface HttpServer {
  /** The package that it comes from. */
  readonly name: string;
  /** `path`: of the socket. */
  listen(path: string): Promise<void>;
  /** Ends all connections; requests in progress get no answer. */
  close(): void;
}
