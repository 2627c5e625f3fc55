/**
 * The thread of one worker: a front end and a shard in the data plane, with the door that feeds it.
 *
 * An uncaught error is reported, and the thread ends. All of its resources belong to the addon, which releases them
 * however the thread ends.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { BrokerError } from '../core/broker-error.ts';
import { type Answers, answerAsk } from '../core/control/asks.ts';
import type { ClusterView, ToMain, ToWorker, WorkerCluster, WorkerStart } from '../core/control/messages.ts';
import { Outgoing } from '../core/control/outgoing.ts';
import { type Posted, readToWorker, writeToMain } from '../core/control/posted.ts';
import { loadAddon, type TlsMaterial } from '../core/data-plane/addon.ts';
import { inspect } from '../core/data-plane/inspection.ts';
import { subscribeSession } from '../core/front-end/subscribe.ts';
import { WorkerControl } from '../core/front-end/worker-control.ts';
import { messageOf } from '../core/system-reason.ts';

const start = workerData as WorkerStart;
const port = parentPort;
if (port === null) throw new Error('workers/data-plane is the entry of a worker thread');
const outgoing = new Outgoing<ToMain>((posted, moved) => port.postMessage(posted, moved), writeToMain);
const post = (message: ToMain, moved?: Uint8Array<ArrayBuffer>): void => outgoing.send(message, moved);

const control = new WorkerControl(loadAddon(), start, post, (records) => outgoing.sendRecords(records));

const answers: Answers = {
  retained: ({ topic }, reply) => control.lookUpRetained(topic, (packet) => reply(packet, packet)),
  adoptRules: (_, reply) => {
    control.engine.adoptRules();
    reply(undefined);
  },
  reconfigure: (config, reply) => {
    control.reconfigure(config);
    reply(undefined);
  },
  lag: (_, reply) => reply(undefined),
  offersLeft: (_, reply) => reply(control.engine.offersLeft()),
  walksLeft: (_, reply) => reply(control.engine.walksLeft()),
  sessionRow: ({ session }, reply) => reply(control.rowOf(session)),
  subscribe: (asked, reply) => reply(subscribeSession(control.engine, control.pending, start.config, asked)),
  unsubscribe: ({ session, topicFilter }, reply) => reply(control.engine.unsubscribe(session, topicFilter)),
  inspect: (asked, reply) => reply(inspect(control.engine, asked)),
  renewCertificates: (tls, reply) => reply({ refusal: refusalOf(tls) }),
};

port.on('message', (posted: Posted<ToWorker>[]) => readToWorker(posted, take));

function take(message: ToWorker): void {
  switch (message.type) {
    case 'listen':
      void joinAndListen(message);
      break;
    case 'ticketKeys':
      control.engine.setTicketKeys(message.keys);
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
      control.renewed(message);
      break;
    case 'evict':
      control.evict(message.connection, message.reasonCode);
      break;
    case 'moveHere':
      control.moveHere(message);
      break;
    case 'endSession':
      control.endSession(message);
      break;
    case 'publishWill':
      control.publishWill(message.session);
      break;
    case 'authorized':
      control.authorized(message);
      break;
    case 'forgetDecisions':
      control.engine.forgetDecisions(0);
      break;
    case 'clusterView':
      lastView = message.view;
      control.links?.apply(message.view);
      break;
    case 'noteMove':
      control.engine.noteMove(message.number);
      break;
    case 'halvePaces':
      control.engine.halvePaces(message.isHalved);
      break;
    case 'trace':
      control.trace(message);
      break;
    case 'endTrace':
      control.endTrace(message.index);
      break;
    case 'makeSpans':
      control.engine.makeSpans(true, message.followsParent, message.ratio);
      break;
    case 'openHost':
      control.openHost(message.session);
      break;
    case 'hostBytes':
      control.receiveFromHost(message.bytes);
      break;
    case 'hostProcessed':
      control.engine.hostProcessed(message.bytes, message.messages);
      break;
    case 'ask':
      answerAsk(answers, message, post);
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

/** Of those that came while the worker ran. */
let lastView: ClusterView | undefined;

type Listen = Extract<ToWorker, { type: 'listen' }>;

