/** The session directory against workers that are played by hand, on a clock that the test moves. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ConnectRequest, ToWorker } from '../../../core/control/messages.ts';
import type { SessionState } from '../../../core/data-plane/addon.ts';
import type { SessionRow } from '../../../core/data-plane/session-row.ts';
import {
  type Claimed,
  type Directory,
  type MovingSession,
  thisNodeAlone,
} from '../../../core/sessions/directory.ts';
import { SessionDirectory } from '../../../core/sessions/session-directory.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { recoveredSessions } from '../../support/recovered-sessions.ts';

/** Keeps what the directory sends, as "worker type number", and what the host program hears. */
class Stage {
  readonly clock = new FakeClock();
  readonly events: string[] = [];
  readonly refused: string[] = [];
  readonly stopped = new Set<number>();
  isStoreFull = false;
  /** Addresses from which nobody more may come. */
  readonly fullAddresses = new Set<string>();
  readonly directory: SessionDirectory;
  #sent: string[] = [];

  constructor(identifiers: Directory = thisNodeAlone) {
    this.directory = new SessionDirectory({
      link: { send: (worker, message) => this.#send(worker, message) },
      directory: identifiers,
      firstWorker: () => 0,
      clock: this.clock,
      limits: { connectionsMax: 3, sessionsMax: 4, sessionWaitMs: 5_000 },
      isStoreFull: () => this.isStoreFull,
      isListenerFull: () => false,
      refusalOf: ({ remoteAddress }) => (this.fullAddresses.has(remoteAddress) ? 0x97 : undefined),
      fullReasonCode: () => 0x97,
      closedReasonCode: undefined,
      authenticate: () => ({ reasonCode: 0 }),
      onSessionsFull: (refused) => void this.events.push(`sessions full ${refused}`),
      onWill: (clientId, will) => void this.events.push(`will ${clientId} ${will?.delaySeconds ?? 'over'}`),
      onRefused: (clientId, reasonCode) => void this.refused.push(`${clientId} 0x${reasonCode.toString(16)}`),
      onConnected: ({ clientId }) => void this.events.push(`connected ${clientId}`),
      onDisconnected: ({ clientId }, cause) => void this.events.push(`disconnected ${clientId} ${cause}`),
    });
  }

  #send(worker: number, message: ToWorker): boolean {
    if (this.stopped.has(worker)) return false;
    this.#sent.push(`${worker} ${describe(message)}`);
    return true;
  }

  /** What has been sent since it was last looked at. */
  sent(): string[] {
    const sent = this.#sent;
    this.#sent = [];
    return sent;
  }

  connect(
    worker: number,
    connection: number,
    cleanStart = false,
    clientId = 'a',
    sessionExpirySeconds = 100,
  ): void {
    const request: ConnectRequest = {
      clientId,
      protocolVersion: 5,
      cleanStart,
      sessionExpirySeconds,
      username: undefined,
      password: undefined,
      authenticationMethod: undefined,
      authenticationData: undefined,
      remoteAddress: '127.0.0.1',
      transport: 'ws',
      listener: 0,
      token: undefined,
      willTopic: undefined,
      tls: undefined,
    };
    this.directory.connect(worker, connection, request);
  }
  closed(state: SessionState = 'settled', more: Partial<SessionRow> = {}, session = 1): void {
    this.directory.closed(session, 'lost', 0, row(state, more, session));
  }
  settled(state: SessionState, more: Partial<SessionRow> = {}): void {
    this.directory.settled(1, row(state, more));
  }
  /** The worker's thread ends, and the next one says which sessions there are. */
  restart(worker: number, ...rows: SessionRow[]): void {
    this.directory.workerLost(worker);
    this.directory.workerStarted(worker, rows);
  }
  /** What the directory had sent until the state of the test was reached. */
  before: string[] = [];
  /** Does what a line of sent() asks for. */
  answer(line: string): void {
    const [worker, type, number] = line.split(' ');
    const key = Number(number);
    if (type === 'moveHere') this.directory.arrived(Number(worker), key, row('settled', {}, key));
    if (type === 'endSession') this.directory.settled(key, row('absent', {}, key));
    if (type === 'publishWill') this.directory.settled(key, row('settled', {}, key));
    if (type === 'evict') for (const session of [1, 2]) this.closed('settled', {}, session);
  }
  get connected(): number {
    return this.directory.counts.connected;
  }
}

function describe(message: ToWorker): string {
  switch (message.type) {
    case 'accept':
      return `accept ${message.connection} ${message.isNew ? 'new ' : ''}session ${message.session}`;
    case 'refuse':
      return `refuse ${message.connection} 0x${message.reasonCode.toString(16)}`;
    case 'evict':
      return `evict ${message.connection} 0x${message.reasonCode.toString(16)}`;
    case 'moveHere':
      return `moveHere ${message.session} from ${message.from}`;
    default:
      return `${message.type} ${'session' in message ? message.session : ''}`;
  }
}

function row(state: SessionState, more: Partial<SessionRow> = {}, session = 1): SessionRow {
  return { session, state, expirySeconds: 100, willDelaySeconds: undefined, awayMs: 0, ...more };
}

