/**
 * Schedules of a simulated cluster, each from a seed that replays it. Nodes join, pause, are cut off, killed and
 * stopped, while clients come and go on all of them. A model checks: no client is connected twice among the nodes in
 * the last view, and when everything has healed all nodes agree, every slot has an owner, no session is left over,
 * every client can connect, and wills of clients of killed nodes have been published once.
 */
import assert from 'node:assert/strict';
import { clusterWorkersMax, slotCount } from '../../../core/cluster/slots.ts';
import {
  decodeView,
  liveNodes,
  type NodeEntry,
  nodeOf,
  ownerOfSlot,
  type View,
} from '../../../core/cluster/view.ts';
import type { ConnectRequest } from '../../../core/control/messages.ts';
import { Random, replayOf } from '../random.ts';
import { SimulatedNats } from './simulated-nats.ts';
import { type Disk, type PlayedSession, SimulatedNode, type Stage } from './simulated-node.ts';
import { SimulatedTime } from './simulated-time.ts';

const clientIds = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'];

interface Connected {
  readonly node: SimulatedNode;
  readonly connection: number;
}

class Play implements Stage {
  readonly time = new SimulatedTime();
  readonly random: Random;
  readonly nats: SimulatedNats;
  readonly sessions = new Map<number, PlayedSession>();
  readonly running = new Set<SimulatedNode>();
  readonly leftBehind = new Map<number, Map<number, PlayedSession>>();
  nodes: SimulatedNode[] = [];
  readonly refused = new Set<string>();
  readonly wills: string[] = [];
  accepted = 0;
  resumed = 0;
  moved = 0;
  readonly #connected = new Map<string, Connected[]>();
  /** By node name; undefined: none has one. */
  readonly #disks: Map<string, Disk> | undefined;
  #names = 0;
  #stamps = 0;

  constructor(seed: number, hasData = false) {
    this.#disks = hasData ? new Map() : undefined;
    this.random = new Random(seed);
    this.nats = new SimulatedNats(this.time, this.random);
  }

  start(name = `node-${++this.#names}`, workers = 1 + this.random.below(2)): SimulatedNode {
    const node = new SimulatedNode(this, name, workers, this.#disks?.get(name));
    this.nodes.push(node);
    node.join();
    return node;
  }

  end(node: SimulatedNode): void {
    const disk = node.end();
    this.#disks?.set(node.name, disk);
    this.nodes = this.nodes.filter((each) => each !== node);
  }

  nextStamp(): number {
    return ++this.#stamps;
  }

  /** The last one. */
  get view(): View {
    const view = decodeView(this.nats.written);
    return typeof view === 'string' ? assert.fail(view) : view;
  }

  onAccepted(
    node: SimulatedNode,
    connection: number,
    { clientId, cleanStart }: ConnectRequest,
    isNew: boolean,
  ): void {
    const { view } = this;
    this.#connected.set(clientId, [...this.#of(clientId), { node, connection }]);
    if (nodeOf(view, node.incarnation) === undefined) return; // its clients are lost once it knows of its removal
    const others = this.#of(clientId).filter(
      (each) => each.node !== node && nodeOf(view, each.node.incarnation) !== undefined,
    );
    assert.deepEqual(
      others.map((each) => each.node.name),
      [],
      `${clientId} is accepted on ${node.name} and connected elsewhere`,
    );
    if (cleanStart) assert.ok(isNew, `${clientId} wanted a new session`);
    this.accepted++;
    if (!isNew) this.resumed++;
  }
  onRefused(node: SimulatedNode, connection: number): void {
    this.refused.add(`${node.name} ${node.incarnation} ${connection}`);
  }
  onClosed(node: SimulatedNode, connection: number): void {
    for (const [clientId, all] of this.#connected)
      this.#connected.set(
        clientId,
        all.filter((each) => each.node !== node || each.connection !== connection),
      );
  }
  /** Its process starts again, as a node with the same name. */
  onEvicted(node: SimulatedNode): void {
    this.end(node);
    this.time.after(this.random.below(3_000), () => this.start(node.name));
  }

  onWill(_node: SimulatedNode, text: string): void {
    this.wills.push(text);
  }

