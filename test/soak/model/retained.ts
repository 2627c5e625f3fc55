/**
 * Retained messages: what a new subscription finds at the end is what was published last on each topic, in the order
 * that its witness saw.
 */
import type { Model } from './model.ts';
import { hasArrived, isOtherAttempt, nameOf, type Publication } from './publications.ts';

/** What a fresh subscription to all was sent: the retained messages by topic. */
export type Found = ReadonlyMap<string, Publication>;

export function checkRetained(model: Model, found: Found, readBy: string): void {
  const topics = new Map<string, Publication[]>();
  for (const publication of model.publications.all) {
    if (!publication.retain || !hasArrived(publication) || isOtherAttempt(publication)) continue;
    topics.set(publication.topic, [...(topics.get(publication.topic) ?? []), publication]);
  }
  for (const [topic, all] of topics) {
    const last = all.reduce((latest, each) => (each.position > latest.position ? each : latest));
    const actual = found.get(topic);
    // The witness has missed some.
    if (all.some(({ position }) => position < 0) || (actual !== undefined && actual.position < 0)) continue;
    const expected = last.isClearing ? undefined : last;
    if (actual === expected) continue;
    const what = actual === undefined ? 'nothing' : nameOf(actual);
    const due = expected === undefined ? `nothing, ${nameOf(last)} has cleared it` : nameOf(expected);
    model.fault('retained', `${readBy} found ${what} retained on ${topic}; due is ${due}`, last);
  }
  for (const [topic, publication] of found) {
    if (!topics.has(topic) && publication.position >= 0)
      model.fault('retained', `${readBy} found ${nameOf(publication)} retained`, readBy, publication);
  }
}
