/** What traces write, and that they end: after their time, when they are full, when somebody ends them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { NodeQuestion } from '../../../core/cluster/node-messages.ts';
import { NodeTraces, type TraceForNode } from '../../../core/tracing/node-traces.ts';
import type { TraceRecord } from '../../../core/tracing/trace-record.ts';
import type { TraceTarget } from '../../../core/tracing/trace-target.ts';
import { shownLine, Traces } from '../../../core/tracing/traces.ts';
import { FakeClock } from '../../support/fake-clock.ts';

function newTraces(bytesMax = 10_000, nodeName?: string, clock = new FakeClock()) {
  const told: string[] = [];
  const traces = new Traces({
    nodeName,
    clock,
    now: () => 0,
    bytesMax,
    clientIdOf: (session) => (session === 7 ? 'ada' : undefined),
    start: (index, { target }) => void told.push(`start ${index} ${target.kind}`),
    end: (index) => void told.push(`end ${index}`),
  });
  return { clock, told, traces };
}

const ada: TraceTarget = { kind: 'client', clientId: 'ada' };
const request = {
  target: ada,
  seconds: 60,
  payloadBytesMax: 4,
  mayReceive: (topic: string) => topic !== 'secret',
};

const record: TraceRecord = {
  kind: 'delivered',
  traces: 1,
  qos: 1,
  retain: false,
  payloadBytes: 6,
  session: 7,
  origin: 8,
  topic: 'a/b',
  reasonCode: 0,
  why: 'none',
  atNs: process.hrtime.bigint(),
  payload: Buffer.from('abcdef'),
};

function linesOf(traces: Traces, id: string | undefined, mayRead = (_topic: string) => true) {
  const lines = traces.find(id ?? '')?.lines ?? [];
  return lines.map((line) => {
    const { at, ...others } = JSON.parse(shownLine(line, mayRead)) as Record<string, unknown>;
    assert.ok(!Number.isNaN(Date.parse(`${at}`)));
    return others;
  });
}

test('a trace has what it is about, with as much of payloads as was asked for and the rules allow', () => {
  const { traces, told } = newTraces();
  const trace = traces.start(request);
  traces.client({ clientId: 'ada', remoteAddress: '::1' }, 'connected', { detail: 'So.' });
  traces.client({ clientId: 'bob', remoteAddress: '::1' }, 'connected', {});
  traces.record(record);
  traces.record({ ...record, traces: 2 });
  traces.record({ ...record, topic: 'secret', kind: 'dropped', why: 'queueFull', origin: 0 });
  traces.record({ ...record, kind: 'missed', payloadBytes: 12 });
  traces.record({
    ...record,
    kind: 'refused',
    reasonCode: 0x87,
    payload: new Uint8Array([0xff]),
    session: 9,
  });
  traces.answered(1, 'ada', 'subscribe', [{ topic: 'x', reason: 'granted QoS 1' }]);
  assert.deepEqual(linesOf(traces, trace?.id), [
    { event: 'connected', clientid: 'ada', ip_address: '::1', detail: 'So.' },
    {
      event: 'delivered',
      clientid: 'ada',
      from: null,
      topic: 'a/b',
      qos: 1,
      retain: false,
      payload_size: 6,
      payload: 'abcd',
      payload_encoding: 'plain',
    },
    {
      event: 'dropped',
      clientid: 'ada',
      topic: 'secret',
      qos: 1,
      retain: false,
      payload_size: 6,
      reason: 'queue_full',
      payload_withheld: true,
    },
    { event: 'missed', messages: 12 },
    {
      event: 'refused',
      clientid: null,
      topic: 'a/b',
      qos: 1,
      retain: false,
      payload_size: 6,
      reason: 'notAuthorized',
      payload: '/w==',
      payload_encoding: 'base64',
    },
    { event: 'subscribe', clientid: 'ada', topics: [{ topic: 'x', reason: 'granted QoS 1' }] },
  ]);
  assert.deepEqual(told, ['start 0 client']);
});

test('whoever may not read a topic sees that there is a payload, whoever has started the trace', () => {
  const { traces } = newTraces();
  const trace = traces.start(request);
  traces.record(record);
  traces.record({ ...record, topic: 'b' });
  const shown = linesOf(traces, trace?.id, (topic) => topic === 'b');
  assert.deepEqual(
    shown.map(({ payload, payload_withheld: isWithheld }) => [payload, isWithheld]),
    [
      [undefined, true],
      ['abcd', undefined],
    ],
  );
});

test('without being asked for no payload is shown', () => {
  const { traces } = newTraces();
  const trace = traces.start({ ...request, payloadBytesMax: 0 });
  traces.record(record);
  const [line = {}] = linesOf(traces, trace?.id);
  assert.ok(!('payload' in line) && !('payload_withheld' in line));
});

test('the size of a trace is in bytes, whatever the script of its topics and payloads', () => {
  const { traces } = newTraces(2_000);
  const trace = traces.start({ ...request, payloadBytesMax: 1_000 });
  const payload = Buffer.from('温'.repeat(100));
  for (let i = 0; i < 20; i++) traces.record({ ...record, topic: '室/温度', payload });
  const { lines, bytes, endedBy } = traces.find(trace?.id ?? '') ?? assert.fail();
  assert.equal(endedBy, 'size');
  const written = lines.map((line) => Buffer.byteLength(shownLine(line, () => true)));
  assert.equal(
    bytes,
    written.reduce((sum, length) => sum + length, 0),
  );
  assert.ok(bytes <= 2_000, `${bytes}`);
});

test('a trace ends after its time, when it is full, or when it is stopped; what it has stays for an hour', () => {
  const { traces, told, clock } = newTraces(300);
  const [first, second, third] = [traces.start(request), traces.start(request), traces.start(request)];
  assert.ok(first && second && third);
  let heard = 0;
  const unlisten = traces.listen(second.id, () => heard++);
  for (let i = 0; i < 5; i++) traces.record({ ...record, traces: 2 });
  assert.equal(traces.find(second.id)?.endedBy, 'size');
  assert.ok((traces.find(second.id)?.bytes ?? 0) <= 300);
  assert.equal(heard, second.lines.length + 1); // the lines, and the end
  unlisten?.();
  assert.ok(traces.stop(third.id));
  clock.advance(60_000);
  assert.equal(traces.find(first.id)?.endedBy, 'time');
  assert.deepEqual(told.slice(3), ['end 1', 'end 2', 'end 0']);
  traces.client({ clientId: 'ada', remoteAddress: '' }, 'connected', {});
  assert.equal(first.lines.length, 0);
  clock.advance(3_600_000);
  assert.deepEqual(traces.list(), []);
  assert.equal(traces.stop('nobody'), false);
});

test('eight go on at once; one that has ended gives way; a worker that starts again hears of those that go on', () => {
  const { traces, told, clock } = newTraces();
  const started = Array.from({ length: 8 }, () => traces.start(request));
  assert.equal(traces.start(request), undefined);
  traces.stop(started[3]?.id ?? '');
  assert.ok(traces.start(request));
  assert.equal(traces.find(started[3]?.id ?? ''), undefined);
  assert.equal(told.at(-1), 'start 3 client');
  told.length = 0;
  assert.ok(traces.delete(started[0]?.id ?? ''));
  assert.equal(traces.delete(started[0]?.id ?? ''), false);
  traces.tellAgain();
  assert.equal(told.length, 8); // an end, and seven starts
  traces.close();
  assert.equal(clock.timers, 0);
});

test('in a cluster a trace has what happens on all nodes, and the others cease with it', async () => {
  const clock = new FakeClock();
  const [here, there] = [newTraces(10_000, 'a', clock), newTraces(10_000, 'b', clock)];
  let isReached = true;
  const asked: NodeQuestion[] = [];
  const b = (question: NodeQuestion): { status: number; text: string } | undefined => {
    asked.push(question);
    if (!isReached) return undefined;
    if (question.method === 'delete')
      return { status: there.traces.endForNode(question.path.split('/').at(-1) ?? '') ? 204 : 0, text: '' };
    const { id, after } = question.body as TraceForNode;
    const forNode = { ...request, forNode: id, mayReceive: () => true };
    const handedOver = there.traces.handOver(id, after['b'] ?? 0);
    if (handedOver === undefined) there.traces.start(forNode);
    return { status: 200, text: JSON.stringify(handedOver ?? { lines: [], next: 0 }) };
  };
  const nodes = new NodeTraces({
    clock,
    now: () => 0,
    traces: here.traces,
    nodes: () => ({
      here: 'a',
      ask: (question) =>
        Promise.resolve(
          new Map([
            ['b', b(question)],
            ['old', { status: 0, text: '' }],
          ]),
        ),
    }),
  });
  const pass = async (ms: number): Promise<void> => {
    clock.advance(ms);
    await new Promise(setImmediate);
  };
  const trace = here.traces.start(request) ?? assert.fail();
  nodes.follow(trace, { clientid: 'ada' }, { name: 'admin', scopes: new Set(['clients', 'read']) });
  await pass(0);
  assert.deepEqual(there.told, ['start 0 client']);
  assert.deepEqual(
    [there.traces.list(), there.traces.find(trace.id)],
    [[], undefined],
    'nobody sees it there',
  );
  assert.deepEqual([there.traces.stop(trace.id), there.traces.delete(trace.id)], [false, false]);
  there.traces.client({ clientId: 'ada', remoteAddress: '::1' }, 'connected', {});
  await pass(250);
  isReached = false; // what comes meanwhile is not lost, and comes once
  there.traces.record(record);
  await pass(250);
  here.traces.record({ ...record, topic: 'here' });
  isReached = true;
  await pass(250);
  there.traces.record({ ...record, topic: 'secret' }); // that node knows less of the rights of whoever asks
  await pass(250);
  await pass(250);
  const shown = linesOf(here.traces, trace.id).map(
    ({ node, event, topic, payload, payload_withheld: isWithheld }) =>
      [node, event, topic, payload, isWithheld].filter((each) => each !== undefined).join(' '),
  );
  assert.deepEqual(shown, [
    'a notTraced',
    'b connected',
    'a delivered here abcd',
    'b delivered a/b abcd',
    'b delivered secret true',
  ]);
  here.traces.stop(trace.id);
  await pass(250);
  assert.deepEqual(there.told, ['start 0 client', 'end 0']);
  assert.equal(asked.at(-1)?.method, 'delete');
  const count = asked.length;
  await pass(1_000);
  assert.equal(asked.length, count, 'it is asked no more');
  // A node that asks no more has no trace any more.
  for (let index = 0; index < 8; index++) there.traces.start({ ...request, forNode: `${index}` });
  assert.equal(there.traces.start(request), undefined);
  clock.advance(10_001);
  assert.notEqual(there.traces.start(request), undefined);
});
