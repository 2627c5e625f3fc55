/**
 * This node of a cluster over NATS (main thread): the connection, the register, and the Cluster on top of
 * them. Joining provides what the data plane is created with. An object is for one incarnation.
 */
import { randomBytes, randomUUID } from 'node:crypto';
import { BrokerError, stoppedWhileStarting } from '../broker-error.ts';
import type { BrokerConfig } from '../config/options.ts';
import type { Logger } from '../control/logger.ts';
import { type ClusterPlace, linkVersions } from '../data-plane/addon.ts';
import { systemClock } from '../sessions/timers.ts';
import { messageOf } from '../system-reason.ts';
import type { SessionHolder } from './client-directory.ts';
import { Cluster } from './cluster.ts';
import { type KnownCluster, writeKnownCluster } from './cluster-memory.ts';
import { isTemporary, type JetStreamWait } from './jetstream-wait.ts';
import { type LogPlace, logPlaceOf, type NodeData } from './log-place.ts';
import { LogStreams } from './log-streams.ts';
import type { JoinRefusal } from './membership.ts';
import { connectToNats, type NatsListener, type NatsPost } from './nats-connection.ts';
import { openRegister } from './nats-register.ts';
import type { NodeAnswer, NodeQuestion, ToldWill } from './node-messages.ts';
import { Subjects } from './ports.ts';
import { clusterWorkersMax, standInWorkers } from './slots.ts';
import { Superseded } from './superseded.ts';
import type { StartTakeOver } from './take-overs.ts';
import { liveNodes, type View, workersOf } from './view.ts';

export interface ClusterNodeEvents {
  sessions(): SessionHolder;
  /** Starting with the first view that includes this node. */
  onView(view: View, before: View | undefined): void;
  /** As in MembershipOptions. */
  finishWalks(done: () => void): void;
  onMove(number: number): void;
  onEvicted(): void;
  onReach(isReached: boolean): void;
  onHeard(): void;
  onNews(news: Readonly<Record<string, unknown>>): void;
  onQuestion(question: NodeQuestion): Promise<NodeAnswer>;
  publishWill(will: ToldWill): void;
  /** As in MembershipOptions. */
  readonly takeOver: StartTakeOver;
}

/** What the data plane of a node is created with. */
export interface JoinedPlace extends ClusterPlace {
  readonly firstWorker: number;
}

/** Allows for NATS being started at the same time. */
const connectMs = 30_000;
/** The key of slotOfClientId(), followed by those of HashKeys (native/structures/hash.h). */
const clientIdKeyBytes = 8;
const hashKeyBytes = 16;
/** Time for the others to take this node's slots. */
const leaveMs = 5_000;

export class ClusterNode {
  readonly cluster: Cluster;
  /** The streams of the second copies. Undefined: this node has none. */
  readonly streams: LogStreams | undefined;
  readonly logPlace: LogPlace | undefined;
  readonly #post: NatsPost;
  readonly #config: BrokerConfig;
  /** From its last run. */
  readonly #known: KnownCluster | undefined;
  readonly #noteLeaving: () => void;
  #giveUpJoining: (() => void) | undefined;

  private constructor(
    post: NatsPost,
    cluster: Cluster,
    config: BrokerConfig,
    known: KnownCluster | undefined,
    noteLeaving: () => void,
    streams: LogStreams | undefined,
    logPlace: LogPlace | undefined,
  ) {
    this.streams = streams;
    this.logPlace = logPlace;
    this.#known = known;
    this.#noteLeaving = noteLeaving;
    this.#post = post;
    this.cluster = cluster;
    this.#config = config;
  }