/** Session 1 of client "a" in each state, on worker 0; connection 1 was its first. */
const reach = {
  connected: (stage: Stage) => stage.connect(0, 1),
  away: (stage: Stage) => {
    reach.connected(stage);
    stage.closed('settled', { willDelaySeconds: 50 });
  },
  /** Connection 2 waits on worker 0. */
  closing: (stage: Stage) => {
    reach.connected(stage);
    stage.connect(0, 2);
  },
  publishing: (stage: Stage) => {
    reach.away(stage);
    stage.clock.advance(50_000);
  },
  /** Connection 2 waits on worker 0 for a new session. */
  ending: (stage: Stage) => {
    reach.away(stage);
    stage.connect(0, 2, true);
  },
  /** Connection 2 waits on worker 1. */
  moving: (stage: Stage) => {
    reach.away(stage);
    stage.connect(1, 2);
  },
  lost: (stage: Stage) => {
    reach.away(stage);
    stage.directory.workerLost(0);
  },
} as const;
type Reached = keyof typeof reach;

function stageWith(state: Reached): Stage {
  const stage = new Stage();
  reach[state](stage);
  stage.before = stage.sent().filter((line) => !line.includes('accept'));
  return stage;
}

// --- every cell of session-states.ts ------------------------------------------------------------------

const accepted = (connection: number) => [`0 accept ${connection} session 1`];
const acceptedAnew = (connection: number) => [`0 accept ${connection} new session 2`];

function endedByOperator(stage: Stage): void {
  stage.directory.dismiss('a', false);
  stage.closed('settled');
}

function banned(stage: Stage): void {
  stage.directory.endClients((_identity, { clientId }) => clientId === 'a', 0x98);
}

function drained(stage: Stage): void {
  stage.directory.close(0x88);
  stage.closed('settled');
}

function bannedAndArrived(stage: Stage): void {
  banned(stage);
  stage.directory.arrived(1, 1, row('settled'));
}

/** In each state: what happens, and what the directory sends. */
const cells: readonly (readonly [Reached, string, (stage: Stage) => void, readonly string[]])[] = [
  ['away', 'its client comes back', (s) => s.connect(0, 9), accepted(9)],
  ['away', 'its client comes back elsewhere', (s) => s.connect(1, 9), ['1 moveHere 1 from 0']],
  ['away', 'its client starts anew', (s) => s.connect(1, 9, true), ['0 endSession 1']],
  ['away', 'its will is due', (s) => s.clock.advance(50_000), ['0 publishWill 1']],
  ['away', 'a message of another time', (s) => s.settled('absent'), []],
  ['away', 'its worker is lost', (s) => s.directory.workerLost(0), []],
  ['connected', 'another connection', (s) => s.connect(1, 9), ['0 evict 1 0x8e']],
  ['connected', 'closed', (s) => s.closed('settled'), []],
  ['connected', 'closed, and its session with it', (s) => s.closed('absent'), []],
  ['connected', 'a message of another time', (s) => s.settled('absent'), []],
  ['away', 'an operator ends it', (s) => s.directory.dismiss('a', false), ['0 endSession 1']],
  ['away', 'an operator ends a connection that is not there', (s) => s.directory.dismiss('a', true), []],
  [
    'connected',
    'an operator ends its connection',
    (s) => s.directory.dismiss('a', true),
    ['0 refuse 1 0x98'],
  ],
  ['connected', 'an operator ends it', endedByOperator, ['0 refuse 1 0x98', '0 endSession 1']],
  ['closing', 'an operator ends it', endedByOperator, ['0 refuse 1 0x98', '0 endSession 1']],
  ['closing', 'another connection', (s) => s.connect(1, 9), ['0 refuse 2 0x89']],
  ['closing', 'both clients are banned', banned, ['0 refuse 1 0x98', '0 refuse 2 0x8a']],
  ['closing', 'the broker is drained, and it is closed', drained, ['0 refuse 2 0x88']],
  ['closing', 'closed', (s) => s.closed('settled'), accepted(2)],
  ['closing', 'closed, and its session with it', (s) => s.closed('absent'), acceptedAnew(2)],
  ['closing', 'who waits has left', (s) => s.directory.abandoned(0, 2, 'a'), []],
  ['closing', 'it takes too long', (s) => s.clock.advance(5_000), ['0 refuse 2 0x88']],
  ['publishing', 'published', (s) => s.settled('settled'), []],
  ['publishing', 'its client comes back', (s) => s.connect(0, 9), []],
  ['publishing', 'the session is not there', (s) => s.settled('absent'), []],
  ['ending', 'who waits is banned', banned, ['0 refuse 2 0x8a']],
  ['ending', 'ended', (s) => s.settled('absent'), acceptedAnew(2)],
  ['ending', 'another connection', (s) => s.connect(1, 9), ['0 refuse 2 0x89']],
  ['ending', 'it takes too long', (s) => s.clock.advance(5_000), ['0 refuse 2 0x88']],
  ['moving', 'arrived', (s) => s.directory.arrived(1, 1, row('settled')), ['1 accept 2 session 1']],
  ['moving', 'who waits is banned, and it arrives', bannedAndArrived, ['1 refuse 2 0x8a']],
  ['moving', 'another connection', (s) => s.connect(0, 9), ['1 refuse 2 0x89']],
  ['moving', 'it takes too long', (s) => s.clock.advance(5_000), ['1 refuse 2 0x88']],
  ['moving', 'its old worker is lost', (s) => s.restart(0, row('departing')), []],
  ['lost', 'its client comes back', (s) => s.connect(1, 9), []],
  ['lost', 'its will would be due', (s) => s.clock.advance(60_000), []],
  ['lost', 'its worker has it', (s) => s.directory.workerStarted(0, [row('settled')]), []],
  ['lost', 'its worker does not have it', (s) => s.directory.workerStarted(0, []), []],
];

