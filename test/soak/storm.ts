/**
 * Storms: one client identifier connects many times at once. All but one connection must end, each with an answer
 * or at least an end, and the one that stays must work. Nothing else is asked of a stormer's session.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { PacketType } from '../../core/wire/packet-type.ts';
import type { Random } from '../support/random.ts';
import { transports } from '../support/raw-client.ts';
import type { Stage } from './actors.ts';
import { Link } from './clients/link.ts';
import { patienceMs, type World } from './clients/terms.ts';
import { type CastMember, chance } from './plan.ts';

const pingreq = Uint8Array.of(0xc0, 0);

interface Rider {
  readonly link: Link;
  pongs: number;
}

export async function playStormer(
  member: CastMember,
  world: World,
  random: Random,
  stage: Stage,
): Promise<void> {
  let survivor: Rider | undefined;
  while (!stage.isOver) {
    const riders = Array.from({ length: 2 + random.below(12) }, () => open(member, world, random));
    const given = chance(random, 30) ? riders.splice(0, 1) : [];
    for (const { link } of given) link.connection.die('reset');
    const all = survivor === undefined ? riders : [survivor, ...riders];
    // A CONNECT that was given up may have come last, and taken the place of all others.
    survivor = await settle(member.clientId, all, world, given.length > 0);
    if (chance(random, 30)) {
      survivor?.link.connection.die('fin');
      survivor = undefined;
    }
    await delay(20 + random.below(300));
  }
  survivor?.link.connection.die('fin');
}

function open({ clientId, version, isLasting }: CastMember, world: World, random: Random): Rider {
  const { model, ports } = world;
  const number = model.nextConnection();
  const packet = {
    protocolVersion: version,
    cleanStart: chance(random, 20) || !isLasting,
    keepAliveSeconds: 0,
    clientId,
    properties: {},
  };
  model.history.note(clientId, `connects as connection ${number}`);
  const transport = random.pick(transports);
  const link = new Link(
    { number, transport, ports, packet, will: undefined },
    {
      onPacket: (_, header) => {
        if (header >> 4 === PacketType.pingresp) rider.pongs++;
      },
      onLetIn: (from) => {
        model.history.note(clientId, `connection ${number} is let in`);
        from.release();
      },
      onClosed: () => model.history.note(clientId, `connection ${number} is closed`),
    },
  );
  const rider: Rider = { link, pongs: 0 };
  return rider;
}

/** Waits until one connection is left, and that it answers. */
async function settle(
  clientId: string,
  riders: readonly Rider[],
  world: World,
  mayAllEnd: boolean,
): Promise<Rider | undefined> {
  const open = (): Rider[] => riders.filter(({ link }) => !link.connection.isClosed);
  const endMs = performance.now() + patienceMs;
  while (open().length > 1 && performance.now() < endMs) await delay(2);
  const left = open();
  if (left.length > 1) {
    const numbers = left.map(
      ({ link }) => `${link.number}${link.connack === undefined ? ' (no CONNACK)' : ''}`,
    );
    world.model.fault(
      'connected twice',
      `${clientId} still has connections ${numbers.join(', ')} after ${patienceMs} ms`,
      clientId,
    );
    for (const { link } of left.slice(1)) link.connection.die('reset');
  }
  const [survivor] = left;
  if (survivor === undefined) {
    if (!world.hasCrashes && !mayAllEnd)
      world.model.fault('locked out', `no connection of ${clientId} is left of ${riders.length}`, clientId);
    return undefined;
  }
  if (await answers(survivor, endMs + patienceMs)) return survivor;
  if (!mayAllEnd || !survivor.link.connection.isClosed) fail(clientId, survivor, world);
  return undefined;
}

async function answers(rider: Rider, endMs: number): Promise<boolean> {
  const { link, pongs } = rider;
  while (link.connack === undefined && !link.connection.isClosed && performance.now() < endMs) await delay(2);
  link.send(pingreq);
  while (rider.pongs === pongs && !link.connection.isClosed && performance.now() < endMs) await delay(2);
  return rider.pongs > pongs;
}

function fail(clientId: string, { link }: Rider, world: World): void {
  if (world.hasCrashes && link.connection.isClosed) return;
  const what = link.connection.isClosed ? 'is closed too' : 'does not answer';
  world.model.fault('locked out', `the last connection of ${clientId}, ${link.number}, ${what}`, clientId);
  link.connection.die('reset');
}
