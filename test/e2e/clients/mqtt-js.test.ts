/** MQTT.js in every version and over both transports. */
import { test } from 'node:test';
import { mqttJs } from '../../support/clients/mqtt-js.ts';
import { play, playAcrossWorkers, scenarios, sessionScenarios } from '../../support/clients/scenarios.ts';
import { scenariosV5, timedScenariosV5 } from '../../support/clients/scenarios-v5.ts';

for (const transport of ['ws', 'tcp'] as const) {
  for (const version of [3, 4, 5] as const) {
    const kind = mqttJs(version, transport);
    const all = version === 5 ? { ...scenarios, ...scenariosV5 } : scenarios;
    for (const workers of [1, 4]) {
      test(`${kind.name}, ${workers} workers`, (context) => play(context, kind, workers, all));
      if (version === 5) {
        test(`${kind.name}, ${workers} workers, what takes time`, { concurrency: true }, (context) =>
          play(context, kind, workers, timedScenariosV5, 'all at once'),
        );
      }
    }
    test(`${kind.name}, sessions`, (context) => play(context, kind, 1, sessionScenarios));
    test(`${kind.name}, sessions across 4 workers`, (context) =>
      playAcrossWorkers(context, kind, sessionScenarios));
  }
}
