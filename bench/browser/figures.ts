/** The figures of `browser` as rows, for the terminal and the report. */
import { shortNumber } from '../progress.ts';
import type { BrowserFile } from '../results.ts';
import { medianOf, ratios, shownSpread, spreadOf } from '../statistics.ts';
import type { EchoOptions, EchoResult } from './echo.ts';

export const clients = ['rally', 'mqtt.js'] as const;
export const qualities = [0, 1, 2] as const;
/** Messages on the way: one to see how long it takes, many to see how many there can be. */
export const windows = { one: 1, many: 100 } as const;

export const browserHead = [
  'broker',
  'QoS',
  'rally, messages a second',
  'MQTT.js',
  'rally against it',
  'rally, p50 and p99 in ms',
  'MQTT.js',
] as const;

/** A row for each broker and QoS. */
export function browserRows(file: BrowserFile): string[][] {
  return file.peers.flatMap((peer) =>
    qualities.flatMap((qos) => {
      const found = (client: EchoOptions['client'], window: number): readonly EchoResult[] =>
        file.cases
          .filter((each) => each.peer === peer && each.qos === qos)
          .filter((each) => each.client === client && each.window === window)
          .map(({ result }) => result);
      const [ours, theirs] = clients.map((client) =>
        found(client, windows.many).map(({ perSecond }) => perSecond),
      );
      if (!ours?.length || !theirs) return [];
      return [
        [
          peer,
          `${qos}`,
          shownSpread(spreadOf(ours)),
          shownSpread(spreadOf(theirs)),
          shownSpread(ratios(ours, theirs), '×'),
          ...clients.map((client) => latencies(found(client, windows.one))),
        ],
      ];
    }),
  );
}

function latencies(results: readonly EchoResult[]): string {
  const [p50Us = 0, p99Us = 0] = [
    medianOf(results.map((result) => result.p50Us)),
    medianOf(results.map((result) => result.p99Us)),
  ];
  return `${shortNumber(p50Us / 1_000)} and ${shortNumber(p99Us / 1_000)}`;
}
