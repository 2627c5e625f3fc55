/** The display of `rallymq top`, from two samples of the figures of a broker. */

/** The format of GET /api/v1/stats. */
export type Figures = Readonly<Record<string, number>>;

type Row = readonly [label: string, value: string, label: string, value: string];

const dropped = [
  'droppedQos0',
  'droppedQueueFull',
  'droppedTotalFull',
  'droppedTooLarge',
  'droppedExpired',
  'droppedUnreadable',
  'droppedOutdated',
];

export function shownFigures(url: string, last: Figures, now: Figures): string {
  const of = (name: string): number => now[name] ?? 0;
  const wasRestarted = of('uptimeMs') < (last['uptimeMs'] ?? 0);
  const before: Figures = wasRestarted ? {} : last;
  const seconds = Math.max((of('uptimeMs') - (before['uptimeMs'] ?? 0)) / 1_000, 0.001);
  const perSecond = (name: string): number => Math.max(of(name) - (before[name] ?? 0), 0) / seconds;
  const drops = dropped.reduce((sum, name) => sum + perSecond(name), 0);
  const rows: readonly Row[] = [
    ['clients', whole(of('clientsConnected')), 'at most', whole(of('clientsConnectedMost'))],
    ['messages in/s', whole(perSecond('publishReceived')), 'out/s', whole(perSecond('publishSent'))],
    ['bytes in/s', size(perSecond('bytesReceived')), 'out/s', size(perSecond('bytesSent'))],
    ['dropped/s', whole(drops), 'refused/s', whole(perSecond('publishRefused'))],
    ['connects/s', whole(perSecond('connectionsOpened')), 'refused/s', whole(perSecond('clientsRefused'))],
    ['sessions', whole(of('sessions')), 'subscriptions', whole(of('subscriptions'))],
    ['queued', whole(of('queued')), 'retained', whole(of('retained'))],
    ['memory', size(of('memoryBytes')), 'CPU', `${whole(perSecond('cpuUs') / 10_000)} %`],
  ];
  const lines = rows.map(
    ([label, value, other, otherValue]) =>
      `  ${label.padEnd(14)}${value.padStart(14)}    ${other.padEnd(14)}${otherValue.padStart(14)}`,
  );
  return `RallyMQ at ${url}, up ${duration(of('uptimeMs'))}\n\n${lines.join('\n')}\n`;
}

function whole(value: number): string {
  return Math.round(value).toLocaleString('en-GB');
}

function size(bytes: number): string {
  for (const [unit, of] of [
    ['GB', 1e9],
    ['MB', 1e6],
    ['kB', 1e3],
  ] as const)
    if (bytes >= of) return `${(bytes / of).toFixed(1)} ${unit}`;
  return `${whole(bytes)} B`;
}

function duration(ms: number): string {
  const minutes = Math.floor(ms / 60_000);
  const hours = Math.floor(minutes / 60);
  if (hours >= 24) return `${Math.floor(hours / 24)} d ${hours % 24} h`;
  if (hours > 0) return `${hours} h ${minutes % 60} min`;
  return minutes > 0 ? `${minutes} min` : `${Math.floor(ms / 1_000)} s`;
}