  #of(clientId: string): Connected[] {
    return this.#connected.get(clientId) ?? [];
  }
  isConnected(node: SimulatedNode, connection: number): boolean {
    return [...this.#connected.values()]
      .flat()
      .some((each) => each.node === node && each.connection === connection);
  }

  /** Something happens to a client or, less often, to a node. */
  step(hasFaults: boolean): void {
    const { random } = this;
    if (this.nodes.length === 0) return; // all are being restarted
    const node = random.pick(this.nodes);
    const roll = random.below(100);
    if (roll < 60 || !hasFaults) {
      if (node.hasJoined && !node.actor.isGone) {
        const connections = [...node.clients.keys()];
        if (connections.length > 0 && random.below(3) === 0) node.leave(random.pick(connections));
        else node.connect(random.pick(clientIds), random.below(4) === 0, random.pick([0, 100, 100]));
      }
      return;
    }
    if (roll < 70) {
      node.actor.pause();
      this.time.after(random.below(8_000), () => node.actor.resume());
    } else if (roll < 80) {
      this.nats.cut(node.actor);
      this.time.after(random.below(10_000), () => this.nats.heal(node.actor));
    } else if (roll < 88 && this.nodes.length > 1) {
      this.end(node);
      const isAgain = this.#disks !== undefined || random.below(2) === 0;
      this.time.after(random.below(6_000), () => this.start(isAgain ? node.name : undefined));
    } else if (roll < 90) {
      this.outage(random.below(8_000));
    } else if (roll < 93 && node.hasJoined) {
      node.cluster.leave(() => {
        if (this.nodes.includes(node)) this.end(node);
        this.start(this.#disks && node.name);
      });
    } else if (this.nodes.length < 5) {
      this.start();
    }
  }

  /** NATS is unavailable. */
  outage(ms: number): void {
    const actors = this.nodes.map(({ actor }) => actor);
    for (const actor of actors) this.nats.cut(actor);
    this.time.after(ms, () => {
      for (const actor of actors) this.nats.heal(actor);
    });
  }

  /** Everything works again for long enough. */
  heal(): void {
    for (const node of this.nodes) {
      node.actor.resume();
      this.nats.heal(node.actor);
    }
    this.time.run(60_000);
  }

  assertSettled(): void {
    const { view } = this;
    assert.deepEqual(
      liveNodes(view)
        .map(({ name }) => name)
        .sort(),
      this.nodes.map(({ name }) => name).sort(),
    );
    for (const node of this.nodes) {
      assert.equal(node.cluster.view?.epoch, view.epoch, `${node.name} has another view`);
      assert.ok(node.cluster.isSettled, `${node.name} is not settled`);
    }
    for (let slot = 0; slot < slotCount; slot++)
      assert.ok(ownerOfSlot(view, slot), `slot ${slot} is nobody's`);
    const seen = new Map<string, number>();
    for (const [key, { clientId, incarnation }] of this.sessions) {
      const node = this.nodes.find((each) => each.incarnation === incarnation);
      assert.equal(node?.directory.clientIdOf(key), clientId, `session ${key} of ${clientId} is left over`);
      assert.ok(!seen.has(clientId), `${clientId} has two sessions`);
      seen.set(clientId, key);
    }
  }

  /** Every client can connect, on any node, and gets its session if it was away. */
  assertOpen(): void {
    for (const clientId of clientIds) {
      const had = [...this.sessions].find(([, session]) => session.clientId === clientId);
      const mark = 1 + this.random.below(1_000_000);
      if (had !== undefined) had[1].notes = mark;
      const node = this.random.pick(this.nodes);
      const { resumed } = this;
      const connection = node.connect(clientId, false, 100);
      this.time.run(3_000);
      assert.ok(this.isConnected(node, connection), `${clientId} does not get in on ${node.name}`);
      const keeps = had !== undefined && had[1].expirySeconds > 0;
      if (keeps) assert.equal(this.resumed, resumed + 1, `${clientId} has lost its session`);
      const session = [...this.sessions.values()].find((each) => each.clientId === clientId);
      if (keeps) assert.equal(session?.notes, mark);
    }
  }
}

/** Returns the number of resumed sessions. Errors: with the seed. */
function play(seed: number, hasFaults: boolean, hasData = false): number {
  const stage = new Play(seed, hasData);
  for (let node = 0; node < 3; node++) stage.start();
  stage.time.run(8_000);
  for (let step = 0; step < 60; step++) {
    stage.step(hasFaults);
    stage.time.run(stage.random.below(hasFaults ? 500 : 40));
  }
  stage.heal();
  stage.assertSettled();
  stage.assertOpen();
  stage.assertSettled();
  return stage.resumed;
}

/** All nodes with data are killed at once: every session survives, on whichever node it was last. */
function playDark(seed: number): number {
  const stage = new Play(seed, true);
  for (let node = 0; node < 3; node++) stage.start();
  stage.time.run(8_000);
  for (let step = 0; step < 60; step++) {
    stage.step(false);
    stage.time.run(stage.random.below(40));
  }
  for (const node of stage.nodes) for (const connection of [...node.clients.keys()]) node.leave(connection);
  stage.time.run(5_000);
  const kept = (): string[] =>
    [...stage.sessions]
      .filter(([, { expirySeconds }]) => expirySeconds > 0)
      .map(([key, { clientId }]) => `${clientId} ${key}`)
      .sort();
  const before = kept();
  const names = stage.nodes.map(({ name }) => name);
  for (const node of stage.nodes) stage.end(node);
  for (const name of names.toReversed()) stage.start(name);
  stage.time.run(20_000);
  assert.deepEqual(kept(), before);
  stage.heal();
  stage.assertSettled();
  stage.assertOpen();
  return before.length;
}

/** Nodes stop properly, one after the other, and are restarted: no session is lost. */
function playStops(seed: number): number {
  const stage = new Play(seed);
  const { random } = stage;
  for (let node = 0; node < 3; node++) stage.start();
  stage.time.run(8_000);
  let kept = 0;
  for (let round = 0; round < 3; round++) {
    for (const clientId of clientIds) {
      const node = random.pick(stage.nodes.filter(({ hasJoined }) => hasJoined));
      const connection = node.connect(clientId, false, 100);
      stage.time.run(random.below(300));
      if (random.below(2) === 0) node.leave(connection);
    }
    stage.time.run(random.pick([0, 3_000]));
    if (random.below(4) === 0) stage.start(); // slots move meanwhile
    for (const session of stage.sessions.values()) session.notes = 1 + random.below(1_000_000);
    const before = [...stage.sessions.values()].map(({ clientId, notes }) => `${clientId} ${notes}`);
    const node = random.pick(stage.nodes.filter(({ hasJoined }) => hasJoined));
    let hasEnded = false;
    node.stop(() => {
      hasEnded = true;
      stage.end(node);
    });
    stage.time.run(30_000);
    assert.ok(hasEnded, `${node.name} does not end`);
    const after = new Set([...stage.sessions.values()].map(({ clientId, notes }) => `${clientId} ${notes}`));
    for (const session of before) assert.ok(after.has(session), `the session of ${session} is lost`);
    kept += before.length;
    stage.start(node.name);
    stage.time.run(20_000);
    stage.assertSettled();
  }
  stage.assertOpen();
  return kept;
}

/** Nodes whose logs have second copies, and the stand-ins that take over their logs. */
class ReplicatedPlay extends Play {
  /** By stream: the data of a node when it was killed. */
  readonly #copies = new Map<string, Disk>();
  readonly #streams = new Map<SimulatedNode, string>();
  readonly #hosts = new Map<SimulatedNode, SimulatedNode>();
  /** By incarnation: the number of failed stand-ins for it. */
  readonly #failures = new Map<number, number>();
  /** The number of failed starts of each stand-in before it succeeds. */
  failuresFirst = 0;
  /** On this node no stand-in can ever be started. */
  unable: SimulatedNode | undefined;
  standIns: SimulatedNode[] = [];

  startReplicated(
    name: string,
    stream = `log of ${name}`,
    disk: Disk = new Map(),
    refused?: (node: SimulatedNode) => void,
  ): SimulatedNode {
    const node = new SimulatedNode(this, name, 1 + this.random.below(2), disk, {
      stream,
      takeOver: (host, lost, failed) => this.#takeOver(host, lost, failed),
    });
    this.#streams.set(node, stream);
    this.nodes.push(node);
    node.join(refused && (() => refused(node)));
    return node;
  }

  /** The process of a killed node is started again, with its log unless another node has taken that over. */
  restart(killed: SimulatedNode): void {
    const stream = this.#streams.get(killed) ?? '';
    const copy = this.#copies.get(stream);
    const startEmpty = (): void => void this.startReplicated(killed.name, `${stream} again`);
    if (copy === undefined) {
      startEmpty();
      return;
    }
    this.startReplicated(killed.name, stream, copy, (node) => {
      node.end();
      this.nodes = this.nodes.filter((each) => each !== node);
      startEmpty();
    });
  }

  kill(node: SimulatedNode): void {
    this.#copies.set(this.#streams.get(node) ?? '', node.end());
    this.nodes = this.nodes.filter((each) => each !== node);
    this.standIns = this.standIns.filter((each) => each !== node);
    for (const [standIn, host] of this.#hosts) if (host === node) this.kill(standIn);
    this.#hosts.delete(node);
  }

  /** Each client connects to some node, and stays or leaves. Returns their sessions, with what is in them. */
  connectAll(): string[] {
    const { random } = this;
    for (const clientId of clientIds) {
      const node = random.pick(this.nodes.filter(({ hasJoined }) => hasJoined));
      const connection = node.connect(clientId, false, 100);
      this.time.run(500);
      if (random.below(2) === 0) node.leave(connection);
    }
    this.time.run(3_000); // no session is in transit to another node
    for (const session of this.sessions.values()) session.notes = 1 + random.below(1_000_000);
    return this.#kept();
  }
  #kept(): string[] {
    return [...this.sessions.values()].map(({ clientId, notes }) => `${clientId} ${notes}`);
  }
  /** All stand-ins have ended, and these sessions are there. */
  assertKept(before: readonly string[]): void {
    assert.deepEqual(this.standIns, [], 'a stand-in does not end');
    const after = new Set(this.#kept());
    for (const session of before) assert.ok(after.has(session), `the session of ${session} is lost`);
  }

  #takeOver(
    host: SimulatedNode,
    { name, incarnation, stream = '' }: NodeEntry,
    failed: (reason: string) => void,
  ): void {
    this.time.after(
      this.random.below(2_000),
      () => {
        const copy = this.#copies.get(stream);
        const failures = this.#failures.get(incarnation) ?? 0;
        if (copy === undefined || failures < this.failuresFirst || host === this.unable) {
          this.#failures.set(incarnation, failures + 1);
          failed('there is no copy, or the machine is crowded');
          return;
        }
        const replicated = { stream, standsFor: incarnation };
        const standIn = new SimulatedNode(this, `for ${name} ${incarnation}`, 1, copy, replicated);
        this.#streams.set(standIn, stream);
        this.#hosts.set(standIn, host);
        this.standIns.push(standIn);
        standIn.join(() => {
          standIn.end();
          this.#hosts.delete(standIn);
          this.standIns = this.standIns.filter((each) => each !== standIn);
          failed('another node stands in for it');
        });
        this.#giveAll(standIn);
      },
      host.actor,
    );
  }

  #giveAll(standIn: SimulatedNode): void {
    const look = (): void => {
      if (!standIn.hasJoined) {
        this.time.after(100, look, standIn.actor);
        return;
      }
      standIn.stop(() => {
        standIn.end();
        this.#copies.delete(this.#streams.get(standIn) ?? '');
        this.#hosts.delete(standIn);
        this.standIns = this.standIns.filter((each) => each !== standIn);
      }, Number.POSITIVE_INFINITY);
    };
    this.time.after(this.random.below(1_000), look, standIn.actor);
  }
}

