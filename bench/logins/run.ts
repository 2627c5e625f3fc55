/**
 * The subcommand `logins`: the cost of logins, of renewing tokens and of loading rules, compared with their
 * goals. Returns whether nothing was lost and no login failed; the figures depend on the machine.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SignJWT } from 'jose';
import { createBroker } from '../../core/broker.ts';
import { hashPassword } from '../../core/security/password-hash.ts';
import type { ConnectPacket } from '../../core/wire/packets.ts';
import type { CommandLine } from '../command-line.ts';
import { manyRules, ruleCount } from '../load/many-rules.ts';
import type { RunningPeer } from '../peers/peer.ts';
import { rallymqWith } from '../peers/rallymq.ts';
import { clear, say, shortNumber, showStep, table } from '../progress.ts';
import { medianOf } from '../statistics.ts';
import { type LoginRate, logInOnce, loginRate } from './rates.ts';
import { lateMs, renewals } from './renewal.ts';
import { type StormRound, stormRounds } from './storm.ts';

const secret = 'a secret that is long enough for HS256 to be taken';
const password = Buffer.from('correct horse battery staple');
const tokens = 5_000;
const usersRemembered = 20;
const usersOfStorm = 5_000;
const reloads = 20;

type Row = readonly [what: string, figure: string, goal: string];

export async function runLogins(command: CommandLine): Promise<boolean> {
  const folder = await mkdtemp(join(tmpdir(), 'rallymq-bench-'));
  const parts = { rules, tokenLogins, passwordLogins, storm, renewal };
  const rows: Row[] = [];
  try {
    for (const [name, part] of Object.entries(parts)) {
      if (command.only !== undefined && !command.only.includes(name)) continue;
      showStep(name);
      rows.push(...(await part(command, folder)));
    }
  } finally {
    await rm(folder, { recursive: true });
  }
  clear();
  say(table([['', 'here', 'goal'], ...rows]));
  return !rows.some(([, figure]) => figure.includes('FAULT'));
}

/** From the file to the workers that apply it. */
async function rules(_: CommandLine, folder: string): Promise<Row[]> {
  const rulesFile = join(folder, 'rules.json');
  await writeFile(rulesFile, JSON.stringify(manyRules()));
  const broker = createBroker({ port: 0, tcpPort: false, rulesFile, logLevel: 'error' });
  await broker.start();
  const each: number[] = [];
  try {
    for (let count = 0; count < reloads; count++) {
      const beforeMs = performance.now();
      await broker.reload();
      each.push(performance.now() - beforeMs);
    }
  } finally {
    await broker.stop();
  }
  const what = `${ruleCount.toLocaleString('en')} rules read, checked and in force`;
  return [[what, `${shortNumber(medianOf(each) ?? 0)} ms`, '< 200 ms']];
}

async function tokenLogins({ seconds = 5 }: CommandLine, folder: string): Promise<Row[]> {
  const expiresAt = Math.floor(Date.now() / 1_000) + 3_600;
  const each = await Promise.all(
    Array.from({ length: tokens }, (_, index) => token(`u-${index}`, expiresAt)),
  );
  let at = 0;
  const next = () => ({ password: Buffer.from(each[at++ % each.length] ?? '') });
  const rate = await withBroker(await secretFlags(folder), (broker) => loginRate(broker, seconds, next));
  return rowsOf('logins with a token (HS256)', rate, '2,000');
}

async function passwordLogins({ seconds = 5 }: CommandLine, folder: string): Promise<Row[]> {
  const flags = await userFlags(folder, usersRemembered);
  let at = 0;
  const next = () => userOf(at++ % usersRemembered);
  const rate = await withBroker(flags, async (broker) => {
    for (let user = 0; user < usersRemembered; user++) await logInOnce(broker, userOf(user)); // verified once
    return await loginRate(broker, seconds, next);
  });
  return rowsOf('logins with a password that was verified before', rate, '5,000');
}

