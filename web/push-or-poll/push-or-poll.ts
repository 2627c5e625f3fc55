/**
 * The same match pushed and polled, side by side. The pushed side is the reference: a polled score is behind while
 * a newer one has been pushed.
 */
import '../centre-court/centre-court.css';
import './push-or-poll.css';
import type { Message, Subscription } from '../../client/rally.ts';
import { Scoreboard } from '../centre-court/scoreboard.ts';
import { allScores, matchIdOf, parseState, readState, scoreTopic } from '../centre-court/topics.ts';
import { byId, make, numberFormat, setText } from '../shared/dom.ts';
import { errorText, noteWhenEmpty, openRally, subscribe, tabId } from '../shared/page.ts';
import type { MatchState } from '../tennis/record.ts';
import { Behind } from './behind.ts';
import { pollLoad, pushBytes, pushLoad, type StepCost, showBytes, showCores, showDuration } from './cost.ts';
import { type Measured, measure, measuredViewers } from './measure.ts';
import { poll } from './poll.ts';
import { Timeline } from './timeline.ts';

const viewerCounts = [1, measuredViewers, 10_000] as const;
/** The assumed seconds between changes, until the pace of the match is known. */
const pacePrior = 4;
/** The minimum number of points for an average. */
const timedMin = 5;
const echoTopic = `demos/push-or-poll/${tabId('push-or-poll')}/echo`;

const boards = { push: new Scoreboard(), poll: new Scoreboard() };
byId('push-board').replaceChildren(boards.push.element);
byId('poll-board').replaceChildren(boards.poll.element);

const rally = openRally();
const matches = new Map<string, MatchState>();
const behind = new Behind();
const timeline = new Timeline(byId<HTMLCanvasElement>('timeline'));
let match = '';
let subscription: Subscription | undefined;
let latest: MatchState | undefined;
let echoMs: number | undefined;
let measured: Measured | undefined;
let pollTimer: ReturnType<typeof setTimeout> | undefined;
let polling: AbortController | undefined;
let counted = nothingCounted();
const noteIfEmpty = noteWhenEmpty(rally, byId('no-match'), () => matches.size === 0);

subscribe(rally, allScores, offer, { qos: 0 });
subscribe(rally, echoTopic, (message) => {
  echoMs = performance.now() - Number(message.text());
});
byId('choice').addEventListener('change', () => follow(byId<HTMLSelectElement>('choice').value));
byId('period').addEventListener('change', () => {
  behind.forgetMean();
  restartPolling();
});
byId('measure').addEventListener('click', () => void runMeasurement());
setInterval(() => {
  if (rally.status === 'connected') void rally.publish(echoTopic, `${performance.now()}`);
}, 2_000);
setInterval(showFigures, 250);

function offer(message: Message): void {
  const id = matchIdOf(message.topic);
  const state = readState(message);
  const before = matches.get(id);
  if (state === undefined) matches.delete(id);
  else matches.set(id, state);
  if (state === undefined || before === undefined || labelOf(before) !== labelOf(state)) showChoice();
  if (match === '' && state !== undefined && state.score.winner === undefined) follow(id);
}

function showChoice(): void {
  const options = [...matches].map(([id, state]) =>
    make('option', { value: id, selected: id === match }, labelOf(state)),
  );
  byId('choice').replaceChildren(...options);
  noteIfEmpty();
}

function labelOf({ court, players }: MatchState): string {
  return `${court}: ${players[0]} – ${players[1]}`;
}

function follow(id: string): void {
  subscription?.unsubscribe();
  match = id;
  latest = undefined;
  behind.reset();
  counted = nothingCounted();
  timeline.reset();
  byId<HTMLSelectElement>('choice').value = id;
  subscription = subscribe(rally, scoreTopic(id), pushed, { qos: 0 });
  restartPolling();
}

function nothingCounted() {
  return {
    since: performance.now(),
    changes: 0,
    pushes: 0,
    pushBytes: 0,
    polls: 0,
    /** Polls that have found a new score. */
    news: 0,
    pollBytes: 0,
    pollMs: 0,
  };
}

function pushed(message: Message): void {
  const state = readState(message);
  if (state === undefined) return;
  counted.pushes += 1;
  counted.pushBytes += pushBytes(message.topic.length, message.bytes.length, message.qos);
  boards.push.show(state);
  // The first one existed before this page was opened.
  if (latest !== undefined) {
    const now = performance.now();
    counted.changes += 1;
    behind.pushed(state.at, now);
    timeline.pushed(now, behind.isBehind);
  }
  latest = state;
}

function restartPolling(): void {
  clearTimeout(pollTimer);
  polling?.abort();
  polling = new AbortController();
  void pollOnce(polling.signal);
}

async function pollOnce(signal: AbortSignal): Promise<void> {
  const startMs = performance.now();
  try {
    const { text, bytes, durationMs } = await poll(scoreTopic(match), signal);
    counted.polls += 1;
    counted.pollBytes += bytes;
    counted.pollMs += durationMs;
    const state = text === undefined ? undefined : parseState(text);
    if (state !== undefined) showPolled(state, performance.now());
    setText(byId('poll-trouble'), '');
  } catch (error) {
    if (signal.aborted) return;
    const why = error instanceof TypeError ? 'the broker cannot be reached' : errorText(error);
    setText(byId('poll-trouble'), `No answer: ${why}. Asking again.`);
  }
  if (signal.aborted) return;
  const rest = Math.max(0, periodSeconds() * 1_000 - (performance.now() - startMs));
  pollTimer = setTimeout(() => void pollOnce(signal), rest);
}

