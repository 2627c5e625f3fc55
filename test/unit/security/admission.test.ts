/** Who is let in beside what it can prove: bans, counts, rates and failures, on a clock that the test moves. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { defaultLimits, type Limits } from '../../../core/config/limits.ts';
import { Admission } from '../../../core/security/admission.ts';
import { BanList } from '../../../core/security/bans.ts';
import { ConnectRates } from '../../../core/security/connect-rates.ts';
import { RecentCounts } from '../../../core/security/recent-counts.ts';
import type { ClientInfo } from '../../../core/sessions/session-record.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { Random, seeds } from '../../support/random.ts';

class Stage {
  readonly clock = new FakeClock();
  readonly bans = new BanList({ nowMs: () => this.clock.nowMs(), bansMax: 1_000 });
  readonly clients = new Map<string, ClientInfo>();
  readonly admission: Admission;
  readonly limits: Limits;
  isOverloaded = false;

  constructor(limits: Partial<Limits>) {
    this.limits = { ...defaultLimits, ...limits };
    this.admission = new Admission({
      clock: this.clock,
      limits: this.limits,
      bans: {
        find: (candidate) => this.bans.find(candidate),
        addOwn: (kind, value, origin) => this.bans.add({ kind, value }, origin),
      },
      isOverloaded: () => this.isOverloaded,
      connected: (clientId) => this.clients.get(clientId),
    });
  }

  /** The reason code; 0 if it is connected now. */
  connect(clientId: string, remoteAddress = '203.0.113.7', username?: string): number {
    const login = { clientId, remoteAddress, username };
    const refusal = this.admission.refusalOf(login) ?? this.admission.refusalOfUser(login);
    if (refusal !== undefined) return refusal;
    const client: ClientInfo = {
      clientId,
      remoteAddress,
      protocolVersion: 5,
      transport: 'ws',
      ...(username === undefined ? {} : { username }),
    };
    this.disconnect(clientId);
    this.clients.set(clientId, client);
    this.admission.connected(client);
    return 0;
  }

  disconnect(clientId: string): void {
    const client = this.clients.get(clientId);
    if (client !== undefined) this.admission.disconnected(client);
    this.clients.delete(clientId);
  }

  fail(remoteAddress: string, clientId: string, username?: string): number {
    return this.admission.failed({ remoteAddress, clientId, username });
  }
}

test('whoever is banned is told so; whoever is not, nothing', () => {
  const stage = new Stage({});
  assert.equal(stage.connect('a'), 0);
  stage.bans.add({ kind: 'address', value: '203.0.113.0/24' });
  assert.equal(stage.connect('b'), 0x8a);
  stage.bans.add({ kind: 'username', value: 'lee' });
  assert.equal(stage.connect('c', '198.51.100.1', 'lee'), 0x8a);
  assert.equal(stage.connect('c', '198.51.100.1', 'kim'), 0);
});

test('whoever is banned while it authenticates is not let in, with a user name or without', () => {
  const stage = new Stage({});
  for (const username of [undefined, 'lee']) {
    const login = { clientId: 'a', remoteAddress: '203.0.113.7', username };
    assert.equal(stage.admission.refusalOf(login), undefined);
    stage.bans.add({ kind: 'clientId', value: 'a' });
    assert.equal(stage.admission.refusalOfUser(login), 0x8a);
    stage.bans.remove('clientId', 'a');
  }
});

test('an address has so many connections, and a client that comes back takes the place of itself', () => {
  const stage = new Stage({ connectionsPerAddressMax: 2 });
  assert.deepEqual(
    ['a', 'b', 'c', 'a', 'c'].map((clientId) => stage.connect(clientId)),
    [0, 0, 0x97, 0, 0x97],
  );
  assert.equal(stage.connect('c', '203.0.113.8'), 0);
  assert.equal(stage.connect('c'), 0x97, 'it is not here yet, and there is no room');
  stage.disconnect('a');
  assert.equal(stage.connect('d'), 0);
  const ofOneNetwork = ['2001:db8::1', '2001:db8::2', '2001:db8:0:0:9::'].map((address, index) =>
    stage.connect(`v6-${index}`, address),
  );
  assert.deepEqual(ofOneNetwork, [0, 0, 0x97]);
});

test('clients that authenticate at the same time share the connections of their address', () => {
  const stage = new Stage({ connectionsPerAddressMax: 1 });
  const login = (clientId: string) => ({ clientId, remoteAddress: '203.0.113.7' });
  assert.equal(stage.admission.refusalOf(login('a')), undefined);
  assert.equal(stage.connect('b'), 0);
  assert.equal(stage.admission.refusalOfUser(login('a')), 0x97);
  assert.equal(stage.admission.refusalOfUser(login('b')), undefined, 'it takes its own place');
});