  /**
   * `signal`: when it is aborted, its reason is thrown soon. Errors: CLUSTER_NOT_REACHABLE, CLUSTER_REFUSED,
   * CLUSTER_FILE_UNREADABLE. Superseded: the data on disk is obsolete.
   */
  static async connect(
    config: BrokerConfig,
    logger: Logger,
    data: NodeData | undefined,
    events: ClusterNodeEvents,
    signal: AbortSignal,
  ): Promise<ClusterNode> {
    const { nodeName = '', clusterName, workers, standsFor } = config;
    assertSameCluster(data?.known, clusterName);
    let logPlace: LogPlace | undefined;
    let hasLeft = false;
    const remember = ({ keys, epoch, lastIncarnation: incarnation }: View): void => {
      if (data === undefined) return;
      try {
        const { stream } = logPlace ?? {};
        writeKnownCluster(data.directory, { clusterName, keys, epoch, incarnation, stream, hasLeft });
      } catch (err) {
        logger.error({ err }, 'the node cannot save the epoch of its cluster');
      }
    };
    const listener: NatsListener = {
      onUp: () => {},
      onWait: (reason) => logger.warn({ reason }, 'NATS cannot be reached yet'),
      onRefused: (reason) =>
        logger.error(
          { reason },
          'NATS refuses this node: put valid credentials into the file of clusterCredentials',
        ),
      onUnfit: (reason) =>
        logger.error(
          { reason: `it ${reason}` },
          'NATS cannot carry everything that this node sends: correct its configuration',
        ),
    };
    const post = await connectToNats(config, `rallymq ${nodeName}`, connectMs, listener, signal);
    try {
      const wait: JetStreamWait = {
        waitMs: connectMs,
        onWait: (reason) => logger.warn({ reason }, 'JetStream does not serve yet'),
        signal,
      };
      const register = await openRegister(post.connection, clusterName, wait);
      const isReplicated = config.replicas > 1;
      const compareReplicas = replicasComparison(isReplicated, logger);
      const needsStreams = isReplicated || data?.known?.stream !== undefined;
      const streams = needsStreams
        ? await LogStreams.open(post.connection, clusterName, config.limits.logCopies)
        : undefined;
      if (streams !== undefined && data !== undefined)
        logPlace = await logPlaceOf(
          streams,
          data,
          { isReplicated, isStandIn: standsFor !== undefined },
          wait,
        );
      signal.throwIfAborted();
      const cluster = new Cluster({
        ...events,
        onView: (view, before) => {
          remember(view);
          compareReplicas(view);
          events.onView(view, before);
        },
        known: data?.known,
        clock: systemClock,
        post,
        register,
        stream: logPlace?.stream,
        standsFor,
        takeOver: isReplicated && standsFor === undefined ? events.takeOver : undefined,
        subjects: new Subjects(clusterName),
        name: nodeName,
        workers,
        keepsData: data !== undefined,
        links: linkVersions,
        id: randomUUID(),
        makeKeys: () => randomBytes(clientIdKeyBytes + hashKeyBytes).toString('hex'),
        soon: (action) => void setImmediate(action),
        onNote: (level, fields, sentence) => logger[level](fields, sentence),
      });
      const noteLeaving = (): void => {
        hasLeft = true;
        if (cluster.view !== undefined) remember(cluster.view);
      };
      return new ClusterNode(
        post,
        cluster,
        config,
        data?.known,
        noteLeaving,
        isReplicated ? streams : undefined,
        logPlace,
      );
    } catch (error) {
      await post.close();
      if (!isTemporary(error)) throw error;
      const sentence = `JetStream does not serve (${messageOf(error)}): start its servers, or wait until they have found each other.`;
      throw new BrokerError('CLUSTER_NOT_REACHABLE', sentence, { cause: error });
    }
  }

  /** Errors: CLUSTER_REFUSED; NOT_RUNNING: it was closed before. Superseded: the data on disk is obsolete. */
  async join(): Promise<JoinedPlace> {
    const refusal = await new Promise<JoinRefusal | undefined>((done, fail) => {
      this.#giveUpJoining = () => fail(stoppedWhileStarting());
      this.cluster.join(done);
    });
    if (refusal?.why === 'superseded') throw new Superseded();
    if (refusal !== undefined) throw new BrokerError('CLUSTER_REFUSED', sentenceOf(refusal, this.#config));
    const { node, view } = this.cluster;
    if (node === undefined || view === undefined) throw new Error('a node without an address has joined');
    const { incarnation, firstWorker } = node;
    const hashKeys = Buffer.from(view.keys, 'hex').subarray(
      clientIdKeyBytes,
      clientIdKeyBytes + hashKeyBytes,
    );
    const numbers = workersOf(node);
    const areWillsOver = this.#areWillsOver(view, incarnation);
    return { incarnation, firstWorker, numbers, numbersEnd: clusterWorkersMax, hashKeys, areWillsOver };
  }

  /**
   * Nodes that were in the cluster during this node's last run are still in it: they have published its wills
   * (wills.ts). A stand-in is told whether they have.
   */
  #areWillsOver(view: View, own: number): boolean {
    const { incarnation: last = 0, hasLeft = false } = this.#known ?? {};
    if (hasLeft) return false;
    return liveNodes(view).some(({ incarnation }) => incarnation !== own && incarnation <= last);
  }

  /** Gives the slots to the others, as far as they take them in time, then closes. */
  async leave(): Promise<void> {
    this.#noteLeaving();
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, leaveMs);
    });
    await Promise.race([late, new Promise<void>((left) => this.cluster.leave(left))]);
    clearTimeout(timer);
    await this.close();
  }

  async close(): Promise<void> {
    this.cluster.stop();
    this.#giveUpJoining?.();
    await this.#post.close();
  }
}

