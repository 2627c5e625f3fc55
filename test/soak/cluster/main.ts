/** The command `npm run cluster-faults`. */
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { BrokerCluster } from '../../support/cluster/broker-cluster.ts';
import { refuse, wholeNumber } from '../../support/flags.ts';
import { Random } from '../../support/random.ts';
import { faults, isFault, play } from './faults.ts';
import { Traffic } from './traffic.ts';

const usage = `Usage: npm run cluster-faults -- [flags]

Three brokers with data directories and real nats-servers, under load. In each round one fault happens to them, drawn by
the seed, and then it is checked that no client has missed an acknowledged message, that all saw each topic in order, and
that nothing of QoS 2 came twice.

  --minutes N        for how long (default 5)
  --rounds N         no more rounds than these
  --seed S           of the faults (default: the clock)
  --only LIST        only these faults, separated by commas
  --replicas 1|3     with 3, each log has copies with JetStream, and the clients of a lost node continue elsewhere (default 1)
  --nats-servers N   with --replicas 3 (default 3)
  -h, --help         show this text

The faults: ${Object.keys(faults).join(', ')}
`;

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '5' },
    rounds: { type: 'string', default: '1000000' },
    seed: { type: 'string', default: `${Date.now() % 1_000_000_007}` },
    only: { type: 'string', default: Object.keys(faults).join(',') },
    replicas: { type: 'string', default: '1' },
    'nats-servers': { type: 'string', default: '3' },
    help: { type: 'boolean', short: 'h', default: false },
  },
});
if (values.help) {
  process.stdout.write(usage);
  process.exit(0);
}
const minutes = wholeNumber('cluster-faults', 'minutes', values.minutes, 1);
const rounds = wholeNumber('cluster-faults', 'rounds', values.rounds, 1);
const seed = wholeNumber('cluster-faults', 'seed', values.seed);
const servers = wholeNumber('cluster-faults', 'nats-servers', values['nats-servers'], 1);
const names = values.only.split(',');
const chosen = names.filter(isFault);
if (chosen.length < names.length) refuse('cluster-faults', '--only has a name that is none; see --help.');
if (values.replicas !== '1' && values.replicas !== '3') refuse('cluster-faults', '--replicas is 1 or 3.');
const isReplicated = values.replicas === '3';

test(`nodes of a cluster have faults under load, with ${values.replicas} replicas, seed ${seed}`, async (t) => {
  const terms = { workers: 2, hasData: true };
  const cluster = await BrokerCluster.start(t, 3, isReplicated ? { ...terms, replicas: 3, servers } : terms);
  const random = new Random(seed);
  const traffic = new Traffic(cluster);
  await traffic.begin();
  const endMs = performance.now() + minutes * 60_000;
  let round = 0;
  try {
    for (; round < rounds && performance.now() < endMs; round++) {
      const name = random.pick(chosen);
      process.stdout.write(`# round ${round}: ${name}\n`);
      const startMs = performance.now();
      const before = traffic.totals.messages;
      traffic.start();
      await delay(500 + random.below(1_000));
      const what = await play(name, { cluster, traffic, random, isReplicated });
      await delay(500);
      await traffic.check();
      const seconds = ((performance.now() - startMs) / 1_000).toFixed(1);
      const messages = (traffic.totals.messages - before).toLocaleString('en');
      t.diagnostic(`round ${round}: ${what}: ${messages} messages, ${seconds} s`);
    }
  } catch (error) {
    for (const [index, server] of cluster.natsServers.entries())
      t.diagnostic(`nats-${index} says:\n${await server.report()}`);
    for (const { broker } of traffic.places)
      t.diagnostic(`${broker.name} at last:\n${broker.command.stderr.split('\n').slice(-40).join('\n')}`);
    throw error;
  }
  const { messages, refused } = traffic.totals;
  t.diagnostic(
    `${round} faults, ${messages.toLocaleString('en')} messages, ${refused} refused, none missing`,
  );
});