test('clients of a Unix socket, which have no address, have no limits per address; those that a proxy tells of have', () => {
  const stage = new Stage({ connectionsPerAddressMax: 1, connectsPerSecondPerAddressMax: 1 });
  for (let number = 0; number < 5; number++) assert.equal(stage.connect(`c${number}`, 'unix'), 0);
  stage.admission.recount(stage.clients.values());
  assert.equal(stage.connect('c5', 'unix'), 0);
  for (let number = 0; number < 6; number++) stage.disconnect(`c${number}`);
  assert.equal(stage.connect('a', '203.0.113.7'), 0);
  assert.equal(stage.connect('b', '203.0.113.7'), 0x9f);
  stage.clock.advance(1_000);
  assert.equal(stage.connect('b', '203.0.113.7'), 0x97);
});

test('a user has so many connections, from wherever', () => {
  const stage = new Stage({ connectionsPerUserMax: 2 });
  assert.equal(stage.connect('a', '203.0.113.1', 'lee'), 0);
  assert.equal(stage.connect('b', '203.0.113.2', 'lee'), 0);
  assert.equal(stage.connect('c', '203.0.113.3', 'lee'), 0x97);
  assert.equal(stage.connect('b', '203.0.113.9', 'lee'), 0);
  assert.equal(stage.connect('c', '203.0.113.3', 'kim'), 0);
  assert.equal(stage.connect('d', '203.0.113.3'), 0);
});

test('an address comes so often a second, and all together', () => {
  const stage = new Stage({ connectsPerSecondPerAddressMax: 2, connectsPerSecondMax: 3 });
  const connect = (address: string) => stage.connect('c', address);
  assert.deepEqual(
    [1, 2, 3].map(() => connect('203.0.113.1')),
    [0, 0, 0x9f],
  );
  assert.deepEqual(
    [1, 2].map(() => connect('203.0.113.2')),
    [0, 0x9f],
  );
  stage.clock.advance(500);
  assert.deepEqual(
    [1, 2].map(() => connect('203.0.113.1')),
    [0, 0x9f],
  );
  stage.clock.advance(10_000);
  assert.deepEqual(
    [1, 2, 3].map(() => connect('203.0.113.1')),
    [0, 0, 0x9f],
    'what was not used is not kept',
  );
});

test('the rates of addresses are those of a bucket for each, however many come, and idle ones are forgotten', () => {
  const clock = new FakeClock();
  const perSecond = 3;
  const limits = { connectsPerSecondMax: 0, connectsPerSecondPerAddressMax: perSecond, trackedNamesMax: 100 };
  for (const seed of seeds(20)) {
    const random = new Random(seed);
    const rates = new ConnectRates({ clock, limits });
    const buckets = new Map<string, { tokens: number; atMs: number }>();
    for (let step = 0; step < 500; step++) {
      clock.advance(random.below(10) === 0 ? random.below(1_500) : random.below(40));
      const address = `203.0.113.${random.below(40)}`;
      const nowMs = clock.nowMs();
      const bucket = buckets.get(address) ?? { tokens: perSecond, atMs: nowMs };
      const tokens = Math.min(perSecond, bucket.tokens + ((nowMs - bucket.atMs) * perSecond) / 1_000);
      const isAllowed = tokens >= 1;
      buckets.set(address, { tokens: isAllowed ? tokens - 1 : tokens, atMs: nowMs });
      assert.equal(rates.take(address), isAllowed, `seed ${seed}, step ${step}`);
    }
    for (let each = 0; each < 1_000; each++) rates.take(`198.51.${each >> 8}.${each & 255}`);
    assert.ok(rates.addresses <= 100);
    clock.advance(1_000);
    rates.take('203.0.113.1');
    clock.advance(1_000);
    rates.take('203.0.113.1');
    assert.equal(rates.addresses, 1, 'the others have full buckets');
  }
});

test('when the broker has too much to do, nobody else comes', () => {
  const stage = new Stage({});
  stage.isOverloaded = true;
  assert.equal(stage.connect('a'), 0x89);
  stage.isOverloaded = false;
  assert.equal(stage.connect('a'), 0);
});

test('refusals come later and later, of an address, a user and a client identifier, and all is forgotten in a minute', () => {
  const stage = new Stage({ failedLoginDelayMsMax: 1_000 });
  const delays = [1, 2, 3, 4, 5, 6, 7, 8, 9].map((each) => stage.fail('203.0.113.7', `c${each}`, `u${each}`));
  assert.deepEqual(delays, [0, 0, 0, 100, 200, 400, 800, 1_000, 1_000]);
  const ofUser = [1, 2, 3, 4, 5].map((each) => stage.fail(`198.51.100.${each}`, `d${each}`, 'lee'));
  assert.deepEqual(ofUser, [0, 0, 0, 100, 200]);
  const ofClient = [1, 2, 3, 4].map((each) => stage.fail(`192.0.2.${each}`, 'e'));
  assert.deepEqual(ofClient, [0, 0, 0, 100]);
  stage.clock.advance(60_000);
  assert.equal(stage.fail('203.0.113.7', 'e', 'lee'), 0);
});