/**
 * Nodes are killed for good, including stand-ins, and every second stand-in cannot be started at first, or never on
 * the node that tries first: no session is lost, whenever its client returns.
 */
function playTakeovers(seed: number): number {
  const stage = new ReplicatedPlay(seed);
  stage.failuresFirst = seed % 4 === 0 ? 3 : seed % 2;
  const { random } = stage;
  let names = 0;
  for (let node = 0; node < 4; node++) stage.startReplicated(`node-${++names}`);
  stage.time.run(12_000);
  let kept = 0;
  for (let round = 0; round < 3; round++) {
    const before = stage.connectAll();
    stage.kill(random.pick(stage.nodes));
    stage.unable = seed % 3 === 0 ? stage.nodes[0] : undefined; // the oldest
    for (let step = 0; step < 20; step++) {
      stage.time.run(random.below(800));
      const node = random.pick(stage.nodes);
      if (step === 10 && random.below(2) === 0) {
        stage.time.run(3_000);
        stage.kill(node);
        if (stage.unable !== undefined) stage.unable = stage.nodes[0];
      } else if (random.below(2) === 0) node.connect(random.pick(clientIds), false, 100);
    }
    stage.time.run(40_000);
    stage.assertKept(before);
    kept += before.length;
    stage.assertSettled();
    while (stage.nodes.length < 4) stage.startReplicated(`node-${++names}`);
    stage.time.run(20_000);
    stage.assertSettled();
  }
  stage.assertOpen();
  return kept;
}

