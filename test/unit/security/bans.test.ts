/** Bans: whom they keep out, until when, and the file that they stand in. */
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { BlockList } from 'node:net';
import { type TestContext, test } from 'node:test';
import { ban as banCommand } from '../../../core/command/ban.ts';
import {
  addressKey,
  canonicalNetwork,
  isOwnMachine,
  shownAddress,
} from '../../../core/security/address-key.ts';
import { banFileText, parseBanFile } from '../../../core/security/ban-file.ts';
import { BanKeeper, type LiftedBan } from '../../../core/security/ban-keeper.ts';
import { type Ban, type BanKind, BanList } from '../../../core/security/bans.ts';
import { accessFolder } from '../../support/access-files.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { Random, seeds } from '../../support/random.ts';

const somebody = { remoteAddress: '203.0.113.7', clientId: 'c1', username: 'lee' };

function listAt(now: { ms: number }, bansMax = 100): BanList {
  return new BanList({ nowMs: () => now.ms, bansMax });
}

test('an address is shown in the form that clients have, however it is written', () => {
  for (const [given, shown] of [
    ['2001:DB8:0:0::1', '2001:db8::1'],
    ['::FFFF:192.0.2.1', '192.0.2.1'],
    ['::ffff:c000:201', '192.0.2.1'],
    ['0:0:0:0:0:0:0:1', '::1'],
    ['192.0.2.1', '192.0.2.1'],
    ['fe80::1%eth0', 'fe80::1%eth0'],
    ['unix', 'unix'],
    ['', ''],
  ] as const)
    assert.equal(shownAddress(given), shown);
});

test('an IPv6 address is known by its network of 64 bits, and a mapped IPv4 address by itself', () => {
  assert.equal(addressKey('2001:db8:1:2:3:4:5:6'), '2001:db8:1:2::/64');
  assert.equal(addressKey('2001:DB8:1:2::1'), '2001:db8:1:2::/64');
  assert.equal(addressKey('2001:db8::'), '2001:db8:0:0::/64');
  assert.equal(addressKey('fe80::1%eth0'), 'fe80:0:0:0::/64');
  assert.equal(addressKey('::ffff:192.0.2.1'), '192.0.2.1');
  assert.equal(addressKey('::ffff:c000:201'), '192.0.2.1');
  assert.equal(addressKey('192.0.2.1'), '192.0.2.1');
  assert.equal(addressKey('/run/mqtt'), '/run/mqtt');
  for (const address of ['127.0.0.1', '127.9.9.9', '::1', '::ffff:127.0.0.1', '/run/mqtt'])
    assert.ok(isOwnMachine(address), address);
  for (const address of ['192.0.2.1', '::2', '2001:db8::1']) assert.ok(!isOwnMachine(address), address);
});

test('networks have one form each', () => {
  assert.equal(canonicalNetwork('203.0.113.7/24'), '203.0.113.0/24');
  assert.equal(canonicalNetwork('203.0.113.7/32'), '203.0.113.7');
  assert.equal(canonicalNetwork('0.0.0.0/0'), '0.0.0.0/0');
  assert.equal(canonicalNetwork('2001:db8:1:2:ff::/64'), '2001:db8:1:2::/64');
  assert.equal(canonicalNetwork('2001:db8::/32'), '2001:db8:0:0:0:0:0:0/32');
  assert.equal(canonicalNetwork('::ffff:203.0.113.7'), '203.0.113.7');
  assert.equal(canonicalNetwork('::ffff:cb00:7107/120'), '203.0.113.0/24');
  assert.equal(canonicalNetwork('::ffff:203.0.113.7/80'), '0:0:0:0:0:0:0:0/80');
  for (const wrong of ['', 'a', '1.2.3', '1.2.3.4/33', '1.2.3.4/a', '::/129', 'fe80::1%eth0', '1.2.3.4/8/8'])
    assert.equal(canonicalNetwork(wrong), undefined, wrong);
});