for (const [state, what, happens, expected] of cells) {
  test(`${state}: ${what}`, () => {
    const stage = stageWith(state);
    happens(stage);
    assert.deepEqual(stage.sent(), expected);
  });
}

// --- the end of a worker at any step ------------------------------------------------------------------

/** What the engine of worker 0 or 1 may say when its thread was started again, and who is served then. */
const restarts: readonly (readonly [Reached, number, readonly SessionRow[], readonly string[]])[] = [
  ['closing', 0, [row('settled')], []], // who waited was on the worker that ended
  ['publishing', 0, [row('settled', { willDelaySeconds: 50, awayMs: 50_000 })], ['0 publishWill 1']],
  ['ending', 0, [row('settled', { willDelaySeconds: 50 })], []],
  ['moving', 0, [row('settled')], []],
  ['moving', 1, [row('settled')], []],
  ['moving', 1, [row('arriving')], []],
  ['moving', 1, [], []],
];
for (const [state, worker, rows, expected] of restarts) {
  const said = rows.map((each) => each.state).join() || 'nothing';
  test(`${state}: worker ${worker} ends and its engine has ${said}; the client identifier is not locked out`, () => {
    const stage = stageWith(state);
    stage.restart(worker, ...rows);
    const sent = stage.sent();
    assert.deepEqual(sent, expected);
    // Whatever is under way comes to its end, and then somebody connects.
    const underWay = [...stage.before.filter((line) => !line.startsWith(`${worker} `)), ...sent];
    if (rows[0]?.state === 'arriving') underWay.push('1 moveHere 1 from 0');
    stage.connect(0, 77);
    underWay.push(...stage.sent());
    for (let line = underWay.shift(); line !== undefined; line = underWay.shift()) {
      if (line.startsWith('0 accept 77 ')) return;
      stage.answer(line);
      underWay.push(...stage.sent());
    }
    assert.fail('77 was never accepted');
  });
}

test('a will or an end that was posted to a worker that ended is posted again', () => {
  const will = stageWith('publishing');
  will.restart(0, row('settled', { willDelaySeconds: 50, awayMs: 50_000 }));
  will.clock.advance(0);
  assert.deepEqual(will.sent(), ['0 publishWill 1']);
  const end = stageWith('away');
  end.clock.advance(50_000);
  end.settled('settled', { awayMs: 50_000 });
  end.clock.advance(50_000);
  assert.deepEqual(end.sent(), ['0 publishWill 1', '0 endSession 1']);
  end.restart(0, row('settled', { awayMs: 100_000, expirySeconds: 100 }));
  end.clock.advance(0);
  assert.deepEqual(end.sent(), ['0 endSession 1']);
});

test('a session that was accepted on a worker that ended has the will and expiry that it had before', () => {
  const stage = stageWith('away');
  stage.clock.advance(30_000);
  stage.connect(0, 2); // is lost on its way
  stage.restart(0, row('settled', { willDelaySeconds: 50, awayMs: 30_000 }));
  stage.sent();
  stage.clock.advance(19_999);
  assert.deepEqual(stage.sent(), []);
  stage.clock.advance(1);
  assert.deepEqual(stage.sent(), ['0 publishWill 1']);
  assert.equal(stage.connected, 0);
});

test('a will whose delay passes while its worker is started again goes out before its client is let in', () => {
  for (const [awayMs, expected] of [
    [49_999, ['1 moveHere 1 from 0']],
    [50_000, ['0 publishWill 1']],
  ] as const) {
    const stage = stageWith('lost');
    stage.clock.advance(60_000);
    stage.connect(1, 2);
    stage.directory.workerStarted(0, [row('settled', { willDelaySeconds: 50, awayMs })]);
    assert.deepEqual(stage.sent(), expected);
    if (awayMs < 50_000) continue;
    stage.settled('settled');
    assert.deepEqual(stage.sent(), ['1 moveHere 1 from 0']);
  }
});

test('who comes before the will and the end of a session are due has it, however late its worker says so', () => {
  const late = { willDelaySeconds: 1, expirySeconds: 2, awayMs: 3_000 };
  const here = stageWith('connected');
  here.connect(0, 2);
  here.sent();
  here.clock.advance(4_000);
  here.closed('settled', late);
  assert.deepEqual(here.sent(), ['0 accept 2 session 1']);
  const elsewhere = stageWith('connected');
  const told = yieldTo(elsewhere);
  elsewhere.sent();
  elsewhere.clock.advance(4_000);
  elsewhere.closed('settled', late);
  assert.deepEqual([elsewhere.sent(), told.answers], [[], [{ key: 1, worker: 0 }]]);
  // One of expiry 0 ends with its connection [MQTT-3.1.2-23].
  const fleeting = stageWith('connected');
  fleeting.connect(0, 2);
  fleeting.sent();
  fleeting.clock.advance(4_000);
  fleeting.closed('settled', { expirySeconds: 0, awayMs: 3_000 });
  assert.deepEqual(fleeting.sent(), ['0 endSession 1']);
});

test('a worker that has a session which nobody knows of ends it', () => {
  const stage = stageWith('connected');
  stage.directory.workerStarted(1, [row('settled', {}, 99)]);
  stage.directory.arrived(1, 98, row('settled', {}, 98));
  assert.deepEqual(stage.sent(), ['1 endSession 99', '1 endSession 98']);
});