function showPolled(state: MatchState, nowMs: number): void {
  const hasNews = behind.polled(state.at, nowMs);
  if (hasNews) counted.news += 1;
  timeline.polled(nowMs, hasNews, !behind.isBehind);
  boards.poll.show(state);
}

function periodSeconds(): number {
  return Number(byId<HTMLSelectElement>('period').value);
}

/** Changes of the score per second. */
function pace(): number {
  const seconds = (performance.now() - counted.since) / 1_000;
  return (counted.changes + 1) / (seconds + pacePrior);
}

function pushCost(): StepCost {
  return {
    bytes: counted.pushes === 0 ? 0 : counted.pushBytes / counted.pushes,
    cpuUs: measured?.cpuUsPerDelivery,
  };
}

function pollCost(): StepCost {
  return {
    bytes: counted.polls === 0 ? 0 : counted.pollBytes / counted.polls,
    cpuUs: measured?.cpuUsPerPoll,
  };
}

function showFigures(): void {
  if (match === '') return;
  const now = performance.now();
  const isLive = rally.status === 'connected';
  setText(byId('push-verdict'), isLive ? 'up to date' : 'not connected');
  byId('push-side').classList.toggle('stale', !isLive);
  setText(byId('push-behind'), echoMs === undefined ? '–' : showDuration(echoMs));
  const behindMs = behind.behindMs(now);
  // The pushed score is the reference: without it the age of the polled score is unknown.
  const pollVerdict = behind.isBehind ? `${showDuration(behindMs)} behind` : 'up to date';
  setText(byId('poll-behind'), isLive ? pollVerdict : 'unknown');
  setText(byId('poll-news'), numberFormat.format(counted.news));
  timeline.draw(now);
  byId('poll-side').classList.toggle('stale', behind.isBehind || !isLive);
  setText(byId('push-requests'), '0');
  setText(byId('poll-requests'), numberFormat.format(counted.polls));
  setText(byId('push-bytes'), showBytes(counted.pushBytes));
  setText(byId('poll-bytes'), showBytes(counted.pollBytes));
  for (const viewers of viewerCounts) showViewers(viewers);
}

function showViewers(viewers: number): void {
  const push = pushLoad(viewers, pace(), pushCost());
  const polls = pollLoad(viewers, periodSeconds(), pollCost());
  // A score waits half a period for the next poll, which takes its own time.
  const expected = (periodSeconds() * 1_000) / 2 + counted.pollMs / (counted.polls || 1);
  const pollDelay = behind.meanMs(timedMin) ?? expected;
  const pushDelay = viewers === 1 || measured === undefined ? echoMs : pushDelayMs(viewers, measured);
  const cells: readonly (readonly [name: string, push: string, poll: string])[] = [
    ['age', pushDelay === undefined ? '–' : showDuration(pushDelay), showDuration(pollDelay)],
    ['requests', '0', rateOf(polls.requests)],
    ['bytes', showBytes(push.bytes), showBytes(polls.bytes)],
    ['cpu', showCores(push.cores), showCores(polls.cores)],
  ];
  for (const [name, pushText, pollText] of cells) {
    setText(byId(`${name}-push-${viewers}`), pushText);
    setText(byId(`${name}-poll-${viewers}`), pollText);
  }
}

/** Until the last viewer has it: each one waits for the deliveries to those before it. */
function pushDelayMs(viewers: number, { pushMs, cpuUsPerDelivery }: Measured): number {
  return pushMs + ((viewers - measuredViewers) * cpuUsPerDelivery) / 1_000;
}

function rateOf(perSecond: number): string {
  return perSecond >= 10 ? numberFormat.format(Math.round(perSecond)) : `${Number(perSecond.toPrecision(2))}`;
}

async function runMeasurement(): Promise<void> {
  const button = byId<HTMLButtonElement>('measure');
  const payload = JSON.stringify(latest ?? {});
  button.disabled = true;
  byId('measure-progress').hidden = false;
  try {
    measured = await measure(payload, (text) => setText(byId('measure-state'), `${text} …`));
    const { cpuUsPerDelivery, cpuUsPerPoll } = measured;
    const times =
      cpuUsPerDelivery > 0 ? `, ${Math.round(cpuUsPerPoll / cpuUsPerDelivery)} times as much` : '';
    setText(
      byId('measure-state'),
      `A delivery took ${cpuUsPerDelivery.toFixed(1)} µs of the broker's CPU, a poll ${cpuUsPerPoll.toFixed(0)} µs${times}.`,
    );
    byId('tag-100').classList.remove('computed');
    setText(byId('tag-100'), 'Measured');
    setText(byId('note-100'), 'Costs of 100 real connections, at the pace of this match.');
    showFigures();
  } catch (error) {
    setText(byId('measure-state'), `Not measured: ${errorText(error)}.`);
  } finally {
    button.disabled = false;
    byId('measure-progress').hidden = true;
  }
}
