/** All attacks, in the order of the table of bounds, and those that no row is about behind them. */
import type { Attack } from './attack.ts';
import { connectionAttacks } from './attacks/connections.ts';
import { furtherAttacks } from './attacks/further.ts';
import { httpAttacks } from './attacks/http.ts';
import { outgoingAttacks } from './attacks/outgoing.ts';
import { packetAttacks } from './attacks/packets.ts';
import { storedAttacks } from './attacks/stored.ts';
import { subscriptionAttacks } from './attacks/subscriptions.ts';

export const attacks: readonly Attack[] = [
  ...connectionAttacks,
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
  'time between two looks at the files of certificates': 'no client has a part in it',
  'restarts of a worker': 'no client can end one',
  'clients that are told to go in a second when the broker is drained': 'no client has a part in it',
  'events of clients that are remembered':
    'the oldest go, which nobody notices: test/unit/sessions/client-history.test.ts',
  'time in which the last packets of a client are taken':
    'only an overloaded broker needs more than milliseconds',
};
