/**
 * The thread of one worker: a front end and a shard in the data plane, with the listeners that feed it.
 *
 * A thread that ends while it holds uWebSockets handles would take the process with it. So whatever
 * reaches the top here is reported, all sockets are closed, and the thread leaves in order.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { BrokerError } from '../core/broker-error.ts';
import type { ToMain, ToWorker, WorkerStart } from '../core/control/messages.ts';
import { Outgoing } from '../core/control/outgoing.ts';
import { loadAddon } from '../core/data-plane/addon.ts';
import { WebSocketListener } from '../core/front-end/websocket-listener.ts';
import { WorkerControl } from '../core/front-end/worker-control.ts';
import { MainThread } from '../core/http/main-thread.ts';
import { Site } from '../core/http/site.ts';

const start = workerData as WorkerStart;
const port = parentPort;
if (port === null) throw new Error('workers/data-plane is the entry of a worker thread');
const outgoing = new Outgoing<ToMain>((messages) => port.postMessage(messages));
const post = (message: ToMain): void => outgoing.send(message);

const control = new WorkerControl(loadAddon(), start, post);
const main = new MainThread(post);
const site = new Site(start.config, start.version, (request) => main.ask(request));
const webSockets = new WebSocketListener(start.config, site, control.engine, (origin) =>
  post({ type: 'originRefused', origin }),
);

port.on('message', (messages: ToWorker[]) => {
  for (const message of messages) take(message);
});

function take(message: ToWorker): void {
  switch (message.type) {
    case 'listen':
      listen(message.host, message.port, message.tcpPort);
      break;
    case 'accept':
      control.accept(message);
      break;
    case 'refuse':
      control.refuse(message.connection, message.reasonCode);
      break;
    case 'challenge':
      control.challenge(message.connection, message.data);
      break;
    case 'renewed':
      control.renewed(message.connection, message.data);
      break;
    case 'evict':
      control.evict(message.connection, message.reasonCode);
      post({ type: 'reply', request: message.request, value: undefined });
      break;
    case 'subscriptions':
      post({
        type: 'reply',
        request: message.request,
        value: control.engine.subscriptions(message.session),
      });
      break;
    case 'destroySession':
      control.engine.destroySession(message.session);
      break;
    case 'keepSessions':
      control.keepSessions(message.sessions);
      break;
    case 'openHost':
      control.openHost(message.session);
      break;
    case 'hostBytes':
      control.receiveFromHost(message.bytes);
      break;
    case 'httpReply':
      main.answered(message.id, message.reply);
      break;
    case 'stop':
      stop(message.reasonCode);
      break;
  }
}

process.on('uncaughtException', (error) => {
  post({ type: 'failed', code: 'WORKER_FAILED', message: error.stack ?? String(error) });
  leave(1);
});

function listen(host: string, httpPort: number, tcpPort: number | false): void {
  try {
    webSockets.listen(host, httpPort);
    if (tcpPort !== false) control.engine.listenTcp(host, tcpPort);
    webSockets.ports = { port: httpPort, tcpPort };
    post({ type: 'listening' });
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
  control.engine.stopTcp();
  control.endAll(reasonCode, () => leave(0));
}

function leave(status: number): void {
  webSockets.close();
  // uWebSockets frees its sockets in the turns that follow.
  setImmediate(() => setImmediate(() => process.exit(status)));
}
