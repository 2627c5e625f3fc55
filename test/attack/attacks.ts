/** All attacks, in the order of the table of bounds, and those that no row is about behind them. */
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
  'passwords that are remembered, and for how long': "only right ones are, and those are the users' own",
  'bytes of a segment of the log': 'whoever stores anything fills them, one after the other',
  'room on the disk of the data directory': 'a disk that is full is simulated: test/native/durable.test.cpp',
  'bytes of the log of a node with `replicas` 3 that JetStream has not acknowledged; it keeps `logCopies` of them':
    'a JetStream that does not answer is played: test/native/log.test.cpp',
  "bytes of QoS 1 and 2 that wait in a shard for a stand-in's filters":
    'for as long as a node takes to join: test/native/durable.test.cpp',
  'time between two looks at the files of certificates': 'no client has a part in it',
  'restarts of a worker': 'no client can end one',
  'time that a request over HTTP waits until the HTTP server takes it':
    'only a main thread that gets no turn keeps it waiting: test/e2e/wire/door.test.ts',
  'clients that are told to go in a second when the broker is drained': 'no client has a part in it',
  'events of clients that are remembered':
    'the oldest go, which nobody notices: test/unit/sessions/client-history.test.ts',
  'traces at once': 'only operators start them: test/unit/tracing/traces.test.ts',
  'bytes that a trace writes': 'it ends, which only operators notice: test/unit/tracing/traces.test.ts',
  'records of traces, and spans, that a worker tells in a second':
    'only operators have them made: test/native/watch.test.cpp',
  'streams of traces over HTTP at once': 'only operators open them: test/e2e/http/traces.test.ts',
  'topics whose messages are counted':
    'the oldest go, which only the API shows: test/native/topic-rates.test.cpp',
  'time in which the last packets of a client are taken':
    'only an overloaded broker needs more than milliseconds',
  'bytes of the messages in the lanes of a worker to the others':
    'only a worker that gets no turn lets them fill: test/native/flow.test.cpp',
  'bytes on the way between a worker and one of another node, in either direction':
    'only a node that takes nothing lets them wait: test/native/cluster.test.cpp',
  'deliveries that records of the lanes bring about in a turn':
    'the others only notice that they are served meanwhile: test/native/turn-budget.test.cpp',
  "topics of a connection of which a program's answer is remembered":
    'only a program is asked more often: test/native/pace.test.cpp',
  'names that are counted so': 'the oldest go, which nobody notices: test/unit/security/bans.test.ts',
  'lag of a worker, memory of the process':
    'with a clock and figures of its own: test/unit/control/overload-watch.test.ts',
  'time that a back end takes, and its answers are good for':
    'it takes a back end: test/unit/security/backend.test.ts',
  'questions to a back end, and its answers': 'it takes a back end: test/unit/security/backend.test.ts',
  'lines of the audit in a second': 'only the log shows it: test/unit/control/audit-log.test.ts',
};
