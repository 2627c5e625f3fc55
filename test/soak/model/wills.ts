/** Wills: each is published once or not at all, as the end of its connection and its delay say (5.0, 3.1.2.5). */
import type { Life } from './lives.ts';
import { isOpen, type Model, type WillStory } from './model.ts';
import { nameOf } from './publications.ts';

/** The broker may notice an end this late. */
const noticeMs = 1_500;

/**
 * Judged by one who sees all. A will of QoS 0 may be dropped on its way to it, as any message; returns those that
 * would have to be.
 */
export function checkWills(model: Model, nowMs: number): readonly WillStory[] {
  if (!model.lives.some(seesAllWills)) return [];
  const unreliable: WillStory[] = [];
  for (const story of model.wills) {
    const { publication, client } = story;
    const isPublished = publication.deliveries > 0;
    const expected = isDue(story, nowMs);
    if (expected === undefined || expected === isPublished) continue;
    if (expected && publication.qos === 0) {
      unreliable.push(story);
      continue;
    }
    const what = isPublished ? 'was published' : 'was not published';
    model.fault('will', `${nameOf(publication)} ${what}: ${whyOf(story)}`, client, publication);
  }
  return unreliable;
}

function seesAllWills(life: Life): boolean {
  const [first] = life.subscriptions.get('w/#')?.periods ?? [];
  return isOpen(life) && first !== undefined && Number.isFinite(first.sureAt);
}

/** Whether it had to be published; undefined if either is right. */
function isDue(story: WillStory, nowMs: number): boolean | undefined {
  const { end, delayMs, endedMs, endedFromMs, backMs, backConnectMs, sessionEnded, isAccepted } = story;
  if (end === 'parted') return false;
  if (end !== 'silent' || !isAccepted) return undefined;
  const dueMs = endedMs + delayMs;
  if (delayMs === 0 || sessionEnded) return dueMs + noticeMs < nowMs || sessionEnded ? true : undefined;
  if (backMs < endedFromMs + delayMs) return false;
  return Math.min(backConnectMs, nowMs) > dueMs + noticeMs ? true : undefined;
}

function whyOf({ end, delayMs, endedMs, backMs, sessionEnded }: WillStory): string {
  const back = Number.isFinite(backMs)
    ? `, and its client was back after ${Math.round(backMs - endedMs)} ms`
    : '';
  const ended = sessionEnded ? ', and its session ended' : '';
  const how = end === 'parted' ? 'it parted' : 'its connection ended without DISCONNECT';
  return `${how}; delay ${delayMs} ms${back}${ended}`;
}