test('what a worker still publishes for a session is waited for, also after a restart', () => {
  const stage = stageWith('connected');
  stage.restart(0, row('leaving', { expirySeconds: 0 }));
  stage.connect(1, 2);
  assert.deepEqual(stage.sent(), []);
  stage.closed('absent');
  assert.deepEqual(stage.sent(), ['1 accept 2 new session 2']);
});

// --- client identifiers that others may have ----------------------------------------------------------

/** A directory that is asked from afar: it answers when the test says so, and keeps who has which identifier. */
class FarDirectory implements Directory {
  readonly ours = new Set<string>();
  readonly asked = new Map<string, (outcome: Claimed) => void>();
  readonly lent = new Set<number>();

  claim(clientId: string, _isClean: boolean, later: (outcome: Claimed) => void): undefined {
    assert.ok(!this.asked.has(clientId) && !this.ours.has(clientId), `${clientId} is claimed twice`);
    this.asked.set(clientId, later);
    return undefined;
  }
  release(clientId: string): void {
    assert.ok(this.ours.delete(clientId), `${clientId} is released and was not ours`);
  }
  readonly told: string[] = [];
  used(clientId: string): void {
    this.told.push(clientId);
  }
  isLent(key: number): boolean {
    return this.lent.has(key);
  }
  answer(clientId: string, outcome: Claimed = 'ours'): void {
    const later = this.asked.get(clientId) ?? assert.fail(`${clientId} is not asked for`);
    this.asked.delete(clientId);
    if (outcome !== 'denied') this.ours.add(clientId);
    later(outcome);
  }
}

for (const [state, what, happens, expected] of cells) {
  test(`with a directory that answers late: ${state}: ${what}`, () => {
    const far = new FarDirectory();
    const stage = new Stage(far);
    stage.connect(0, 1); // every way begins so
    assert.deepEqual(stage.sent(), []);
    far.answer('a');
    const connect = stage.connect.bind(stage);
    let calls = 0;
    stage.connect = (...terms) => (calls++ === 0 ? undefined : connect(...terms));
    reach[state](stage);
    stage.sent();
    happens(stage);
    assert.deepEqual(stage.sent(), expected);
    assert.equal(far.ours.has('a'), stage.directory.counts.total > 0);
  });
}

test('a client whose identifier is asked for waits: the newest of several, until the answer or its time is over', () => {
  const far = new FarDirectory();
  const stage = new Stage(far);
  for (const connection of [1, 2]) stage.connect(0, connection);
  assert.deepEqual(stage.sent(), ['0 refuse 1 0x89']);
  stage.connect(1, 3, true);
  assert.deepEqual(stage.sent(), ['0 refuse 2 0x89']);
  far.answer('a');
  assert.deepEqual(stage.sent(), ['1 accept 3 new session 1']);
  assert.equal(stage.clock.timers, 0);
  stage.closed('absent');
  assert.deepEqual([...far.ours], []);
  stage.connect(0, 4);
  stage.clock.advance(5_000);
  assert.deepEqual(stage.sent(), ['0 refuse 4 0x88']);
  far.answer('a'); // nobody waits any more
  assert.deepEqual([stage.sent(), [...far.ours], stage.directory.counts.total], [[], [], 0]);
});

test('an identifier that cannot be had is refused, and may be asked for again', () => {
  const far = new FarDirectory();
  const stage = new Stage(far);
  stage.connect(0, 1);
  far.answer('a', 'denied');
  assert.deepEqual([stage.sent(), stage.directory.counts.total], [['0 refuse 1 0x88'], 0]);
  stage.connect(0, 2);
  far.answer('a');
  assert.deepEqual(stage.sent(), ['0 accept 2 new session 2']);
  const closed = new Stage({
    claim: () => false,
    release: () => assert.fail('it was never ours'),
    used: () => {},
    isLent: () => false,
  });
  closed.connect(0, 1);
  assert.deepEqual([closed.sent(), closed.directory.counts.total], [['0 refuse 1 0x88'], 0]);
});

test('a client that leaves, or is lost with its worker, while its identifier is asked for gets no session', () => {
  for (const leave of [
    (stage: Stage) => stage.directory.abandoned(0, 1, 'a'),
    (stage: Stage) => stage.restart(0),
    (stage: Stage) => void stage.stopped.add(0),
    (stage: Stage) => stage.directory.stop(),
  ]) {
    const far = new FarDirectory();
    const stage = new Stage(far);
    stage.connect(0, 1);
    leave(stage);
    far.answer('a');
    assert.deepEqual([stage.sent(), [...far.ours], stage.directory.counts.total], [[], [], 0]);
    assert.equal(stage.clock.timers, 0);
  }
});

test('who waits for the end of a session gets a new one with the identifier that is ours already', () => {
  const far = new FarDirectory();
  const stage = new Stage(far);
  stage.connect(0, 1);
  far.answer('a');
  stage.connect(1, 2, true);
  stage.closed('absent');
  assert.deepEqual(stage.sent(), ['0 accept 1 new session 1', '0 evict 1 0x8e', '1 accept 2 new session 2']);
  assert.deepEqual([...far.ours], ['a']);
});

// --- other nodes --------------------------------------------------------------------------------------

/** A session that worker 40, of another node, has. */
function lent(taken: () => void = () => {}): MovingSession {
  return { key: 900, worker: 40, taken };
}

