import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import {
  accountsBytesMax,
  accountsOf,
  defaultLimits,
  limitNames,
  limitRanges,
} from '../../../core/config/limits.ts';
import { resolveConfig } from '../../../core/config/resolve.ts';

test('every default is within its range and passes the checks that relate limits', () => {
  for (const name of limitNames) {
    const { min, max } = limitRanges[name];
    assert.ok(min <= defaultLimits[name] && defaultLimits[name] <= max, name);
  }
  assert.deepEqual(resolveConfig({ limits: defaultLimits }).limits, defaultLimits);
});

test('every limit has a comment with its default and the reason for it', () => {
  // From dist/test/unit/config/ to the source.
  const source = readFileSync(new URL('../../../../core/config/limits.ts', import.meta.url), 'utf8');
  for (const name of limitNames) {
    const row = new RegExp(`/\\*\\*((?:(?!\\*/)[^])*)\\*/\\s+${name}: \\{ default: ([^,]+),`).exec(source);
    assert.ok(row, `${name} has no comment`);
    const comment = row[1]?.replace(/\n\s+\* /g, ' ') ?? '';
    assert.ok(comment.includes(`Default ${row[2]}`), `the comment of ${name} lacks "Default ${row[2]}"`);
    assert.match(comment, /Default [^:,]+[:,] .{20,}/, `the comment of ${name} lacks a reason`);
  }
});

test('the accounts add up: those of each worker, those of the broker, and sessions with their identifiers', () => {
  const [one = 0, two = 0, three = 0] = [1, 2, 3].map((workers) => accountsBytesMax(defaultLimits, workers));
  const ofWorker = (1_024 + 256 + 256 + 64 + 32 + 32) * 1_024 * 1_024;
  const { lanesTotalBytesMax } = defaultLimits;
  assert.equal(three - two, ofWorker + lanesTotalBytesMax);
  assert.equal(two - one, ofWorker + 2 * lanesTotalBytesMax); // one worker has no lanes
  const { sessionsMax, clientIdBytesMax, passwordMemoryMax, backendAnswersMax, trackedNamesMax } =
    defaultLimits;
  const { subscriptionsTotalBytesMax, retainedBytesMax, httpAnswersBytesMax, clientEventsMax } =
    defaultLimits;
  const totals =
    subscriptionsTotalBytesMax +
    retainedBytesMax +
    httpAnswersBytesMax +
    defaultLimits.eventHistoryBytesMax +
    defaultLimits.topicRatesBytesMax +
    8 * defaultLimits.traceBytesMax;
  const sessions = sessionsMax * (1_290 + clientIdBytesMax);
  const names = backendAnswersMax * 400 + trackedNamesMax * 1_000 + clientEventsMax * 250;
  assert.equal(one - ofWorker, sessions + totals + passwordMemoryMax * 150 + names);
});

test('the documentation has the arithmetic of the defaults', () => {
  const text = readFileSync(new URL('../../../../docs/architecture.md', import.meta.url), 'utf8');
  const inMB = (bytes: number): string => Math.round(bytes / 1e6).toLocaleString('en-GB');
  for (const [name, bytes] of Object.entries(accountsOf(defaultLimits, 1)))
    assert.match(text, new RegExp(`\\n\\| ${name} \\| .* \\| ${inMB(bytes)} \\|\\n`));
  assert.ok(text.includes(`| together | | ${inMB(accountsBytesMax(defaultLimits, 1))} |`));
});

test('the defaults cannot be changed', () => {
  assert.ok(Object.isFrozen(defaultLimits));
});