test('then comes a ban: of the address, of the user, of the client identifier; never of this machine', () => {
  const stage = new Stage({ failedLoginsPerAddressMax: 5, failedLoginsPerNameMax: 8 });
  const banned = () => stage.bans.list().map(({ kind, value, origin }) => `${kind} ${value} ${origin}`);
  for (let each = 0; each < 7; each++) stage.fail('2001:db8::1', `c${each}`, `u${each}`);
  assert.deepEqual(banned(), ['address 2001:db8:0:0::/64 failedLogins']);
  for (let each = 0; each < 8; each++) stage.fail('127.0.0.1', `d${each}`, 'lee');
  for (let each = 0; each < 8; each++) stage.fail(`203.0.113.${each}`, 'e');
  assert.deepEqual(banned().slice(1), ['username lee failedLogins', 'clientId e failedLogins']);
});

test('failures count anew after a ban: whoever guesses on when it is over is banned again', () => {
  const stage = new Stage({ failedLoginsPerAddressMax: 3, failedLoginsWindowMs: 3_600_000, banMs: 1_000 });
  const isBanned = () => stage.bans.list().length > 0;
  for (let each = 0; each < 3; each++) stage.fail('203.0.113.7', `c${each}`);
  assert.ok(isBanned());
  stage.bans.remove('address', '203.0.113.7');
  for (let each = 0; each < 2; each++) stage.fail('203.0.113.7', `d${each}`);
  assert.ok(!isBanned(), 'it has as many attempts as before');
  stage.fail('203.0.113.7', 'd2');
  assert.ok(isBanned());
});

test('a limit that is lowered below what was counted bans at the next time', () => {
  const stage = new Stage({ failedLoginsPerNameMax: 100, connectsPerMinutePerClientMax: 100 });
  for (let each = 0; each < 7; each++) {
    stage.fail(`203.0.113.${each}`, 'a', 'lee');
    stage.connect('b');
  }
  Object.assign(stage.limits, { failedLoginsPerNameMax: 5, connectsPerMinutePerClientMax: 5 });
  stage.fail('203.0.113.8', 'a', 'lee');
  stage.connect('b');
  assert.deepEqual(
    stage.bans.list().map(({ kind, value }) => `${kind} ${value}`),
    ['clientId a', 'username lee', 'clientId b'],
  );
});

test('whoever fails with an empty user name is slowed down, and no ban is without a name', () => {
  const stage = new Stage({ failedLoginsPerNameMax: 3, failedLoginDelayMsMax: 1_000 });
  const delays = [1, 2, 3, 4, 5].map((each) => stage.fail(`203.0.113.${each}`, `c${each}`, ''));
  assert.deepEqual(delays, [0, 0, 0, 100, 200]);
  assert.deepEqual(stage.bans.list(), []);
});

test('a client that comes and goes without end is banned by its identifier', () => {
  const stage = new Stage({ connectsPerMinutePerClientMax: 3 });
  assert.deepEqual(
    [1, 2, 3, 4].map(() => stage.connect('a')),
    [0, 0, 0, 0x8a],
  );
  for (let each = 0; each < 3; each++) {
    assert.equal(stage.connect('b'), 0);
    stage.clock.advance(60_000);
  }
  assert.equal(stage.connect('b'), 0, 'not that fast');
});

test('names that anybody can make up are forgotten, the oldest first', () => {
  const clock = new FakeClock();
  const counts = new RecentCounts({ clock, windowMs: 1_000, namesMax: 3 });
  for (const name of ['a', 'b', 'c', 'd']) counts.add(name);
  assert.equal(counts.size, 3);
  assert.equal(counts.add('b'), 2);
  assert.equal(counts.add('a'), 1);
  clock.advance(1_000);
  counts.add('e');
  assert.equal(counts.size, 1, 'windows that are over go');
});

test('counts of names are those of a list that is searched from its beginning', () => {
  const namesMax = 5;
  const windowMs = 100;
  for (const seed of seeds(50)) {
    const random = new Random(seed);
    const clock = new FakeClock();
    const counts = new RecentCounts({ clock, windowMs, namesMax });
    let listed: { name: string; count: number; endsMs: number }[] = [];
    const inList = (name: string): number => {
      const nowMs = clock.nowMs();
      const known = listed.find((each) => each.name === name && each.endsMs > nowMs);
      if (known !== undefined) return ++known.count;
      listed = listed.filter((each) => each.name !== name);
      listed.push({ name, count: 1, endsMs: nowMs + windowMs });
      listed = listed.filter(({ endsMs }) => endsMs > nowMs).slice(-namesMax);
      return 1;
    };
    for (let step = 0; step < 300; step++) {
      const name = `client ${random.below(9)}`;
      if (random.below(4) === 0) clock.advance(random.below(60));
      if (random.below(6) === 0) {
        counts.forget(name);
        listed = listed.filter((each) => each.name !== name);
      }
      assert.equal(counts.add(name), inList(name), `seed ${seed}, step ${step}`);
      assert.equal(counts.size, listed.length, `seed ${seed}, step ${step}`);
    }
  }
});