test('a session that another node has is fetched from its worker, and that node told when it is here', () => {
  const far = new FarDirectory();
  const stage = new Stage(far);
  const taken: string[] = [];
  stage.connect(1, 1);
  far.answer(
    'a',
    lent(() => taken.push('taken')),
  );
  assert.deepEqual([stage.sent(), taken], [['1 moveHere 900 from 40'], []]);
  stage.directory.arrived(1, 900, row('settled', {}, 900));
  assert.deepEqual([stage.sent(), taken], [['1 accept 1 session 900'], ['taken']]);
  assert.equal(stage.directory.find('a')?.session, 900);
});

test('sessions of other nodes are listed in the order of their keys, and each is on one page', () => {
  const far = new FarDirectory();
  const stage = new Stage(far);
  const listed = (limit: number): string[] => {
    const all: string[] = [];
    for (let after: number | undefined = 0; after !== undefined; ) {
      const { rows, cursor } = stage.directory.list({ after, limit });
      all.push(...rows.map(({ client, session }) => `${client.clientId} ${session}`));
      after = cursor;
    }
    return all;
  };
  stage.directory.setRun(1);
  const first = 2 ** 32;
  for (const [index, clientId] of ['later', 'earlier', 'own'].entries()) {
    stage.connect(1, index + 1, false, clientId);
    const key = { later: 5 * first, earlier: 7 }[clientId];
    far.answer(clientId, key === undefined ? 'ours' : { ...lent(), key });
    if (key !== undefined) stage.directory.arrived(1, key, row('settled', {}, key));
  }
  const expected = ['earlier 7', `own ${first + 3}`, `later ${5 * first}`];
  for (const limit of [1, 2, 3, 9]) assert.deepEqual(listed(limit), expected, `${limit} a page`);
  stage.closed('absent', {}, 5 * first);
  assert.deepEqual(listed(2), expected.slice(0, 2));
});

test('a session that another node has is fetched though its client has left, and waits for it', () => {
  const far = new FarDirectory();
  const stage = new Stage(far);
  stage.connect(1, 1);
  stage.directory.abandoned(1, 1, 'a');
  far.answer('a', lent());
  assert.deepEqual(stage.sent(), ['1 moveHere 900 from 40']);
  stage.directory.arrived(1, 900, row('settled', { expirySeconds: 10 }, 900));
  assert.deepEqual([stage.sent(), stage.directory.counts.total], [[], 1]);
  stage.clock.advance(10_000);
  assert.deepEqual(stage.sent(), ['1 endSession 900']);
});

test('a worker that ends before it has asked for the session asks again', () => {
  const far = new FarDirectory();
  const stage = new Stage(far);
  stage.connect(1, 1);
  stage.stopped.add(1);
  far.answer('a', lent());
  stage.stopped.delete(1);
  stage.restart(1);
  assert.deepEqual(stage.sent(), ['1 moveHere 900 from 40']);
  stage.restart(1, row('arriving', {}, 900));
  stage.directory.arrived(1, 900, row('settled', {}, 900));
  assert.deepEqual([stage.sent(), stage.directory.counts.total], [[], 1]);
});

test('a session whose node is lost before all of it is here is claimed again, for who still wants it', () => {
  for (const outcome of ['ours', 'denied', 'lent'] as const) {
    const far = new FarDirectory();
    const stage = new Stage(far);
    stage.connect(1, 1);
    far.answer('a', lent());
    stage.directory.arrived(1, 900, row('absent', {}, 900));
    assert.deepEqual(stage.sent(), ['1 moveHere 900 from 40']);
    far.answer('a', outcome === 'lent' ? { ...lent(), key: 900, worker: 50 } : outcome);
    const next = {
      ours: '1 accept 1 new session 2',
      denied: '1 refuse 1 0x88',
      lent: '1 moveHere 900 from 50',
    };
    assert.deepEqual(stage.sent(), [next[outcome]]);
  }
  const far = new FarDirectory();
  const stage = new Stage(far);
  stage.connect(1, 1);
  far.answer('a', lent());
  const told = yieldTo(stage); // the client is turned away
  stage.directory.arrived(1, 900, row('absent', {}, 900));
  assert.deepEqual([told.answers, stage.directory.counts.total], [['none'], 0]);
});

/** What another node was given; undefined: nothing yet. */
function yieldTo(stage: Stage, isClean = false, isWanted = true): { answers: unknown[] } {
  const told: { answers: unknown[] } = { answers: [] };
  stage.directory.yield('a', isClean, (session) => {
    told.answers.push(session ?? 'none');
    return isWanted;
  });
  return told;
}

test('another node gets a client identifier once the connection is over, with the session or without', () => {
  const stage = new Stage();
  assert.deepEqual(yieldTo(stage).answers, ['none']);
  stage.connect(1, 1);
  const told = yieldTo(stage);
  assert.deepEqual([stage.sent(), told.answers], [['1 accept 1 new session 1', '1 evict 1 0x8e'], []]);
  stage.connect(0, 2); // it is being given up
  assert.deepEqual(stage.sent(), ['0 refuse 2 0x89']);
  stage.closed('settled', { willDelaySeconds: 5 });
  assert.deepEqual([told.answers, stage.directory.counts.total], [[{ key: 1, worker: 1 }], 0]);
  stage.clock.advance(1_000_000);
  assert.deepEqual([stage.sent(), stage.clock.timers], [[], 0]);
});

