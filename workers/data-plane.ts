/**
 * The thread of one worker: a front end and a shard in the data plane, with the listeners that feed it.
 *
 * A thread that ends while it holds uWebSockets handles would take the process with it. So whatever
 * reaches the top here is reported, all sockets are closed, and the thread leaves in order.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { BrokerError } from '../core/broker-error.ts';
import type { ToMain, ToWorker, WorkerStart } from '../core/control/messages.ts';
import { loadAddon } from '../core/data-plane/addon.ts';
import { FrontEnd } from '../core/front-end/front-end.ts';
import { WebSocketListener } from '../core/front-end/websocket-listener.ts';

const start = workerData as WorkerStart;
const port = parentPort;
if (port === null) throw new Error('workers/data-plane is the entry of a worker thread');
const post = (message: ToMain): void => port.postMessage(message);

const frontEnd = new FrontEnd(loadAddon(), start, post);
const webSockets = new WebSocketListener(start.config, start.version, frontEnd);

port.on('message', (message: ToWorker) => {
  switch (message.type) {
    case 'listen':
      listen(message.host, message.port, message.tcpPort);
      break;
    case 'accept':
      frontEnd.accept(message.request, message.connection, message.session, message.origin);
      break;
    case 'refuse':
      frontEnd.refuse(message.connection, message.reasonCode);
      break;
    case 'evict':
      frontEnd.evict(message.session, message.reasonCode);
      post({ type: 'reply', request: message.request, value: undefined });
      break;
    case 'subscriptions':
      post({
        type: 'reply',
        request: message.request,
        value: frontEnd.engine.subscriptions(message.session),
      });
      break;
    case 'destroySession':
      frontEnd.engine.destroySession(message.session);
      break;
    case 'openHost':
      frontEnd.openHost(message.session);
      break;
    case 'hostBytes':
      frontEnd.receiveFromHost(message.bytes);
      break;
    case 'stop':
      stop(message.reasonCode);
      break;
  }
});

process.on('uncaughtException', (error) => {
  post({ type: 'failed', code: 'WORKER_FAILED', message: error.stack ?? String(error) });
  leave(1);
});

function listen(host: string, httpPort: number, tcpPort: number | false): void {
  try {
    const boundPort = webSockets.listen(host, httpPort);
    const boundTcpPort = tcpPort === false ? tcpPort : frontEnd.engine.listenTcp(host, tcpPort);
    webSockets.ports = { port: boundPort, tcpPort: boundTcpPort };
    post({ type: 'listening', port: boundPort, tcpPort: boundTcpPort });
  } catch (error) {
    const code = error instanceof BrokerError ? error.code : 'ADDRESS_IN_USE';
    post({ type: 'failed', code, message: error instanceof Error ? error.message : String(error) });
    leave(1);
  }
}

/**
 * Takes no more connections, says goodbye to those there are, and leaves when the last one has closed. The
 * data plane aborts those that hang; the supervisor has the last word with stopMs.
 */
function stop(reasonCode: number): void {
  webSockets.stopListening();
  frontEnd.engine.stopTcp();
  frontEnd.endAll(reasonCode, () => leave(0));
}

function leave(status: number): void {
  webSockets.close();
  // uWebSockets frees its sockets in the turns that follow.
  setImmediate(() => setImmediate(() => process.exit(status)));
}
