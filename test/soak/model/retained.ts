/**
 * Retained messages: what a new subscription finds at the end is what was published last on each topic, in the order
 * that its witness saw.
 */
import type { Model } from './model.ts';
import { hasArrived, isOtherAttempt, nameOf, type Publication } from './publications.ts';

/** What a fresh subscription to all was sent: the retained messages by topic. */
export type Found = ReadonlyMap<string, Publication>;

export function checkRetained(model: Model, found: Found, readBy: string): void {
  for (const { what, publication } of wrongOf(model, found)) {
    model.fault('retained', `${readBy} found ${what}`, readBy, publication);
  }
}

export interface Wrong {
  readonly what: string;
  readonly publication: Publication;
}

export function wrongOf(model: Model, found: Found): readonly Wrong[] {
  const wrong: Wrong[] = [];
  const topics = new Map<string, Publication[]>();
  const doubtful = model.publications.all.filter((each) => each.retain && !hasArrived(each));
  for (const publication of model.publications.all) {
    if (!publication.retain || !hasArrived(publication) || isOtherAttempt(publication)) continue;
    topics.set(publication.topic, [...(topics.get(publication.topic) ?? []), publication]);
  }
  for (const [topic, all] of topics) {
    const last = all.reduce((latest, each) => (each.position > latest.position ? each : latest));
    const actual = found.get(topic);
    // The witness has missed some: also if one has replaced it of which nobody knows whether it has arrived.
    if (all.some(({ position }) => position < 0) || (actual !== undefined && actual.position < 0)) continue;
    const expected = last.isClearing ? undefined : last;
    if (actual === expected) continue;
    // Such a one may have cleared it: it was sent with QoS 0, or not answered, and whoever watches all lost a connection
    // meanwhile or had a message dropped.
    const mayBeCleared = doubtful.some(
      (each) => each.topic === topic && each.isClearing && each.sentAt > last.sentAt,
    );
    if (actual === undefined && mayBeCleared) continue;
    const what = actual === undefined ? 'nothing' : nameOf(actual);
    const due = expected === undefined ? `nothing, ${nameOf(last)} has cleared it` : nameOf(expected);
    wrong.push({ what: `${what} retained on ${topic}; due is ${due}`, publication: last });
  }
  for (const [topic, publication] of found) {
    if (!topics.has(topic) && publication.position >= 0)
      wrong.push({ what: `${nameOf(publication)} retained`, publication });
  }
  return wrong;
}