test('a ban keeps out whom it names, and nobody else', () => {
  const bans = listAt({ ms: 0 });
  const keepsOut = (kind: Ban['kind'], value: string): boolean => {
    bans.add({ kind, value });
    const isOut = bans.find(somebody) !== undefined;
    assert.equal(bans.find({ remoteAddress: '198.51.100.1', clientId: 'x', username: 'kim' }), undefined);
    assert.ok(bans.remove(kind, value));
    assert.equal(bans.find(somebody), undefined);
    return isOut;
  };
  assert.ok(keepsOut('address', '203.0.113.7'));
  assert.ok(keepsOut('address', '203.0.113.0/24'));
  assert.ok(keepsOut('username', 'lee'));
  assert.ok(keepsOut('clientId', 'c1'));
  assert.ok(!keepsOut('address', '203.0.113.8'));
  assert.ok(!keepsOut('username', 'c1'));
  assert.ok(!keepsOut('clientId', 'lee'));
  const ofIpv6 = (remoteAddress: string) => bans.find({ ...somebody, remoteAddress });
  bans.add({ kind: 'address', value: '2001:db8:1:2::/64' });
  bans.add({ kind: 'address', value: '2001:db8:1:3::7' });
  assert.ok(ofIpv6('2001:db8:1:2:9::9'));
  assert.ok(ofIpv6('2001:db8:1:3::7'));
  assert.equal(ofIpv6('2001:db8:1:3::8'), undefined);
});

test('a network is banned however it and the address of a client are written', () => {
  const bans = listAt({ ms: 0 });
  const isOut = (remoteAddress: string) => bans.find({ ...somebody, remoteAddress }) !== undefined;
  bans.add({ kind: 'address', value: '::ffff:203.0.113.7' });
  assert.ok(isOut('203.0.113.7') && isOut('::ffff:203.0.113.7') && isOut('::FFFF:CB00:7107'));
  assert.ok(bans.remove('address', '203.0.113.7'));
  bans.add({ kind: 'address', value: '::ffff:198.51.100.0/120' });
  assert.ok(isOut('198.51.100.9') && isOut('::ffff:198.51.100.9') && !isOut('198.51.101.9'));
  bans.add({ kind: 'address', value: '2001:DB8:1::/48' });
  assert.ok(isOut('2001:db8:1:0:ffff::') && isOut('2001:db8:1::%eth0') && !isOut('2001:db8:2::'));
  bans.add({ kind: 'address', value: '0.0.0.0/0' });
  assert.ok(isOut('192.0.2.1') && !isOut('2001:db8:2::') && !isOut('/run/mqtt') && !isOut(''));
});

test('the networks that keep a client out are those of a search through all', () => {
  for (const seed of seeds(20)) {
    const random = new Random(seed);
    const bans = listAt({ ms: 0 }, 1_000);
    const address = () =>
      random.below(2) === 0
        ? `10.${random.below(2)}.${random.below(2) * 128}.${random.below(4)}`
        : `2001:db8:${random.below(2)}:${random.below(2) * 8_000}::${random.below(4)}`;
    for (let step = 0; step < 200; step++) {
      const one = address();
      const value = `${one}/${random.below(one.includes(':') ? 129 : 33)}`;
      if (random.below(3) > 0) bans.add({ kind: 'address', value });
      else bans.remove('address', bans.list()[random.below(40)]?.value ?? value);
      const remoteAddress = address();
      const isIn = bans.list().some(({ value: each }) => {
        const [base = '', bits = remoteAddress.includes(':') ? '128' : '32'] = each.split('/');
        if (base.includes(':') !== remoteAddress.includes(':')) return false;
        const network = new BlockList();
        network.addSubnet(base, Number(bits), base.includes(':') ? 'ipv6' : 'ipv4');
        return network.check(remoteAddress, base.includes(':') ? 'ipv6' : 'ipv4');
      });
      const found = bans.find({ remoteAddress, clientId: 'c' });
      assert.equal(found !== undefined, isIn, `seed ${seed}, step ${step}: ${remoteAddress}`);
    }
  }
});

test('a ban ends by itself, and one for the same takes the place of another', () => {
  const now = { ms: 0 };
  const bans = listAt(now);
  bans.add({ kind: 'address', value: '203.0.113.0/24', expiresAt: new Date(1_000) });
  bans.add({ kind: 'username', value: 'lee', expiresAt: new Date(1_000) });
  bans.add({ kind: 'username', value: 'lee', expiresAt: new Date(2_000) });
  assert.equal(bans.list().length, 2);
  now.ms = 1_000;
  assert.equal(bans.find(somebody)?.kind, 'username');
  now.ms = 2_000;
  assert.equal(bans.find(somebody), undefined);
  assert.deepEqual(bans.list(), []);
  assert.ok(!bans.remove('username', 'lee'));
});