/**
 * Nodes are killed and come back with their logs: before others try to take them over, while they try, and after that. No session
 * is lost, also not one whose client waits for it on another node.
 */
function playRestarts(seed: number): number {
  const stage = new ReplicatedPlay(seed);
  const { random } = stage;
  stage.failuresFirst = random.below(6);
  for (let node = 0; node < 3; node++) stage.startReplicated(`node-${node}`);
  stage.time.run(12_000);
  let kept = 0;
  for (let round = 0; round < 3; round++) {
    const before = stage.connectAll();
    const killed = random.pick(stage.nodes);
    stage.kill(killed);
    stage.time.after(random.below(12_000), () => stage.restart(killed));
    for (let step = 0; step < 30; step++) {
      stage.time.run(random.below(800));
      const node = random.pick(stage.nodes.filter(({ hasJoined }) => hasJoined));
      if (random.below(2) === 0) node.connect(random.pick(clientIds), false, 100);
    }
    stage.time.run(40_000);
    stage.assertKept(before);
    kept += before.length;
    stage.assertSettled();
  }
  stage.assertOpen();
  return kept;
}

/** For how long a node without replicas is away. */
const awayMsMax = 20_000;

/** What a client with QoS 2 knows of its session, and its last place. */
interface Exchange {
  notes: number;
  node: SimulatedNode;
  connection: number;
  isAccepted: boolean;
  /** A node without replicas that had its session was killed: it may be lost, also if the client connects before ... */
  isExcused: boolean;
  /** ... this time. */
  excusedUntilMs: number;
}