/**
 * Names, once, the nodes whose number of replicas is not that of this one: such a cluster works, but it promises less
 * than some of its nodes were started for.
 */
function replicasComparison(isReplicated: boolean, logger: Logger): (view: View) => void {
  let named = '';
  return (view) => {
    const others = liveNodes(view).filter(
      ({ stream, standsFor }) => standsFor === undefined && (stream !== undefined) !== isReplicated,
    );
    const nodes = others
      .map(({ name }) => name)
      .sort()
      .join(', ');
    if (nodes === named) return;
    named = nodes;
    if (nodes === '') return;
    logger.warn(
      { nodes },
      isReplicated
        ? 'these nodes run without replicas: what they acknowledge is only on their own disks. Start them with --replicas 3'
        : 'these nodes run with replicas, and this one without: what it acknowledges is only on its own disk. Start it with --replicas 3',
    );
  };
}

function versionsOf([oldest, newest]: readonly [number, number] = [2, 2]): string {
  return oldest === newest ? `${oldest}` : `${oldest} and ${newest}`;
}

/** Not even a cluster that is new is founded with data of another one: its name is probably mistyped. */
function assertSameCluster(known: KnownCluster | undefined, clusterName: string): void {
  if (known?.keys === undefined || known.clusterName === clusterName) return;
  throw new BrokerError(
    'CLUSTER_REFUSED',
    `The data directory belongs to another cluster, ${known.clusterName}: set the clusterName that the data belong to, or use an empty dataDirectory.`,
  );
}

function sentenceOf(
  refusal: Exclude<JoinRefusal, { readonly why: 'superseded' }>,
  { nodeName, clusterName, workers, replicas }: BrokerConfig,
): string {
  switch (refusal.why) {
    case 'nameTaken':
      return `The cluster ${clusterName} already has a running node ${nodeName}: choose another nodeName.`;
    case 'otherCluster':
      return refusal.known.keys === undefined
        ? `The data directory belongs to a broker that was never in the cluster ${clusterName}, which already exists: start a new cluster with it, or use an empty directory.`
        : `The data directory belongs to another cluster ${clusterName}: NATS is not the one that it was used with, or has lost its state, and a node without data has started the cluster again. Correct the option cluster, or use an empty dataDirectory.`;
    case 'otherStorage':
      return refusal.node.keepsData === true
        ? `The nodes of the cluster ${clusterName} have data directories, as ${refusal.node.name}, and this one has none: give it one (dataDirectory), or a cluster of its own (clusterName).`
        : `The nodes of the cluster ${clusterName} have no data directories, as ${refusal.node.name}, and this one has: start it without (--data none), or give it a cluster of its own (clusterName).`;
    case 'otherVersion':
      return `The node ${refusal.node.name} of the cluster ${clusterName} speaks versions ${versionsOf(refusal.node.links)} of the frame format, this version of RallyMQ ${versionsOf(linkVersions)}: upgrade the nodes step by step, through releases that have a version in common.`;
    case 'full':
      return replicas > 1
        ? `The cluster ${clusterName} has no room for ${workers} workers with consecutive numbers: with replicas all nodes together have at most ${clusterWorkersMax - standInWorkers}, since whoever goes on with the log of a lost node needs one. Start with fewer workers.`
        : `The cluster ${clusterName} has no room for ${workers} workers with consecutive numbers: all nodes together have at most ${clusterWorkersMax}. Start with fewer workers.`;
    case 'viewNotReadable':
      return `The state of the cluster ${clusterName} cannot be used: ${refusal.sentence}.`;
  }
}
