/** Paho, the Python client, in both its versions and over both its transports. */
import { test } from 'node:test';
import { PahoHost } from '../../support/clients/paho.ts';
import { play, playAcrossWorkers, scenarios, sessionScenarios } from '../../support/clients/scenarios.ts';
import { scenariosV5, timedScenariosV5 } from '../../support/clients/scenarios-v5.ts';

for (const transport of ['websockets', 'tcp'] as const) {
  for (const version of [4, 5] as const) {
    test(`Paho, version ${version}, ${transport}`, async (context) => {
      const kind = PahoHost.start(context).kind(version, transport);
      const all = version === 5 ? { ...scenarios, ...scenariosV5 } : scenarios;
      for (const workers of version === 5 ? [1, 4] : [1]) {
        await context.test(`${workers} workers`, (part) => play(part, kind, workers, all));
        if (version === 5) {
          await context.test(`${workers} workers, what takes time`, { concurrency: true }, (part) =>
            play(part, kind, workers, timedScenariosV5, 'all at once'),
          );
        }
      }
      await context.test('sessions', (part) => play(part, kind, 1, sessionScenarios));
      await context.test('sessions across 4 workers', (part) =>
        playAcrossWorkers(part, kind, sessionScenarios),
      );
    });
  }
}