test('the broker bans no more than there is room for, and lifts nobody whom a person has banned', () => {
  const bans = listAt({ ms: 0 }, 2);
  bans.add({ kind: 'clientId', value: 'a' });
  bans.add({ kind: 'clientId', value: 'b' }, 'flapping');
  bans.add({ kind: 'clientId', value: 'c' }, 'flapping');
  assert.deepEqual(
    bans.list().map(({ value }) => value),
    ['a', 'c'],
  );
  bans.add({ kind: 'clientId', value: 'd' });
  bans.add({ kind: 'clientId', value: 'e' }, 'failedLogins');
  assert.deepEqual(
    bans.list().map(({ value }) => value),
    ['a', 'd'],
  );
  assert.throws(() => bans.add({ kind: 'clientId', value: 'f' }), { code: 'BAN_INVALID' });
  bans.add({ kind: 'clientId', value: 'a' }, 'flapping');
  assert.equal(bans.list()[0]?.origin, 'hand');
});

test('what is no ban is refused', () => {
  const bans = listAt({ ms: 0 });
  for (const wrong of [
    { kind: 'address', value: 'lee' },
    { kind: 'address', value: '203.0.113.7/40' },
    { kind: 'user', value: 'lee' },
    { kind: 'username', value: '' },
    { kind: 'username', value: 7 },
    { kind: 'username', value: 'lee', expiresAt: new Date('never') },
    { kind: 'username', value: 'lee', expiresAt: 7 },
    { kind: 'username', value: 'lee', reason: 7 },
  ])
    assert.throws(() => bans.add(wrong as never), { code: 'BAN_INVALID' }, JSON.stringify(wrong));
});

test('the file says what it was told, whatever the names are', () => {
  const bans = listAt({ ms: 0 });
  for (const value of ['lee', 'lee smith', '"', '-', '#lee', 'a\nb', '\\', 'é', '\u0000'])
    bans.add({ kind: 'username', value, reason: value });
  bans.add({ kind: 'address', value: '2001:db8::/32', expiresAt: new Date('2030-01-02T03:04:05Z') });
  bans.add({
    kind: 'clientId',
    value: 'far',
    expiresAt: new Date(8.64e15),
    reason: 'as late as a Date can be',
  });
  const read = listAt({ ms: 0 });
  read.replaceByHand(parseBanFile(banFileText(bans.list()), 'bans'));
  assert.deepEqual(read.list(), bans.list());
  bans.add({ kind: 'username', value: 'own' }, 'flapping');
  assert.ok(!banFileText(bans.list()).includes('own'));
});

test('a file with more bans than there may be leaves the previous ones in force', () => {
  const now = { ms: 0 };
  const bans = listAt(now, 2);
  bans.replaceByHand([{ kind: 'clientId', value: 'c1' }]);
  const three = ['a', 'b', 'c'].map((value) => ({ kind: 'clientId', value }) as const);
  assert.throws(() => bans.replaceByHand(three), { code: 'BAN_INVALID' });
  assert.equal(bans.find(somebody)?.value, 'c1');
  assert.equal(bans.list().length, 1);
  const over = { kind: 'clientId', value: 'd', expiresAt: new Date(0) } as const;
  bans.replaceByHand([three[0], three[1], three[1], over].flatMap((each) => each ?? []));
  assert.deepEqual(
    bans.list().map(({ value }) => value),
    ['a', 'b'],
  );
});

test('a line that is wrong is named with its place', () => {
  for (const [text, message] of [
    ['# one\n\nuser lee', /^bans, line 3, column 1: give address, username, clientId/],
    ['username', /line 1, column 1/],
    ['address lee', /line 1, column 1: 'lee' is not an address/],
    ['username lee tomorrow', /line 1, column 14: 'tomorrow' is not a time/],
    ['username lee - "why" more', /line 1, column 1/],
  ] as const)
    assert.throws(() => parseBanFile(text, 'bans'), { code: 'ACCESS_FILE_INVALID', message });
});