test('a clean start on another node ends the session here, with its will', () => {
  const stage = new Stage();
  stage.connect(1, 1);
  stage.closed();
  stage.sent();
  const told = yieldTo(stage, true);
  assert.deepEqual([stage.sent(), told.answers], [['1 endSession 1'], []]);
  stage.settled('absent');
  assert.deepEqual([told.answers, stage.directory.counts.total], [['none'], 0]);
});

test('a session that no node wants any more goes on here', () => {
  const stage = new Stage();
  stage.connect(1, 1);
  stage.closed('settled', { expirySeconds: 10 });
  yieldTo(stage, false, false);
  stage.sent();
  stage.clock.advance(10_000);
  assert.deepEqual(stage.sent(), ['1 endSession 1']);
});

test('a session that is lent stays with a worker that starts again; others that nobody knows end', () => {
  const far = new FarDirectory();
  const stage = new Stage(far);
  far.lent.add(7);
  stage.restart(1, row('settled', {}, 7), row('settled', {}, 8));
  assert.deepEqual(stage.sent(), ['1 endSession 8']);
});

// --- clients ------------------------------------------------------------------------------------------

test('a new client costs one message, no timer and no promise', () => {
  const stage = new Stage();
  stage.connect(1, 7);
  assert.deepEqual(stage.sent(), ['1 accept 7 new session 1']);
  assert.deepEqual(stage.events, ['connected a']);
  assert.equal(stage.clock.timers, 0);
  stage.closed('absent');
  assert.deepEqual(stage.sent(), []);
  assert.equal(stage.directory.counts.total, 0);
});

test('of many that wait for one session the newest gets it', () => {
  const stage = stageWith('connected');
  for (const connection of [2, 3, 4]) stage.connect(0, connection);
  assert.deepEqual(stage.sent(), ['0 evict 1 0x8e', '0 refuse 2 0x89', '0 refuse 3 0x89']);
  stage.closed('settled');
  assert.deepEqual(stage.sent(), ['0 accept 4 session 1']);
  assert.deepEqual(stage.events, ['connected a', 'disconnected a lost', 'connected a']);
  assert.equal(stage.clock.timers, 0);
});

test('a session that came for a client which has left stays where it came to', () => {
  const stage = stageWith('moving');
  stage.directory.abandoned(1, 2, 'a');
  stage.directory.arrived(1, 1, row('settled'));
  assert.deepEqual(stage.sent(), []);
  stage.connect(1, 3);
  assert.deepEqual(stage.sent(), ['1 accept 3 session 1']);
});

test('a client that another one has abandoned is not taken for it', () => {
  const stage = stageWith('closing');
  stage.directory.abandoned(1, 2, 'a');
  stage.directory.abandoned(0, 3, 'a');
  stage.directory.abandoned(0, 2, 'b');
  stage.closed('settled');
  assert.deepEqual(stage.sent(), ['0 accept 2 session 1']);
});

test('the will is due after its delay or with the end of the session, and what is resumed is not due', () => {
  const stage = stageWith('connected');
  stage.closed('settled', { willDelaySeconds: 500, expirySeconds: 100 });
  stage.clock.advance(99_999);
  assert.deepEqual(stage.sent(), []);
  stage.clock.advance(1);
  assert.deepEqual(stage.sent(), ['0 endSession 1']);
  assert.equal(stage.directory.counts.expired, 1);
  const resumed = stageWith('away');
  resumed.connect(0, 2);
  resumed.sent();
  resumed.clock.advance(1_000_000);
  assert.deepEqual(resumed.sent(), []);
});

test('a session that never expires has no timer', () => {
  const stage = stageWith('connected');
  stage.closed('settled', { expirySeconds: 4_294_967_295 });
  assert.equal(stage.clock.timers, 0);
});

test('a worker that does not run gets no client, and a full broker no further one', () => {
  const stage = new Stage();
  stage.stopped.add(3);
  stage.connect(3, 1, false, 'lost');
  assert.equal(stage.connected, 0);
  for (const [index, clientId] of ['a', 'b', 'c', 'd'].entries()) stage.connect(0, index, false, clientId);
  assert.deepEqual(stage.sent().at(-1), '0 refuse 3 0x97');
});

test('while the disk is full no session begins that would have to be stored, and those that are there go on', () => {
  const stage = stageWith('away');
  stage.sent();
  stage.isStoreFull = true;
  stage.connect(0, 2, false, 'b');
  assert.deepEqual(stage.sent(), ['0 refuse 2 0x97']);
  assert.equal(stage.directory.counts.storageRefused, 1);
  stage.connect(0, 3, false, 'c', 0);
  assert.deepEqual(stage.sent(), ['0 accept 3 new session 2']);
  stage.connect(0, 4);
  assert.deepEqual(stage.sent(), ['0 accept 4 session 1']);
  stage.isStoreFull = false;
  stage.connect(0, 5, false, 'b');
  assert.deepEqual(stage.sent(), ['0 accept 5 new session 3']);
});

test('a broker that has filled up while a client waited refuses it, and its session stays', () => {
  const stage = stageWith('moving');
  for (const clientId of ['b', 'c', 'd']) stage.connect(0, 5, false, clientId);
  stage.sent();
  stage.directory.arrived(1, 1, row('settled'));
  assert.deepEqual(stage.sent(), ['1 refuse 2 0x97']);
  assert.equal(stage.directory.counts.total, 4);
});

