/**
 * `npm run crash -- --count 1000 [--seed N]`: ends a broker with kill -9 so many times, in runs of 50, each with a seed
 * of its own. `--power-cuts`: on a disk whose power is cut in the same moment (test/support/power-cut-disk.ts; for root).
 */
import { parseArgs } from 'node:util';
import { KillableBroker } from '../support/killable-broker.ts';
import { PowerCutDisk } from '../support/power-cut-disk.ts';
import { CrashLoop, crashLimits } from './crash-loop.ts';

const perRun = 50;

const { values } = parseArgs({
  options: {
    count: { type: 'string', default: '100' },
    seed: { type: 'string' },
    'power-cuts': { type: 'boolean', default: false },
  },
});
const count = Number(values.count);
const firstSeed = values.seed === undefined ? Date.now() % 1_000_000_007 : Number(values.seed);

let crashes = 0;
let published = 0;
let received = 0;
for (let seed = firstSeed; crashes < count; seed++) {
  const ends: (() => unknown)[] = [];
  const disk = values['power-cuts'] ? new PowerCutDisk() : undefined;
  const broker = await KillableBroker.create(crashLimits, disk);
  try {
    const loop = new CrashLoop({ after: (end) => void ends.push(end) }, broker, seed);
    const report = await loop.run(Math.min(perRun, count - crashes));
    crashes += report.crashes;
    published += report.published;
    received += report.received;
    const what = disk === undefined ? 'crashes' : 'power cuts';
    const figures = `${published} messages published, ${received} received`;
    console.log(`${crashes} of ${count} ${what}, ${figures} (the last seed: ${seed})`);
  } catch (error) {
    console.error(`failed with --seed ${seed} --count ${perRun}${disk === undefined ? '' : ' --power-cuts'}`);
    throw error;
  } finally {
    for (const end of ends) await end();
    await broker.remove();
    disk?.remove();
  }
}
