/**
 * Serves the HTTP port while the broker reads its store: `/healthz` and `/readyz` give the progress, `/livez` succeeds,
 * all other requests get 503. It is closed before the workers listen.
 */
import { createServer, type Server } from 'node:http';
import type { RecoveryProgress } from '../storage/store.ts';

/** Resolves to the server, or to undefined if the port is not known in advance (0). */
export function serveRecovering(
  host: string,
  port: number,
  progress: () => RecoveryProgress,
): Promise<Server | undefined> {
  if (port === 0) return Promise.resolve(undefined);
  const server = createServer((request, response) => {
    const body = `${JSON.stringify({ status: 'recovering', ...progress() })}\n`;
    const { url } = request;
    if (url === '/livez') {
      response.writeHead(200, { 'content-type': 'application/json', connection: 'close' });
      response.end('{"status":"ok"}\n');
      return;
    }
    const isHealth = url === '/healthz' || url === '/readyz';
    response.writeHead(503, {
      'content-type': isHealth ? 'application/json' : 'text/plain; charset=utf-8',
      'cache-control': 'no-store',
      'retry-after': '1',
      connection: 'close',
    });
    response.end(isHealth ? body : 'The broker is reading its store; try again in a moment.\n');
  });
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host, port, exclusive: true }, () => resolve(server));
  });
}

/** Resolves when the port is free. */
export function closeRecovering(server: Server | undefined): Promise<void> {
  if (server === undefined) return Promise.resolve();
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