async function storm({ rounds = 5, seconds = 3 }: CommandLine, folder: string): Promise<Row[]> {
  const flags = [...(await userFlags(folder, usersOfStorm)), '--allow-anonymous'];
  const terms = { rounds, seconds, users: usersOfStorm, password, hash: hashPassword(password) };
  const played = await withBroker(flags, (broker) => stormRounds(broker, terms));
  const verified = played.reduce((sum, round) => sum + round.verified, 0);
  const ratio = (of: (round: StormRound) => number, to: (round: StormRound) => number): string => {
    const median = (figure: (round: StormRound) => number) => medianOf(played.map(figure)) ?? 0;
    return `${median((round) => of(round) / to(round)).toFixed(2)} (${shortNumber(median(to))} ms, ${shortNumber(median(of))} ms)`;
  };
  const calm = ({ calmP99Ms }: StormRound) => calmP99Ms;
  const outside = ({ outsideP99Ms }: StormRound) => outsideP99Ms;
  const stormy = ({ stormP99Ms }: StormRound) => stormP99Ms;
  return [
    [
      `p99 of deliveries in a storm of Argon2id logins (${verified} verified), to that before`,
      ratio(stormy, calm),
      '<= 1.2',
    ],
    ['while another program verifies as many passwords, to that before', ratio(outside, calm), ''],
    ['in the storm, to that beside the other program', ratio(stormy, outside), '<= 1.2'],
  ];
}

async function renewal({ full, seconds }: CommandLine, folder: string): Promise<Row[]> {
  const terms = { clients: 1_000, renewals: 10, secondsEach: seconds ?? (full ? 5 : 2), token };
  const flags = [...(await secretFlags(folder)), '--allow-anonymous'];
  const result = await withBroker(flags, (broker) => renewals(broker, terms));
  const wanted = terms.clients * terms.renewals;
  const sound = (isSound: boolean) => (isSound ? '' : ' FAULT');
  const { renewed, messages, lost, connectionsLost, lateRenewing, lateOthers, expiredOutMsMax } = result;
  return [
    ['renewals of 1,000 clients', `${renewed}${sound(renewed === wanted)}`, `${wanted}`],
    [`messages lost, of ${messages}`, `${lost}${sound(lost === 0)}`, '0'],
    ['connections lost', `${connectionsLost}${sound(connectionsLost === 0)}`, '0'],
    [`messages to clients that renew, later than ${lateMs} ms`, `${lateRenewing}`, '0 more than the next'],
    [`messages to others at the same time, later than ${lateMs} ms`, `${lateOthers}`, ''],
    [
      'from the expiry of a token to the end of its connection, longest',
      `${shortNumber(expiredOutMsMax)} ms${sound(expiredOutMsMax < 1_000)}`,
      '< 1,000 ms',
    ],
  ];
}

function rowsOf(what: string, { perSecond, perCpuSecond }: LoginRate, goal: string): Row[] {
  const whole = (value: number) => Math.round(value).toLocaleString('en');
  return [
    [`${what}, a second`, whole(perSecond), ''],
    [`${what}, a second of CPU`, whole(perCpuSecond), `>= ${goal}`],
  ];
}

async function withBroker<Result>(
  flags: readonly string[],
  play: (broker: RunningPeer) => Promise<Result>,
): Promise<Result> {
  const broker = await rallymqWith('rallymq', flags, 'with authentication').start();
  try {
    return await play(broker);
  } finally {
    await broker.stop();
  }
}

async function secretFlags(folder: string): Promise<string[]> {
  const path = join(folder, 'secret');
  await writeFile(path, secret);
  return ['--token-secret-file', path];
}

/** All have the same hash, which is verified for each of them. */
async function userFlags(folder: string, users: number): Promise<string[]> {
  const path = join(folder, 'users');
  const hash = hashPassword(password);
  await writeFile(path, Array.from({ length: users }, (_, index) => `user-${index}:${hash}\n`).join(''));
  return ['--password-file', path];
}

function userOf(index: number): Partial<ConnectPacket> {
  return { username: `user-${index}`, password };
}

async function token(user: string, expiresAtSeconds: number): Promise<string> {
  return await new SignJWT({ acl: { publish: ['#'], subscribe: ['#'] } })
    .setProtectedHeader({ alg: 'HS256' })
    .setSubject(user)
    .setExpirationTime(expiresAtSeconds)
    .sign(Buffer.from(secret));
}
