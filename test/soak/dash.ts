/**
 * Dashes: a sensor's CONNECT, PUBLISH packets and DISCONNECT leave in one go, and the end of the stream behind them.
 * MQTT 3.1.1 and 5 allow that (3.1.4): everything must be published, and its will must not.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { encodeDisconnect } from '../../core/wire/encode-disconnect.ts';
import { encodePublish } from '../../core/wire/encode-publish.ts';
import type { ConnectPacket, QoS } from '../../core/wire/packets.ts';
import type { Random } from '../support/random.ts';
import { transports } from '../support/raw-client.ts';
import type { Stage } from './actors.ts';
import { Link } from './clients/link.ts';
import { patienceMs, type World } from './clients/terms.ts';
import { never } from './model/fault.ts';
import type { WillStory } from './model/model.ts';
import type { Publication } from './model/publications.ts';
import { type CastMember, chance } from './plan.ts';
import { ownTopic } from './topics.ts';

export async function playSensor(
  member: CastMember,
  world: World,
  random: Random,
  stage: Stage,
): Promise<void> {
  while (!stage.isOver) {
    if (!stage.isBusy) await dash(member, world, random, stage);
    await delay(random.below(60));
  }
}

async function dash(
  { clientId, version }: CastMember,
  world: World,
  random: Random,
  { switches }: Stage,
): Promise<void> {
  const { model, ports } = world;
  const number = model.nextConnection();
  const properties = {};
  const packet: ConnectPacket = {
    protocolVersion: version,
    cleanStart: true,
    keepAliveSeconds: 0,
    clientId,
    properties,
  };
  const will = switches.has('wills') && chance(random, 50) ? willOf(clientId, number, world) : undefined;
  if (will !== undefined) {
    const payload = model.publications.payloadOf(will.publication);
    packet.will = { topic: will.publication.topic, payload, qos: 1, retain: false, properties };
  }
  const transport = random.pick(transports);
  model.history.note(clientId, `dashes over ${transport} as connection ${number}`);
  const link = new Link(
    { number, transport, ports, packet, will },
    { onPacket: () => {}, onLetIn: () => {}, onClosed: () => {} },
  );
  const published: Publication[] = [];
  let room = world.receiveMaximum;
  for (let count = 1 + random.below(5); count > 0; count--) {
    // More than the broker takes at once would end the connection.
    const qos = room > 0 ? (random.below(3) as QoS) : 0;
    if (qos > 0) room--;
    const publication = model.publish({
      topic: ownTopic(clientId),
      qos,
      client: clientId,
      connection: number,
    });
    published.push(publication);
    const payload = model.publications.payloadOf(publication);
    link.send(
      encodePublish(
        { topic: publication.topic, payload, qos, retain: false, dup: false, packetId: count, properties },
        version,
      ),
    );
  }
  link.send(encodeDisconnect({ reasonCode: 0, properties }, version));
  link.connection.finish();
  if ((await Promise.race([link.closed, delay(patienceMs, 'late')])) === 'late') {
    model.fault('hanging', `${clientId} has parted, and connection ${number} stays`, clientId);
    link.connection.die('reset');
  }
  if (world.hasCrashes) return; // a worker that fails meanwhile does not read them
  for (const publication of published) publication.isCertain = true;
  if (will !== undefined) will.end = 'parted';
}

function willOf(clientId: string, connection: number, { model }: World): WillStory {
  const publication = model.publish({
    topic: ownTopic(clientId),
    qos: 1,
    client: clientId,
    connection,
    isWill: true,
  });
  const story: WillStory = {
    publication,
    client: clientId,
    delayMs: 0,
    isAccepted: true,
    end: 'unknown',
    endedMs: never,
    endedFromMs: never,
    backMs: never,
    backConnectMs: never,
    sessionEnded: false,
  };
  model.wills.push(story);
  return story;
}
