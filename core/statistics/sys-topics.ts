/**
 * The topics about the broker below $SYS/broker. They have mosquitto's names, so that the same tools can
 * monitor both brokers.
 */
import type { CounterName } from '../data-plane/addon.ts';
import type { DirectoryCounts } from '../sessions/session-directory.ts';

/** A snapshot of the broker. */
export interface BrokerSample {
  readonly version: string;
  readonly uptimeSeconds: number;
  readonly counters: Readonly<Record<CounterName, number>>;
  readonly clients: DirectoryCounts;
  /** Of the process, in bytes. */
  readonly memoryBytes: number;
  readonly memoryBytesPeak: number;
}

export type SysMessage = readonly [topic: string, payload: string];

/** The topics of each interval, except for the load. */
export function sysMessages(sample: BrokerSample): SysMessage[] {
  const { counters, clients } = sample;
  const totals = totalsOf(sample);
  const disconnected = clients.total - clients.connected;
  const values: Readonly<Record<string, number | string>> = {
    version: `RallyMQ version ${sample.version}`,
    uptime: `${Math.floor(sample.uptimeSeconds)} seconds`,
    'clients/total': clients.total,
    'clients/connected': clients.connected,
    'clients/active': clients.connected,
    'clients/disconnected': disconnected,
    'clients/inactive': disconnected,
    'clients/maximum': clients.maximum,
    'clients/expired': clients.expired,
    'messages/received': totals['messages/received'],
    'messages/sent': totals['messages/sent'],
    'messages/stored': counters.retained + counters.queued,
    'store/messages/count': counters.retained + counters.queued,
    'publish/messages/received': totals['publish/received'],
    'publish/messages/sent': totals['publish/sent'],
    'publish/messages/dropped': totals['publish/dropped'],
    'bytes/received': totals['bytes/received'],
    'bytes/sent': totals['bytes/sent'],
    'subscriptions/count': counters.subscriptions,
    'shared_subscriptions/count': counters.sharedSubscriptions,
    'retained messages/count': counters.retained,
    'heap/current': sample.memoryBytes,
    'heap/maximum': sample.memoryBytesPeak,
  };
  return Object.entries(values).map(([name, value]) => [`$SYS/broker/${name}`, String(value)]);
}

/** The load averages, below $SYS/broker/load. */
export const loadNames = [
  'connections',
  'sockets',
  'messages/received',
  'messages/sent',
  'publish/received',
  'publish/sent',
  'publish/dropped',
  'bytes/received',
  'bytes/sent',
] as const;

export type LoadName = (typeof loadNames)[number];

/** The number of each since startup. Messages are packets of all types. */
export function totalsOf({ counters, clients }: BrokerSample): Readonly<Record<LoadName, number>> {
  const {
    droppedQos0,
    droppedQueueFull,
    droppedTotalFull,
    droppedTooLarge,
    droppedExpired,
    droppedUnreadable,
    droppedOutdated,
  } = counters;
  return {
    connections: clients.accepted,
    sockets: counters.connectionsOpened,
    'messages/received': counters.publishReceived + counters.otherReceived,
    'messages/sent': counters.publishSent + counters.otherSent,
    'publish/received': counters.publishReceived,
    'publish/sent': counters.publishSent,
    'publish/dropped':
      droppedQos0 +
      droppedQueueFull +
      droppedTotalFull +
      droppedTooLarge +
      droppedExpired +
      droppedUnreadable +
      droppedOutdated,
    'bytes/received': counters.bytesReceived,
    'bytes/sent': counters.bytesSent,
  };
}
