/** The post, the register and membership over a real nats-server. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { jetstreamManager } from '@nats-io/jetstream';
import { Kvm } from '@nats-io/kv';
import { BrokerError } from '../../../core/broker-error.ts';
import { Cluster, type ClusterOptions } from '../../../core/cluster/cluster.ts';
import { isTemporary } from '../../../core/cluster/jetstream-wait.ts';
import { connectToNats, type NatsPost, type NatsSettings } from '../../../core/cluster/nats-connection.ts';
import { openRegister } from '../../../core/cluster/nats-register.ts';
import { Subjects } from '../../../core/cluster/ports.ts';
import { clusterWorkersMax, slotCount } from '../../../core/cluster/slots.ts';
import { linkVersionOf, liveNodes, slotsOf } from '../../../core/cluster/view.ts';
import { linkVersions } from '../../../core/data-plane/addon.ts';
import { systemClock } from '../../../core/sessions/timers.ts';
import { NatsServer } from '../../support/cluster/nats-server.ts';
import { Authority } from '../../support/secure.ts';
import { TcpProxy } from '../../support/tcp-proxy.ts';
import { until } from '../../support/wait.ts';

function settings(url: string, credentials?: string): NatsSettings {
  return { cluster: [url], clusterCredentials: credentials, clusterTlsCa: undefined };
}

async function connected(test: TestContext, url: string, onUp: () => void = () => {}): Promise<NatsPost> {
  const post = await connectToNats(settings(url), 'test', 5_000, { onUp, onWait: () => {} });
  test.after(() => post.close());
  return post;
}

const quiet = { onUp: () => {}, onWait: () => {} };

interface Member {
  readonly cluster: Cluster;
  readonly clientIds: Set<string>;
  isEvicted: boolean;
}

async function member(
  test: TestContext,
  url: string,
  name: string,
  own: Partial<ClusterOptions> = {},
): Promise<Member> {
  const post = await connected(test, url);
  const clientIds = new Set<string>();
  const told: Member = {
    isEvicted: false,
    clientIds,
    cluster: new Cluster({
      clock: systemClock,
      post,
      register: await openRegister(post.connection, 'test'),
      subjects: new Subjects('test'),
      name,
      workers: 1,
      keepsData: false,
      links: linkVersions,
      id: randomUUID(),
      makeKeys: () => '0f'.repeat(32),
      soon: (action) => void setImmediate(action),
      sessions: () => ({
        yield: (clientId, _isClean, done) => {
          clientIds.delete(clientId);
          done(undefined);
        },
        lookAtLent: () => {},
        takeBack: () => {},
        endLent: () => {},
        adopt: () => false,
        clientIds: () => clientIds,
        stampOf: () => 0,
        endOutdated: () => {},
      }),
      onView: (view) => told.cluster.dataPlaneApplied(view.epoch, 0),
      onEvicted: () => {
        told.isEvicted = true;
      },
      onMove: () => {},
      onReach: () => {},
      onNews: () => {},
      onQuestion: () => Promise.resolve({ status: 0, text: '' }),
      publishWill: () => {},
      onNote: () => {},
      ...own,
    }),
  };
  test.after(() => told.cluster.stop());
  await new Promise<void>((resolve, reject) => {
    told.cluster.join((refusal) => (refusal === undefined ? resolve() : reject(new Error(refusal.why))));
  });
  return told;
}

function namesIn({ cluster: { view } }: Member): string[] {
  return view === undefined
    ? []
    : liveNodes(view)
        .map(({ name }) => name)
        .sort();
}

function slots({ cluster }: Member): number {
  const { view, node } = cluster;
  return view === undefined || node === undefined ? 0 : slotsOf(view, node);
}

function areSettled(...members: Member[]): boolean {
  const shares = members.map(slots);
  const isEven = shares.every((share) => share > (0.7 * slotCount) / members.length);
  return isEven && members.every(({ cluster }) => cluster.isSettled);
}

test('nodes find each other, share the slots, and take those of one that leaves or is lost', async (test) => {
  const nats = await NatsServer.start(test);
  const a = await member(test, nats.url, 'a');
  assert.equal(slots(a), slotCount);
  const proxy = await TcpProxy.start(test, nats.port);
  const b = await member(test, nats.url, 'b');
  const c = await member(test, `nats://127.0.0.1:${proxy.port}`, 'c');
  await until('three share the slots', () => areSettled(a, b, c));
  await new Promise<void>((resolve) => b.cluster.leave(resolve));
  await until('two share the slots', () => areSettled(a, c));
  assert.ok(!b.isEvicted);
  proxy.cut();
  await until('one has all slots', () => slots(a) === slotCount);
  assert.ok(!c.cluster.isReached);
  assert.equal(
    c.cluster.claim('x', false, () => assert.fail('nobody can be asked')),
    false,
  );
  proxy.mend();
  await until('the other one knows that it is out', () => c.isEvicted);
});

test('a client identifier is that of one node at a time', async (test) => {
  const nats = await NatsServer.start(test);
  const a = await member(test, nats.url, 'a');
  const b = await member(test, nats.url, 'b');
  await until('both share the slots', () => areSettled(a, b));
  for (let id = 0; id < 50; id++) {
    for (const { cluster, clientIds } of [a, b, a]) {
      const clientId = `client-${id}`;
      const outcome = await new Promise((resolve) => {
        if (cluster.claim(clientId, true, resolve) === true) resolve('ours');
      });
      assert.equal(outcome, 'ours');
      clientIds.add(clientId);
    }
  }
  // Slots may still be on their way from one to the other.
  await until('all are known', () => a.cluster.clientIdentifiers + b.cluster.clientIdentifiers === 50);
  assert.deepEqual([a.clientIds.size, b.clientIds.size], [50, 0]);
});

test('a name that a living node has is refused, and the name of one that is lost is not', async (test) => {
  const nats = await NatsServer.start(test);
  const a = await member(test, nats.url, 'a');
  await assert.rejects(member(test, nats.url, 'a'), /nameTaken/);
  a.cluster.stop();
  const again = await member(test, nats.url, 'a');
  assert.equal(again.cluster.node?.incarnation, 2);
  assert.equal(slots(again), slotCount);
});

test('a node that does not fit to the others is refused, and one of the version before is not', async (test) => {
  const nats = await NatsServer.start(test);
  const [oldest, newest] = linkVersions;
  await member(test, nats.url, 'a', { links: [oldest - 1, oldest] });
  await assert.rejects(member(test, nats.url, 'b', { keepsData: true }), /otherStorage/);
  await assert.rejects(member(test, nats.url, 'b', { links: [newest, newest + 1] }), /otherVersion/);
  await assert.rejects(member(test, nats.url, 'b', { workers: clusterWorkersMax }), /full/);
  const b = await member(test, nats.url, 'b');
  const [older, own] = liveNodes(b.cluster.view ?? assert.fail('there is no view'));
  assert.ok(older !== undefined && own !== undefined);
  assert.equal(linkVersionOf(own, older), oldest);
  assert.equal(linkVersionOf(own, own), newest);
  await assert.rejects(member(test, nats.url, 'c', { links: [newest + 1, newest + 2] }), /otherVersion/);
});

test('a register takes a value only from who knows the last one', async (test) => {
  const nats = await NatsServer.start(test);
  const { connection } = await connected(test, nats.url);
  const register = await openRegister(connection, 'test');
  const write = (text: string, revision: number): Promise<string> =>
    new Promise((resolve) => register.write(Buffer.from(text), revision, resolve));
  const read = (): Promise<string> =>
    new Promise((resolve) =>
      register.read((written) =>
        resolve(`${written?.revision} ${Buffer.from(written?.bytes ?? []).toString()}`),
      ),
    );
  assert.equal(await read(), '0 ');
  assert.equal(await write('one', 0), 'written');
  assert.equal(await write('other', 0), 'outrun');
  assert.equal(await read(), '1 one');
  assert.equal(await write('two', 1), 'written');
  assert.equal(await write('three', 1), 'outrun');
  assert.equal(await read(), '2 two');
  await nats.kill();
  assert.equal(await write('late', 2), 'unknown');
  assert.equal(await read(), 'undefined ');
  await nats.run();
  await until('NATS is back', async () => (await read()) === '2 two');
});

test('a register asks the leader, since followers may not know the last value yet', async (test) => {
  const nats = await NatsServer.start(test);
  const { connection } = await connected(test, nats.url);
  const asked: string[] = [];
  connection.subscribe('$JS.API.>', { callback: (_, { subject }) => void asked.push(subject) });
  const register = await openRegister(connection, 'test');
  await connection.flush();
  asked.length = 0;
  const written = await new Promise((resolve) => register.read(resolve));
  assert.deepEqual(written, { revision: 0, bytes: new Uint8Array() });
  await connection.flush();
  assert.deepEqual(asked, ['$JS.API.STREAM.MSG.GET.KV_rally-test']);
});

test('the state of the cluster is deleted by hand: the nodes write it again, and another one joins them', async (test) => {
  const nats = await NatsServer.start(test);
  const a = await member(test, nats.url, 'a');
  const b = await member(test, nats.url, 'b');
  await until('both share', () => areSettled(a, b));
  const { connection } = await connected(test, nats.url);
  const manager = await jetstreamManager(connection);
  const bucket = 'KV_rally-test';
  const view = await new Kvm(connection).open('rally-test');
  for (const lose of [() => view.delete('view'), () => manager.streams.purge(bucket)]) {
    await lose();
    await until('it is there again', async () => {
      const entry = await view.get('view').catch(() => null);
      return entry !== null && entry.length > 0;
    });
  }
  await manager.streams.purge(bucket);
  const c = await member(test, nats.url, 'c');
  await until('three share', () => areSettled(a, b, c));
  assert.deepEqual(namesIn(a), ['a', 'b', 'c']);
  await manager.streams.delete(bucket);
  // Not by reading from it: nats-server 2.9.10 may crash if that comes while a stream of this name is made again.
  await until('it is there again', () =>
    manager.streams.info(bucket).then(
      ({ state }) => state.messages > 0,
      () => false,
    ),
  );
  c.cluster.stop();
  await until('c is out', () => namesIn(a).length === 2 && areSettled(a, b));
  assert.deepEqual(
    [namesIn(a), namesIn(b)],
    [
      ['a', 'b'],
      ['a', 'b'],
    ],
  );
  assert.ok(!a.isEvicted && !b.isEvicted);
});

test('a bucket is not created with fewer copies than it should have: there may be enough servers later', async (test) => {
  const [server] = await NatsServer.startCluster(test, 2);
  const { connection } = await connected(test, server?.url ?? assert.fail());
  await assert.rejects(openRegister(connection, 'test'), isTemporary);
  const manager = await jetstreamManager(connection);
  await assert.rejects(manager.streams.info('KV_rally-test'), /stream not found/);
  await new Kvm(connection).create('rally-test', { replicas: 1 });
  await openRegister(connection, 'test'); // of somebody who knows what they do
});

test('a connection that is cut comes back', async (test) => {
  const nats = await NatsServer.start(test);
  const proxy = await TcpProxy.start(test, nats.port);
  let ups = 0;
  const post = await connected(test, `nats://127.0.0.1:${proxy.port}`, () => ups++);
  const other = await connected(test, nats.url);
  const heard: string[] = [];
  post.subscribe('test.>', (bytes, subject) => heard.push(`${subject} ${Buffer.from(bytes).toString()}`));
  await post.connection.flush();
  other.publish('test.a', Buffer.from('1'));
  await until('a message', () => heard.length === 1);
  proxy.cut();
  post.publish('test.b', Buffer.from('lost'));
  proxy.mend();
  await until('it is up again', () => ups === 1);
  await post.connection.flush(); // the server has its subscription again
  other.publish('test.c', Buffer.from('2'));
  await until('another one', () => heard.length > 1);
  assert.deepEqual(heard[0], 'test.a 1');
  assert.deepEqual(heard.at(-1), 'test.c 2');
});

test('an error of whoever gets a message is uncaught, and the next messages come all the same', async (test) => {
  const { url } = await NatsServer.start(test);
  const post = await connected(test, url);
  const faults: string[] = [];
  const heard: string[] = [];
  post.subscribe('test', (bytes) => {
    heard.push(Buffer.from(bytes).toString());
    if (heard.length === 1) throw new Error('a bug');
  });
  await post.connection.flush();
  const printed = test.mock.method(console, 'log', () => {});
  const later = globalThis.queueMicrotask;
  test.mock.method(globalThis, 'queueMicrotask', (action: () => void) =>
    later(() => {
      try {
        action();
      } catch (fault) {
        faults.push(`${fault}`);
      }
    }),
  );
  for (const text of ['1', '2']) post.publish('test', Buffer.from(text));
  await until('both', () => heard.length === 2);
  assert.equal(printed.mock.callCount(), 0);
  assert.deepEqual(faults, ['Error: a bug']);
});

test('NATS that is started again and allows only small messages harms nobody', async (test) => {
  const nats = await NatsServer.start(test);
  const unfit: string[] = [];
  const post = await connectToNats(settings(nats.url), 'test', 5_000, {
    ...quiet,
    onUnfit: (reason) => unfit.push(reason),
  });
  test.after(() => post.close());
  const heard: number[] = [];
  post.subscribe('test', ({ length }) => heard.push(length));
  await nats.kill();
  const folder = await mkdtemp(join(tmpdir(), 'rallymq-nats-'));
  test.after(() => rm(folder, { recursive: true }));
  await writeFile(join(folder, 'small'), 'max_payload: 65536\n');
  await nats.run(['-js', '-c', join(folder, 'small')]);
  await until('it is up again', () => unfit.length === 1);
  assert.match(unfit[0] ?? '', /^allows messages of 65536 bytes/);
  for (const bytes of [65_537, 65_536]) post.publish('test', Buffer.alloc(bytes));
  await until('what is allowed', () => heard.length > 0);
  assert.deepEqual(heard, [65_536]);
});

test('NATS that is not there, lets nobody in or has no JetStream is an error that says so', async (test) => {
  const isError = (code: string, text: RegExp) => (error: unknown) =>
    error instanceof BrokerError && error.code === code && text.test(error.message);
  await assert.rejects(
    connectToNats(settings('nats://127.0.0.1:1'), 'test', 0, quiet),
    isError('CLUSTER_NOT_REACHABLE', /127\.0\.0\.1:1/),
  );
  const closed = await NatsServer.start(test, ['-js', '--user', 'rally', '--pass', 'not-a-secret']);
  await assert.rejects(
    connectToNats(settings(closed.url), 'test', 0, quiet),
    isError('CLUSTER_REFUSED', /clusterCredentials/),
  );
  const folder = await mkdtemp(join(tmpdir(), 'rallymq-credentials-'));
  test.after(() => rm(folder, { recursive: true }));
  const file = join(folder, 'nats');
  await writeFile(file, 'rally:not-a-secret\n');
  const post = await connectToNats(settings(closed.url, file), 'test', 0, quiet);
  await post.close();
  await writeFile(file, 'nothing of use');
  await assert.rejects(
    connectToNats(settings(closed.url, file), 'test', 0, quiet),
    isError('CLUSTER_FILE_UNREADABLE', /user:password/),
  );
  const small = join(folder, 'small');
  await writeFile(small, 'max_payload: 65536\n');
  const narrow = await NatsServer.start(test, ['-js', '-c', small]);
  await assert.rejects(
    connectToNats(settings(narrow.url), 'test', 0, quiet),
    isError('CLUSTER_REFUSED', /allows messages of 65536 bytes: RallyMQ needs max_payload 1048576/),
  );
  const plain = await NatsServer.start(test, []);
  const { connection } = await connected(test, plain.url);
  await assert.rejects(openRegister(connection, 'test'), isError('CLUSTER_REFUSED', /JetStream/));
});

test('credentials that NATS does not accept any more are read again, however long that takes', async (test) => {
  const flagsWith = (password: string) => ['-js', '--user', 'rally', '--pass', password];
  const nats = await NatsServer.start(test, flagsWith('one'));
  const folder = await mkdtemp(join(tmpdir(), 'rallymq-credentials-'));
  test.after(() => rm(folder, { recursive: true }));
  const file = join(folder, 'nats');
  await writeFile(file, 'rally:one\n');
  const refused: string[] = [];
  let ups = 0;
  const post = await connectToNats(settings(nats.url, file), 'test', 0, {
    onUp: () => ups++,
    onWait: () => {},
    onRefused: (reason) => refused.push(reason),
  });
  test.after(() => post.close());
  const heard: string[] = [];
  post.subscribe('test.>', (_, subject) => heard.push(subject));
  await nats.kill();
  await nats.run(flagsWith('two'));
  await until('it is refused', () => refused.length > 0);
  await writeFile(file, 'half of a');
  await delay(1_500); // for some attempts
  assert.deepEqual([refused.length, ups], [1, 0], `${refused}`);
  assert.match(refused[0] ?? '', /authorization/i);
  await writeFile(file, 'rally:two\n');
  await until('it is connected again', () => ups === 1);
  post.publish('test.a', Buffer.from('1'));
  await until('a message', () => heard.length === 1);
});

test('a connection over TLS believes only who has a certificate of the authority that is given', async (test) => {
  const authority = new Authority();
  const { certFile, keyFile } = authority.issue();
  const flags = ['-js', '--tls', '--tlscert', certFile, '--tlskey', keyFile];
  const { port } = await NatsServer.start(test, flags);
  const withCa = (file: string): NatsSettings => ({
    cluster: [`tls://localhost:${port}`],
    clusterCredentials: undefined,
    clusterTlsCa: file,
  });
  const post = await connectToNats(withCa(authority.own.certFile), 'test', 0, quiet);
  await post.close();
  await assert.rejects(
    connectToNats(withCa(new Authority().own.certFile), 'test', 0, quiet),
    /CLUSTER_NOT_REACHABLE|NATS cannot be reached.*(certificate|verif)/i,
  );
});
