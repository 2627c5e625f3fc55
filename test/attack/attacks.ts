/** All attacks, in the order of the table of bounds, followed by those without a row. */
import type { Attack } from './attack.ts';
import { connectionAttacks } from './attacks/connections.ts';
import { furtherAttacks } from './attacks/further.ts';
import { httpAttacks } from './attacks/http.ts';
import { outgoingAttacks } from './attacks/outgoing.ts';
import { packetAttacks } from './attacks/packets.ts';
import { rateAttacks } from './attacks/rates.ts';
import { storedAttacks } from './attacks/stored.ts';
import { subscriptionAttacks } from './attacks/subscriptions.ts';

export const attacks: readonly Attack[] = [
  ...connectionAttacks,
  ...rateAttacks,
  ...httpAttacks,
  ...packetAttacks,
  ...subscriptionAttacks,
  ...outgoingAttacks,
  ...storedAttacks,
  ...furtherAttacks,
];

/** Rows of the table that no client can reach, and why. */
export const unreachable: Readonly<Record<string, string>> = {
  'remembered passwords, and for how long': 'only correct ones are remembered, and those belong to users',
  'bytes of a log segment': 'every stored message fills them, one after the other',
  'free space on the disk of the data directory': 'a full disk is simulated: test/native/durable.test.cpp',
  'log bytes of a node with `replicas` 3 that JetStream has not acknowledged; it keeps `logCopies` copies':
    'a JetStream that does not answer is simulated: test/native/log.test.cpp',
  'bytes of QoS 1 and 2 messages waiting in a shard for the filters of a stand-in':
    'for as long as a node takes to join: test/native/durable.test.cpp',
  'time between two checks of the certificate files': 'clients have no influence on it',
  'restarts of a worker': 'no client can end one',
  'time until the HTTP server accepts a request':
    'only a blocked main thread makes it wait: test/e2e/wire/door.test.ts',
  'clients disconnected per second while the broker is drained': 'clients have no influence on it',
  'clients of a worker per second whose dropped messages become events':
    'the others are counted, which clients cannot notice: test/native/flow.test.cpp',
  'remembered events of clients':
    'the oldest are forgotten, which clients cannot notice: test/unit/sessions/client-history.test.ts',
  'traces running at once on a node, of a cluster also those of other nodes':
    'only operators start them: test/unit/tracing/traces.test.ts',
  'tickets of dashboards that are not used yet':
    'only operators get them: test/unit/security/api-keys.test.ts',
  'bytes of a trace': 'it ends, which only operators can notice: test/unit/tracing/traces.test.ts',
  'records of traces, and spans, of a worker per second':
    'only operators request them: test/native/watch.test.cpp',
  'HTTP streams of traces at once': 'only operators open them: test/e2e/http/traces.test.ts',
  'topics with message counts':
    'the oldest are forgotten, which only the API shows: test/native/topic-rates.test.cpp',
  'time for handling the last packets of a client': 'only an overloaded broker needs more than milliseconds',
  'bytes of the messages in the lanes of a worker to the others':
    'they fill only if a worker is blocked: test/native/flow.test.cpp',
  'bytes in transit between a worker and one of another node, in either direction':
    'they wait only if a node accepts nothing: test/native/cluster.test.cpp',
  'filters with wildcards that the workers of a node tell the others of a cluster':
    'wider ones are told instead, and bring nobody more: test/native/routes.test.cpp',
  'deliveries caused by the records of the lanes in a turn':
    'other clients are served in the meantime: test/native/turn-budget.test.cpp',
  'topics of a connection with a remembered answer of a program':
    'a program is asked again: test/native/pace.test.cpp',
  'names counted in this way':
    'the oldest are forgotten, which clients cannot notice: test/unit/security/bans.test.ts',
  'lag of a worker, memory of the process':
    'simulated, with its own clock and figures: test/unit/control/overload-watch.test.ts',
  'response time of a back end, and lifetime of its answers':
    'it needs a back end: test/unit/security/backend.test.ts',
  'questions to a back end, and its answers': 'it needs a back end: test/unit/security/backend.test.ts',
  'audit lines per second': 'only the log shows it: test/unit/control/audit-log.test.ts',
};