test('an address that has filled up while a client waited is full for it, and its session stays', () => {
  for (const state of ['moving', 'publishing', 'closing'] as const) {
    const stage = stageWith(state);
    if (state === 'publishing') stage.connect(0, 2);
    stage.sent();
    stage.fullAddresses.add('127.0.0.1');
    if (state === 'moving') stage.directory.arrived(1, 1, row('settled'));
    else if (state === 'closing') stage.closed('settled');
    else stage.settled('settled');
    const worker = state === 'moving' ? 1 : 0;
    assert.deepEqual([stage.sent(), stage.directory.counts.total], [[`${worker} refuse 2 0x97`], 1], state);
    stage.fullAddresses.clear();
    stage.connect(worker, 3);
    assert.deepEqual(stage.sent(), [`${worker} accept 3 session 1`], state);
  }
  const stage = stageWith('ending');
  stage.fullAddresses.add('127.0.0.1');
  stage.sent();
  stage.settled('absent');
  assert.deepEqual([stage.sent(), stage.directory.counts.total], [['0 refuse 2 0x97'], 0]);
});

test('a broker that has filled up while an identifier was asked for refuses its client, and gives it back', () => {
  const far = new FarDirectory();
  const stage = new Stage(far);
  const clientIds = ['a', 'b', 'c', 'd'];
  for (const [index, clientId] of clientIds.entries()) stage.connect(0, index, false, clientId);
  assert.deepEqual(stage.sent(), []);
  for (const clientId of clientIds) far.answer(clientId);
  assert.deepEqual([stage.connected, stage.sent().at(-1)], [3, '0 refuse 3 0x97']);
  assert.deepEqual([...far.ours], ['a', 'b', 'c']);
});

test('a broker that stops publishes no will and ends no session', () => {
  const stage = stageWith('away');
  stage.directory.stop();
  stage.clock.advance(1_000_000);
  assert.deepEqual(stage.sent(), []);
});

test('sessions that have outlived the process are served when their workers have said how they are', () => {
  const stage = new Stage();
  const key = 3 * 2 ** 32 + 5;
  stage.directory.restore(4, recoveredSessions([{ session: key, worker: 1, clientId: 'a', stamp: 0 }]));
  stage.connect(0, 1); // before the worker has spoken
  assert.deepEqual(stage.sent(), []);
  stage.directory.workerStarted(1, [row('settled', {}, key)]);
  assert.deepEqual(stage.sent(), [`0 moveHere ${key} from 1`]);
  stage.directory.arrived(0, key, row('settled', {}, key));
  assert.deepEqual(stage.sent(), [`0 accept 1 session ${key}`]);
  stage.connect(0, 2, false, 'b');
  assert.deepEqual(stage.sent(), [`0 accept 2 new session ${4 * 2 ** 32 + 1}`]); // nobody else has had that key
});

test('a session that has expired while the broker was down ends, and its client gets a new one', () => {
  const stage = new Stage();
  const key = 2 ** 32 + 1;
  stage.directory.restore(2, recoveredSessions([{ session: key, worker: 0, clientId: 'a', stamp: 0 }]));
  stage.directory.workerStarted(0, [row('settled', { awayMs: 100_000 }, key)]);
  assert.deepEqual(stage.sent(), [`0 endSession ${key}`]);
  stage.connect(0, 1);
  stage.directory.settled(key, row('absent', {}, key));
  assert.deepEqual(stage.sent(), [`0 accept 1 new session ${2 * 2 ** 32 + 1}`]);
  assert.equal(stage.directory.counts.expired, 1);
});

/** Sessions of clients c0, c1, ... on worker 0, away for so long, with a will that is due after 50 s. */
function restoredStage(count: number, awayMs = 0): Stage {
  const stage = new Stage();
  const sessions = Array.from({ length: count }, (_, index) => ({
    session: 2 ** 32 + index + 1,
    worker: 0,
    clientId: `c${index}`,
    stamp: 0,
  }));
  stage.directory.restore(2, recoveredSessions(sessions));
  stage.directory.workerStarted(
    0,
    sessions.map(({ session }) => row('settled', { willDelaySeconds: 50, awayMs }, session)),
  );
  return stage;
}

test('restored sessions take one timer together until somebody asks for them, and then one each', () => {
  const stage = restoredStage(1_000);
  assert.equal(stage.clock.timers, 1);
  assert.equal(stage.directory.counts.total, 1_000);
  assert.equal(stage.directory.find('c700')?.session, 2 ** 32 + 701);
  assert.equal(stage.clock.timers, 2);
  assert.equal(stage.directory.counts.total, 1_000);
  assert.equal(stage.directory.find('c1000'), undefined);
  stage.connect(0, 1, false, 'c3');
  assert.deepEqual(stage.sent(), [`0 accept 1 session ${2 ** 32 + 4}`]);
});

test('wills of restored sessions are due and they end when that is, whether somebody has asked for them or not', () => {
  const stage = restoredStage(3, 40_000);
  stage.directory.find('c1');
  stage.clock.advance(9_999);
  assert.deepEqual(stage.sent(), []);
  stage.clock.advance(1);
  const keys = [1, 2, 3].map((index) => 2 ** 32 + index);
  assert.deepEqual(
    stage.sent().toSorted(),
    keys.map((key) => `0 publishWill ${key}`),
  );
  for (const key of keys) stage.directory.settled(key, row('settled', { awayMs: 50_000 }, key));
  stage.clock.advance(50_000);
  assert.deepEqual(
    stage.sent().toSorted(),
    keys.map((key) => `0 endSession ${key}`),
  );
  assert.equal(stage.directory.counts.expired, 3);
});