/**
 * Clients with QoS 2 move from node to node, and put something new into their sessions everywhere: packet
 * identifiers. Nodes are killed meanwhile. A client that gets its session gets its latest state, since a reappearing
 * identifier swallows a message, and a missing one lets it through twice.
 */
class ExchangePlay extends ReplicatedPlay {
  readonly #exchanges = new Map<string, Exchange>();
  #notes = 0;
  kept = 0;

  override onAccepted(
    node: SimulatedNode,
    connection: number,
    request: ConnectRequest,
    isNew: boolean,
  ): void {
    super.onAccepted(node, connection, request, isNew);
    const { clientId } = request;
    const exchange = this.#exchanges.get(clientId);
    if (exchange?.node !== node || exchange.connection !== connection) return; // it has moved on meanwhile
    const session = this.#sessionOf(clientId, node);
    // A new one may have begun for an earlier attempt of the client.
    const isLost = isNew || (exchange.isExcused && session.notes === 0);
    if (!isLost) {
      assert.equal(session.notes, exchange.notes, `${clientId} gets its session as it was before`);
      this.kept++;
    } else if (exchange.notes > 0) assert.ok(exchange.isExcused, `the session of ${clientId} is lost`);
    exchange.isAccepted = true;
    if (this.time.nowMs >= exchange.excusedUntilMs) exchange.isExcused = false;
    exchange.notes = session.notes = ++this.#notes;
  }

  /** It continues: its exchanges since then are in its session, and in the log. */
  exchange(clientId: string): void {
    const exchange = this.#exchanges.get(clientId);
    if (exchange?.isAccepted !== true || !this.isConnected(exchange.node, exchange.connection)) return;
    exchange.notes = this.#sessionOf(clientId, exchange.node).notes = ++this.#notes;
  }

