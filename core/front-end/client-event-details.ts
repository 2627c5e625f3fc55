/** The events of clients, in sentences for operators. */
import type { CloseCause, DropReason } from '../data-plane/addon.ts';
import type { ClientInfo } from '../sessions/session-record.ts';
import { ReasonCode } from '../wire/reason-code.ts';
import { reasonCodeName } from '../wire/reason-code-name.ts';
import { reasonSentence } from './reason-strings.ts';

const versions = { 3: '3.1', 4: '3.1.1', 5: '5.0' } as const;

/** The last client, and its sentence: behind a proxy the next one often has the same. */
let lastClient: ClientInfo | undefined;
let lastDetail = '';

export function connectedDetail(client: ClientInfo): string {
  if (lastClient === undefined || !haveSameDetail(client, lastClient)) {
    lastClient = client;
    lastDetail = makeConnectedDetail(client);
  }
  return lastDetail;
}

function haveSameDetail(a: ClientInfo, b: ClientInfo): boolean {
  return (
    a.remoteAddress === b.remoteAddress &&
    a.transport === b.transport &&
    a.protocolVersion === b.protocolVersion &&
    a.username === b.username &&
    (a.tls === undefined) === (b.tls === undefined)
  );
}

/** Joined, and not concatenated piece by piece: each piece would stay an object for as long as the event is kept. */
function makeConnectedDetail(client: ClientInfo): string {
  const { transport, tls, protocolVersion, remoteAddress, username } = client;
  const road = transport === 'ws' ? 'WebSocket' : 'TCP';
  const withTls = tls === undefined ? '' : ' with TLS';
  const who = username === undefined ? '' : ` as ${username}`;
  return [
    'MQTT ',
    versions[protocolVersion],
    ' over ',
    road,
    withTls,
    ' from ',
    remoteAddress,
    who,
    '.',
  ].join('');
}

export function refusedDetail(reasonCode: number): string {
  return sentence(reasonCode);
}

export function subscriptionRefusedDetail(topicFilters: readonly string[], reasonCode: number): string {
  return `${topicFilters.join(', ')}: ${sentence(reasonCode)}`;
}

/** For counts and lists: why a connection has ended. */
export function disconnectReason(cause: CloseCause, reasonCode: number): string {
  if (cause !== 'lost') return cause;
  return reasonCode === ReasonCode.success ? 'connectionLost' : reasonCodeName(reasonCode);
}

export function disconnectedDetail(cause: CloseCause, reasonCode: number): string {
  if (cause === 'disconnected') return 'The client disconnected.';
  if (cause === 'disconnectedWithWill')
    return `The client disconnected and asked for its will to be published (${reasonCodeName(reasonCode)}).`;
  if (reasonCode === ReasonCode.success)
    return 'The connection was lost: the client, a proxy or the network closed it without a DISCONNECT.';
  return sentence(reasonCode);
}

const drops: Readonly<Partial<Record<DropReason, string>>> = {
  outboxFull: 'they had QoS 0, and it did not read fast enough, or was away',
  queueFull: 'its queue was full (sessionQueueMessagesMax, sessionQueueBytesMax)',
  allQueuesFull: 'the queues of all sessions were full (sessionsTotalBytesMax)',
  tooLarge: 'they were larger than its Maximum Packet Size',
  expired: 'their Message Expiry Interval had passed',
  unreadable: 'they could not be read back from the disk',
};

export function droppedDetail(messages: number, why: DropReason): string {
  const count = messages === 1 ? 'One message' : `${messages.toLocaleString('en')} messages`;
  return `${count} dropped: ${drops[why] ?? why}.`;
}

/** In the words of the metrics: outbox_full. */
export function shownDropReason(why: DropReason): string {
  return why.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

function sentence(reasonCode: number): string {
  return reasonSentence(reasonCode) ?? `The reason code is ${reasonCodeName(reasonCode)}.`;
}
