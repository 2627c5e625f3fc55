/** What the broker counts must agree with what its clients have seen. */
import type { Statistics } from '../../../core/broker.ts';
import type { Model } from './model.ts';

/** When everybody has caught up. `dropsMax`: so many messages may have been dropped for want of a queue. */
export function checkCaughtUp(model: Model, counters: Statistics, dropsMax: number): void {
  const { queued, publishReceived, publishSent, droppedQueueFull, droppedExpired, connections } = counters;
  if (queued !== 0) model.fault('counters', `${queued} messages are queued although all have caught up`);
  const { connectionsOpened, connectionsClosed } = counters;
  if (connectionsOpened - connectionsClosed !== connections) {
    model.fault(
      'counters',
      `${connectionsOpened} opened - ${connectionsClosed} closed is not ${connections}`,
    );
  }
  if (publishSent < model.publishPackets) {
    model.fault('counters', `${model.publishPackets} PUBLISH have come, ${publishSent} are counted as sent`);
  }
  const { all } = model.publications;
  const arrived = all.filter(({ deliveries, isWill }) => deliveries > 0 && !isWill).length;
  if (publishReceived < arrived || publishReceived > all.length) {
    model.fault(
      'counters',
      `${publishReceived} PUBLISH received: ${arrived} are known of ${all.length} sent`,
    );
  }
  if (droppedQueueFull > dropsMax) {
    model.fault(
      'counters',
      `${droppedQueueFull} messages were dropped as if queues were full; ${dropsMax} may have been`,
    );
  }
  const mayExpire = all.some((publication) => publication.mayExpire);
  if (droppedExpired > 0 && !mayExpire)
    model.fault('counters', `${droppedExpired} messages are counted as expired`);
}

/** When everybody has left and every session has ended. */
export function checkEmpty(model: Model, counters: Statistics): void {
  const { connections, sessions, subscriptions, sharedSubscriptions, queued } = counters;
  const left = { connections, sessions, subscriptions, sharedSubscriptions, queued };
  const some = Object.entries(left).filter(([, count]) => count !== 0);
  if (some.length > 0) {
    model.fault(
      'counters',
      `left when all are gone: ${some.map(([name, count]) => `${count} ${name}`).join(', ')}`,
    );
  }
}