  roam(clientId: string): void {
    const node = this.random.pick(this.nodes.filter(({ hasJoined }) => hasJoined));
    const before = this.#exchanges.get(clientId);
    const connection = node.connect(clientId, false, 1_000);
    const isAccepted = false;
    const { notes, isExcused, excusedUntilMs } = before ?? { notes: 0, isExcused: false, excusedUntilMs: 0 };
    this.#exchanges.set(clientId, { notes, node, connection, isAccepted, isExcused, excusedUntilMs });
    if (before !== undefined && this.random.below(2) === 0) before.node.leave(before.connection);
  }

  /** Its sessions are away until it returns with its disk; clients may start afresh. */
  killWithoutReplicas(node: SimulatedNode): void {
    for (const session of this.sessions.values()) {
      const exchange = this.#exchanges.get(session.clientId);
      if (exchange !== undefined && session.incarnation === node.incarnation)
        this.#excuse(exchange, 2 * awayMsMax);
    }
    this.end(node);
    this.time.after(this.random.below(awayMsMax), () => this.start(node.name));
  }

  #excuse(exchange: Exchange, ms: number): void {
    exchange.isExcused = true;
    exchange.excusedUntilMs = this.time.nowMs + ms;
  }

  #sessionOf(clientId: string, { incarnation }: SimulatedNode): PlayedSession {
    const all = [...this.sessions.values()];
    const session = all.find((each) => each.clientId === clientId && each.incarnation === incarnation);
    return session ?? assert.fail(`the session of ${clientId} is nowhere`);
  }
}

function playExchanges(seed: number, isReplicated: boolean, latePercent = 0): number {
  const stage = new ExchangePlay(seed, !isReplicated);
  const { random } = stage;
  let names = 0;
  const startMissing = (): void => {
    while (stage.nodes.length < 4)
      if (isReplicated) stage.startReplicated(`node-${++names}`);
      else stage.start();
  };
  startMissing();
  stage.time.run(12_000);
  for (let round = 0; round < 3; round++) {
    stage.nats.latePercent = latePercent;
    const killAt = 10 + random.below(20);
    for (let step = 0; step < 60; step++) {
      const clientId = random.pick(clientIds);
      if (random.below(3) === 0) stage.roam(clientId);
      else stage.exchange(clientId);
      stage.time.run(random.pick([0, 10, 50, 300]));
      if (step !== killAt) continue;
      // In the middle of moves, at any of their steps; perhaps both nodes of one.
      for (const moving of clientIds) if (random.below(2) === 0) stage.roam(moving);
      for (let kills = isReplicated ? 1 + random.below(2) : 1; kills > 0; kills--) {
        stage.time.run(random.below(40));
        const doomed = random.pick(stage.nodes.filter(({ hasJoined }) => hasJoined));
        if (isReplicated) stage.kill(doomed);
        else stage.killWithoutReplicas(doomed);
      }
    }
    stage.time.run(30_000);
    stage.nats.latePercent = 0;
    stage.time.run(10_000);
    stage.assertSettled();
    startMissing();
    stage.time.run(20_000);
    stage.assertSettled();
    for (const clientId of clientIds) stage.roam(clientId);
    stage.time.run(6_000);
  }
  return stage.kept;
}

/**
 * NATS is unavailable for longer than a node may be silent: no node is removed. Nor is one if NATS has lost the state
 * of the cluster meanwhile, and nodes that start then do not found another cluster.
 */
function playOutage(seed: number): number {
  const stage = new Play(seed);
  const isLost = stage.random.below(2) === 0;
  for (let node = 0; node < 3; node++) stage.start();
  stage.time.run(8_000);
  const names = liveNodes(stage.view).map(({ incarnation }) => incarnation);
  stage.outage(20_000);
  if (isLost) stage.nats.loseRegister();
  stage.time.run(30_000);
  assert.deepEqual(
    liveNodes(stage.view).map(({ incarnation }) => incarnation),
    names,
  );
  stage.assertSettled();
  if (!isLost) return 0;
  stage.nats.loseRegister();
  for (let node = 0; node < 2; node++) stage.start();
  stage.time.run(30_000);
  const seen = liveNodes(stage.view).map(({ incarnation }) => incarnation);
  assert.deepEqual([seen.slice(0, 3), seen.length], [names, 5]);
  stage.assertSettled();
  return 0;
}