test('a restored session that nobody has asked for is served after its worker was started again, or is gone with it', () => {
  const stage = restoredStage(3);
  stage.directory.workerLost(0);
  stage.connect(0, 1, false, 'c0'); // before the worker has spoken
  assert.deepEqual(stage.sent(), []);
  const key = (index: number) => 2 ** 32 + index + 1;
  stage.directory.workerStarted(0, [row('settled', {}, key(0)), row('settled', {}, key(2))]);
  assert.deepEqual(stage.sent(), [`0 accept 1 session ${key(0)}`]);
  assert.equal(stage.directory.find('c1'), undefined);
  assert.equal(stage.directory.counts.total, 2);
  stage.restart(0, row('leaving', {}, key(2)));
  assert.deepEqual(stage.sent(), []);
  stage.directory.settled(key(2), row('absent', {}, key(2)));
  assert.equal(stage.directory.find('c2'), undefined);
});

test('restored sessions are listed by age with all others, and another node gets theirs', () => {
  const stage = restoredStage(3);
  stage.directory.find('c1');
  stage.connect(0, 1, false, 'new');
  const listed = (after: number) =>
    stage.directory.list({ after, limit: 2 }).rows.map(({ client }) => client.clientId);
  assert.deepEqual(listed(0), ['c0', 'c1']);
  assert.deepEqual(listed(2 ** 32 + 2), ['c2', 'new']);
  assert.deepEqual([...stage.directory.clientIds()].toSorted(), ['c0', 'c1', 'c2', 'new']);
  assert.deepEqual([...stage.directory.awayClientIds()].toSorted(), ['c0', 'c1', 'c2']);
  let given: number | undefined;
  stage.directory.yield('c2', false, (session) => {
    given = session?.key;
    return true;
  });
  assert.equal(given, 2 ** 32 + 3);
  assert.equal(stage.directory.counts.total, 3);
});

// --- what operators want --------------------------------------------------------------------------------

test('an operator sees who is connected, who is away and for how long, and who was refused', () => {
  const stage = new Stage();
  stage.connect(0, 1);
  stage.clock.advance(10_000);
  stage.connect(1, 2, false, 'b');
  const states = () =>
    stage.directory
      .list({ after: 0, limit: 10 })
      .rows.map(({ client, worker, isConnected, forMs, endsInMs }) => [
        client.clientId,
        worker,
        isConnected,
        forMs,
        endsInMs,
      ]);
  assert.deepEqual(states(), [
    ['a', 0, true, 10_000, undefined],
    ['b', 1, true, 0, undefined],
  ]);
  stage.closed('settled');
  stage.clock.advance(1_000);
  assert.deepEqual(states()[0], ['a', 0, false, 1_000, 99_000]);
  assert.equal(stage.directory.find('b')?.session, 2);
  assert.equal(stage.directory.find('c'), undefined);
  assert.equal(stage.directory.clientIdOf(1), 'a');
  for (const connection of [3, 4, 5]) stage.connect(0, connection, false, `client ${connection}`);
  assert.deepEqual(stage.refused, ['client 5 0x97']);
});

test('who comes back while an operator ends its session gets a new one', () => {
  const stage = new Stage();
  stage.connect(0, 1);
  stage.directory.dismiss('a', false);
  stage.connect(0, 2);
  stage.closed('settled');
  stage.settled('absent');
  stage.closed('settled', {}, 2);
  assert.deepEqual(stage.sent().slice(1), [
    '0 refuse 1 0x98',
    '0 evict 1 0x8e',
    '0 endSession 1',
    '0 accept 2 new session 2',
  ]);
  assert.equal(stage.directory.counts.expired, 0);
  assert.equal(stage.directory.find('a')?.isConnected, false);
  assert.equal(stage.directory.dismiss('nobody', false), false);
});

test('a broker that is drained lets nobody in, and tells clients to go a few at a time', () => {
  const stage = new Stage();
  for (const [index, clientId] of ['a', 'b', 'c'].entries()) stage.connect(0, index + 1, false, clientId);
  stage.closed('settled', {}, 2);
  stage.sent();
  stage.directory.close(0x88);
  stage.connect(0, 9, false, 'b');
  assert.deepEqual(stage.sent(), ['0 refuse 9 0x88']);
  assert.equal(stage.directory.tellNext(1, 0x8b), 1);
  assert.deepEqual(stage.sent(), ['0 evict 1 0x8b']);
  assert.equal(stage.directory.tellNext(5, 0x8b), 1);
  assert.deepEqual(stage.sent(), ['0 evict 3 0x8b']);
  assert.equal(stage.directory.tellNext(5, 0x8b), 0);
});

test('a node that joins its cluster anew while it asks for an identifier does not lock its client out', () => {
  const asked: string[] = [];
  const stage = new Stage({
    ...thisNodeAlone,
    claim: (clientId) => {
      asked.push(clientId);
      return undefined;
    },
  });
  stage.connect(0, 7);
  stage.directory.workerLost(0); // it was removed, and nobody will answer
  stage.directory.restore(2);
  stage.directory.workerStarted(0, []);
  assert.equal(stage.directory.counts.total, 0);
  stage.connect(0, 8);
  assert.deepEqual(asked, ['a', 'a']);
});