test('rallymq ban writes the file, lists it and lifts a ban', (t) => {
  const path = accessFolder(t).write('bans', '');
  const run = (...args: string[]): string => banCommand([path, ...args], 0);
  assert.equal(run(), 'Nobody is banned.\n');
  assert.equal(run('address', '203.0.113.9/24', '--minutes', '5'), 'address 203.0.113.0/24 is banned.\n');
  assert.equal(run('username', 'lee', '--reason', 'spam'), 'username lee is banned.\n');
  assert.equal(
    run(),
    'address   203.0.113.0/24  until 1970-01-01T00:05:00.000Z\nusername  lee  permanently  spam\n',
  );
  assert.equal(run('username', 'lee', '--delete'), 'username lee may connect again.\n');
  assert.ok(!readFileSync(path, 'utf8').includes('lee'));
  assert.throws(() => run('username', 'lee', '--delete'), { code: 'FLAG_VALUE_INVALID' });
  assert.equal(run('clientId', 'a\u001b[2J\nb', '--minutes', '5').split('\n').length, 2);
  assert.match(run(), /^clientId {2}a\\u001b\[2J\\u000ab {2}until/m, 'a name must not move the cursor');
  assert.throws(() => run('user', 'lee'), { code: 'FLAG_VALUE_INVALID', message: /'user' is not a kind/ });
  assert.throws(() => run('username', 'lee', '--minutes', '0'), { code: 'FLAG_VALUE_INVALID' });
  assert.throws(() => run('username'), { code: 'FLAG_VALUE_INVALID' });
  assert.throws(() => run('--minutes', '5'), { code: 'FLAG_VALUE_INVALID' });
  assert.throws(() => run('username', 'lee', '--forever'), { code: 'FLAG_UNKNOWN' });
});

test('the keeper reads its file again when it changes, keeps what it had if that is wrong, and writes bans by hand', (t) => {
  const stage = keeperOf(t, 'username lee\n');
  const { keeper, clock, path, told } = stage;
  keeper.open();
  assert.deepEqual(told, ['banned lee']);
  writeFileSync(path, 'username lee\nusername kim\n');
  clock.advance(1_000);
  writeFileSync(path, 'username lee\nusername kim\nusername max\nusername eve\n');
  clock.advance(1_000);
  assert.deepEqual(told.splice(0), ['banned lee', 'banned kim', 'banned max, eve']);
  writeFileSync(path, 'username\n');
  clock.advance(1_000);
  assert.match(told.splice(0).join(), /^fault .*line 1/);
  clock.advance(5_000);
  assert.deepEqual(told, [], 'a mistake is said once');
  assert.ok(keeper.find(somebody));
  keeper.add({ kind: 'clientId', value: 'c9' });
  keeper.addOwn('clientId', 'c8', 'flapping');
  assert.deepEqual(told.splice(0), ['banned c9', 'banned c8']);
  assert.deepEqual(
    parseBanFile(readFileSync(path, 'utf8'), path).map(({ value }) => value),
    ['lee', 'kim', 'max', 'eve', 'c9'],
  );
  assert.ok(keeper.remove('username', 'lee'));
  assert.ok(!keeper.remove('username', 'lee'));
  assert.deepEqual(told.splice(0), ['lifted lee']);
  clock.advance(1_000);
  assert.deepEqual(told, [], 'its own change is no news');
  keeper.close();
  assert.equal(clock.timers, 0);
});

test('bans that come together are written together, and those in force change nothing', (t) => {
  const { keeper, path, told } = keeperOf(t, 'username lee\n');
  keeper.open();
  told.length = 0;
  const end = new Date('2099-01-01T00:00:00Z');
  const all = [
    { value: 'lee' },
    { value: 'kim' },
    { value: 'max', expiresAt: end },
    { value: '' },
    { value: 'eve' },
  ];
  const requests = all.map((each) => ({ kind: 'username', ...each }) as const);
  assert.throws(() => keeper.addAll(requests), { code: 'BAN_INVALID' });
  assert.deepEqual(told.splice(0), ['banned kim, max, eve']);
  const inFile = parseBanFile(readFileSync(path, 'utf8'), path).map(({ value }) => value);
  assert.deepEqual(inFile, ['lee', 'kim', 'max', 'eve']);
  keeper.addAll(requests.filter(({ value }) => value !== ''));
  assert.deepEqual(told, []);
  keeper.close();
});

test('a change of the file that the keeper has not seen yet is not lost by a change of its own', (t) => {
  const { keeper, path, told } = keeperOf(t, 'username lee\n');
  keeper.open();
  told.length = 0;
  banCommand([path, 'username', 'kim'], 0);
  keeper.add({ kind: 'clientId', value: 'c9' });
  assert.deepEqual(told.splice(0), ['banned kim', 'banned c9']);
  banCommand([path, 'username', 'lee', '--delete'], 0);
  banCommand([path, 'username', 'max'], 0);
  assert.ok(keeper.remove('username', 'max'));
  const inFile = () => parseBanFile(readFileSync(path, 'utf8'), path).map(({ value }) => value);
  assert.deepEqual(inFile(), ['kim', 'c9']);
  writeFileSync(path, 'username\n');
  assert.throws(() => keeper.add({ kind: 'clientId', value: 'c10' }), { code: 'ACCESS_FILE_INVALID' });
  assert.equal(readFileSync(path, 'utf8'), 'username\n');
});

test('a node that joins its cluster again watches the file once, and keeps its bans if that is wrong', (t) => {
  const { keeper, clock, path } = keeperOf(t, 'username lee\n');
  keeper.open();
  writeFileSync(path, 'username\n');
  keeper.open();
  assert.ok(keeper.find(somebody));
  assert.equal(clock.timers, 1);
  keeper.close();
  assert.equal(clock.timers, 0);
});

test('where the file cannot be written nothing changes', (t) => {
  const { keeper, path, told } = keeperOf(t, 'username lee\n');
  keeper.load();
  told.length = 0;
  rmSync(path);
  mkdirSync(path); // which no file can replace
  const code = 'ACCESS_FILE_UNREADABLE';
  assert.throws(() => keeper.add({ kind: 'address', value: '198.51.100.0/24' }), { code });
  assert.throws(() => keeper.remove('username', 'lee'), { code });
  assert.deepEqual(told, []);
  assert.equal(keeper.find(somebody)?.value, 'lee');
  assert.equal(keeper.find({ remoteAddress: '198.51.100.7', clientId: 'c' }), undefined);
});

test('bans that were lifted elsewhere are lifted, except those of a file that was changed since', (t) => {
  const text = 'username lee\naddress 203.0.113.0/24\nclientId own\n';
  const { keeper, path, told } = keeperOf(t, text);
  utimesSync(path, 1_000, 1_000);
  keeper.load();
  told.length = 0;
  const lifted = (kind: BanKind, value: string, atMs: number): LiftedBan => ({ kind, value, atMs });
  keeper.liftAll([lifted('username', 'lee', 1_000_001), lifted('clientId', 'own', 999_999)]);
  // What it writes itself is not a wish of somebody.
  keeper.liftAll([lifted('address', '203.0.113.0/24', 1_000_002), lifted('username', 'other', 1_000_002)]);
  assert.deepEqual(told, ['lifted lee', 'lifted 203.0.113.0/24']);
  assert.deepEqual(
    keeper.list().map(({ value }) => value),
    ['own'],
  );
  assert.doesNotMatch(readFileSync(path, 'utf8'), /lee|203/);
  // It tells others of them, until they are set again.
  keeper.addAll([{ kind: 'username', value: 'lee' }]);
  assert.ok(keeper.remove('clientId', 'own'));
  assert.deepEqual(
    keeper.lifted.map(({ value }) => value),
    ['203.0.113.0/24', 'other', 'own'],
  );
  for (let index = 0; index < 20; index++) keeper.liftAll([lifted('clientId', `${index}`, 2_000_000)]);
  assert.equal(keeper.lifted.length, 10);
});

function keeperOf(t: TestContext, text: string) {
  const path = accessFolder(t).write('bans', text);
  const clock = new FakeClock();
  const told: string[] = [];
  const keeper = new BanKeeper({
    path,
    limits: { bansMax: 10, banMs: 5_000 },
    clock,
    nowMs: () => clock.nowMs(),
    onBanned: (bans) => told.push(`banned ${bans.map(({ value }) => value).join(', ')}`),
    onLifted: (_kind, value) => told.push(`lifted ${value}`),
    onFileFault: (error) => told.push(`fault ${error}`),
  });
  t.after(() => keeper.close());
  return { keeper, clock, path, told };
}