/** Nodes whose clients have wills are killed; those with data come back within the delay of a will. */
function playWills(seed: number, hasData: boolean): number {
  const stage = new Play(seed, hasData);
  const { random } = stage;
  for (let node = 0; node < 3; node++) stage.start();
  stage.time.run(8_000);
  const expected: string[] = [];
  for (let round = 0; round < 4; round++) {
    const doomed = random.pick(stage.nodes);
    const atOnce: string[] = [];
    const later: string[] = [];
    for (const clientId of clientIds) {
      const node = random.pick(stage.nodes.filter(({ hasJoined }) => hasJoined));
      const delaySeconds = random.pick([0, 30]);
      const text = `${clientId} ${round}`;
      const connection = node.connect(clientId, false, 100, { text, delaySeconds });
      for (let waits = 0; waits < 50 && !stage.isConnected(node, connection); waits++) stage.time.run(100);
      assert.ok(stage.isConnected(node, connection), `${clientId} does not get in`);
      stage.time.run(300); // its keeper knows its will
      const fate = random.below(4);
      if (fate === 0) node.leave(connection);
      if (fate === 1) stage.start(); // slots move, and so do keepers
      if (fate === 0 || node !== doomed) continue;
      if (delaySeconds === 0) atOnce.push(text);
      else later.push(clientId);
    }
    stage.time.run(random.pick([300, 8_000]));
    stage.end(doomed);
    if (hasData) stage.time.after(random.below(6_000), () => stage.start(doomed.name));
    expected.push(...atOnce);
    stage.time.run(12_000);
    assert.deepEqual(stage.wills.toSorted(), expected.toSorted(), 'at once');
    for (const clientId of later) {
      const node = random.pick(stage.nodes.filter(({ hasJoined }) => hasJoined));
      if (random.below(2) === 0) node.connect(clientId, false, 100);
      else expected.push(`${clientId} ${round}`);
    }
    stage.time.run(10_000);
    if (random.below(2) === 0) stage.start(); // wills that are due move to another node
    stage.time.run(30_000);
    assert.deepEqual(stage.wills.toSorted(), expected.toSorted(), 'later');
    while (stage.nodes.length < 3) stage.start();
    stage.time.run(20_000);
  }
  return stage.wills.length;
}

/** All 64 worker numbers are taken: killed nodes, some or all, find their places again, with old or new names. */
function playFull(seed: number): number {
  const stage = new Play(seed, true);
  const { random } = stage;
  for (let node = 0; node < 4; node++) stage.start(undefined, clusterWorkersMax / 4);
  stage.time.run(12_000);
  for (let round = 0; round < 2; round++) {
    const killed = stage.nodes.slice(random.below(stage.nodes.length));
    for (const node of killed) stage.end(node);
    for (const { name, workers } of killed) {
      const isNew = random.below(3) === 0;
      stage.time.after(random.below(6_000), () => stage.start(isNew ? undefined : name, workers));
    }
    stage.time.run(40_000);
    stage.assertSettled();
  }
  return stage.nodes.length;
}

export const schedules = {
  roaming: (seed: number) => play(seed, false),
  faults: (seed: number) => play(seed, true),
  faultsWithData: (seed: number) => play(seed, true, true),
  dark: playDark,
  stops: playStops,
  outage: playOutage,
  wills: (seed: number) => playWills(seed, false),
  willsWithData: (seed: number) => playWills(seed, true),
  takeovers: playTakeovers,
  restarts: playRestarts,
  full: playFull,
  exchanges: (seed: number) => playExchanges(seed, true),
  exchangesWithData: (seed: number) => playExchanges(seed, false),
  /** Nodes learn of a view seconds after others. */
  lateViews: (seed: number) => playExchanges(seed, false, 10),
} as const;
export type ScheduleName = keyof typeof schedules;

/** Returns how much of the tested event has happened. Errors: what went wrong, and how to reproduce it. */
export function playSchedule(name: ScheduleName, seed: number): number {
  try {
    return schedules[name](seed);
  } catch (error) {
    throw new Error(`${name}: ${error instanceof Error ? error.stack : error}\n${replayOf(seed)}`);
  }
}