async function joinAndListen(message: Listen): Promise<void> {
  try {
    if (start.cluster !== undefined) await joinCluster(start.cluster);
  } catch (error) {
    post({ type: 'failed', ...joinFault(error) });
    leave(1);
    return;
  }
  listen(message);
}

/** Links to other nodes are open before the first client connects. */
async function joinCluster({ incarnation, firstWorker, view, applied }: WorkerCluster): Promise<void> {
  const { WorkerLinks } = await import('../core/cluster/worker-links.ts');
  const { clusterName, nodeName = '' } = start.config;
  const place = { incarnation, worker: firstWorker + start.worker, clusterName, nodeName };
  const links = new WorkerLinks(
    control.engine,
    place,
    (epoch, lastMove) => post({ type: 'viewApplied', epoch, lastMove }),
    (worker) => post({ type: 'linkBroken', worker }),
    (figures) => post({ type: 'links', figures }),
  );
  control.links = links;
  await links.open(start.config, view, applied);
  if (lastView !== undefined) links.apply(lastView); // it has come meanwhile
}

function joinFault(error: unknown): { code: string; message: string } {
  const code = error instanceof BrokerError ? error.code : 'WORKER_FAILED';
  return { code, message: messageOf(error) };
}

function listen(message: Listen): void {
  const { host, port, tcpPort, tlsPort, mqttsPort, tls, ticketKeys, httpSocket } = message;
  const { engine } = control;
  try {
    engine.serveHttp(start.config.path, httpSocket);
    engine.trustProxies(start.config.trustedProxies);
    engine.setTicketKeys(ticketKeys);
    if (tls !== undefined) secureWith(tls);
    if (port !== 0) engine.listen(host, port, true, port === tcpPort, false, 0);
    if (tcpPort !== false && tcpPort !== port) engine.listen(host, tcpPort, false, true, false, 0);
    if (tlsPort !== false) engine.listen(host, tlsPort, true, true, true, 0);
    if (mqttsPort !== false) engine.listen(host, mqttsPort, false, true, true, 0);
    listenMore(message);
    control.tellSessions();
    post({ type: 'listening' });
  } catch (error) {
    post({ type: 'failed', ...startFault(message, error) });
    leave(1);
  }
}

function listenMore({ listeners }: Listen): void {
  const { engine } = control;
  for (const [index, { host, port, descriptor }] of listeners.entries()) {
    const listener = start.config.listeners[index];
    if (listener === undefined) continue;
    const { takesHttp, takesMqtt, tls } = listener;
    if (descriptor === undefined) engine.listen(host, port, takesHttp, takesMqtt, tls, index + 1);
    else engine.listenOn(descriptor, takesHttp, takesMqtt, tls, index + 1);
  }
}

function secureWith(tls: TlsMaterial): void {
  const { certificates, clients, clientCas, clientCrls, preSharedKeys } = tls;
  control.engine.secureWith(certificates, clients, clientCas, clientCrls, preSharedKeys);
}

/** Why the data plane refuses certificates that have been checked; undefined if it does not. */
function refusalOf(tls: TlsMaterial): string | undefined {
  try {
    secureWith(tls);
    return undefined;
  } catch (error) {
    return messageOf(error);
  }
}

function startFault(message: Listen, error: unknown): { code: string; message: string } {
  if (error instanceof Error && 'code' in error && error.code === 'ERR_RALLYMQ_CERTIFICATE') {
    return { code: 'CERTIFICATE_INVALID', message: `TLS cannot begin: ${error.message}.` };
  }
  const { host, port, tcpPort, tlsPort, mqttsPort, listeners } = message;
  const ports = [port || false, tcpPort, tlsPort, mqttsPort, ...listeners.map((each) => each.port)]
    .filter((one) => one !== false)
    .join(', ');
  return {
    code: 'ADDRESS_IN_USE',
    message: `Cannot listen on the ports ${ports} of ${host}: ${messageOf(error)}.`,
  };
}

/**
 * Accepts no more connections, sends DISCONNECT on the existing ones, and exits when the last one has closed. The
 * data plane aborts connections that hang; the supervisor ends the thread after stopMs.
 */
function stop(reasonCode: number): void {
  control.engine.stopDoor();
  control.endAll(reasonCode, () => leave(0));
}

/** Messages that were posted in this turn are sent first. */
function leave(status: number): void {
  setImmediate(() => setImmediate(() => process.exit(status)));
}
