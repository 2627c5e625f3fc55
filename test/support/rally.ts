/** The client library in the test's own process, with the WebSocket that Node.js 20 lacks. */
import type { TestContext } from 'node:test';
import { WebSocket } from 'ws';
import { Rally, type RallyOptions, type WebSocketConstructor } from '../../client/rally.ts';
import { atEnd } from './at-end.ts';

export async function connectRally(
  test: TestContext,
  url: string,
  options: RallyOptions = {},
): Promise<Rally> {
  const rally = new Rally(url, { WebSocket: WebSocket as unknown as WebSocketConstructor, ...options });
  atEnd(test, () => rally.close());
  await rally.ready;
  return rally;
}
