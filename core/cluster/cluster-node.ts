/**
 * This node of a cluster over NATS (main thread): the connection, the register, and the Cluster on top of
 * them. Joining provides what the data plane is created with. An object is for one incarnation.
 */
import { randomBytes, randomUUID } from 'node:crypto';
import { BrokerError } from '../broker-error.ts';
import type { BrokerConfig } from '../config/options.ts';
import type { Logger } from '../control/logger.ts';
import type { ClusterPlace } from '../data-plane/addon.ts';
import { systemClock } from '../sessions/timers.ts';
import type { SessionHolder } from './client-directory.ts';
import { Cluster } from './cluster.ts';
import { type KnownCluster, writeKnownCluster } from './cluster-memory.ts';
import type { JoinRefusal } from './membership.ts';
import { connectToNats, type NatsPost } from './nats-connection.ts';
import { openRegister } from './nats-register.ts';
import type { NodeAnswer, NodeQuestion, ToldWill } from './node-messages.ts';
import { Subjects } from './ports.ts';
import { clusterWorkersMax } from './slots.ts';
import { liveNodes, type View, workersOf } from './view.ts';

export interface ClusterNodeEvents {
  sessions(): SessionHolder;
  /** Starting with the first one that this node is in. */
  onView(view: View, before: View | undefined): void;
  onMove(number: number): void;
  onEvicted(): void;
  onReach(isReached: boolean): void;
  onHeard(): void;
  onNews(news: Readonly<Record<string, unknown>>): void;
  onQuestion(question: NodeQuestion): Promise<NodeAnswer>;
  publishWill(will: ToldWill): void;
}

/** What the node has on its disk and joins with. */
export interface NodeData {
  readonly directory: string;
  /** Undefined: nothing yet. */
  readonly known: KnownCluster | undefined;
}

/** What the data plane of a node is created with. */
export interface JoinedPlace extends ClusterPlace {
  readonly firstWorker: number;
  /** Nodes that were running when this one last ran, and have run since: they have its wills (wills.ts). */
  readonly hasSurvivors: boolean;
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
  readonly #post: NatsPost;
  readonly #config: BrokerConfig;

  /** That this node has seen before. */
  readonly #lastIncarnation: number;

  private constructor(post: NatsPost, cluster: Cluster, config: BrokerConfig, lastIncarnation: number) {
    this.#lastIncarnation = lastIncarnation;
    this.#post = post;
    this.cluster = cluster;
    this.#config = config;
  }

  /** Errors: CLUSTER_NOT_REACHABLE, CLUSTER_REFUSED, CLUSTER_FILE_UNREADABLE. */
  static async connect(
    config: BrokerConfig,
    logger: Logger,
    data: NodeData | undefined,
    events: ClusterNodeEvents,
  ): Promise<ClusterNode> {
    const { nodeName = '', clusterName, workers } = config;
    const remember = ({ keys, epoch, lastIncarnation }: View): void => {
      if (data === undefined) return;
      try {
        writeKnownCluster(data.directory, { clusterName, keys, epoch, incarnation: lastIncarnation });
      } catch (err) {
        logger.error({ err }, 'the node cannot save the epoch of its cluster');
      }
    };
    const post = await connectToNats(config, `rallymq ${nodeName}`, connectMs, {
      onUp: () => {},
      onWait: (reason) => logger.warn({ reason }, 'NATS cannot be reached yet'),
    });
    try {
      const cluster = new Cluster({
        ...events,
        onView: (view, before) => {
          remember(view);
          events.onView(view, before);
        },
        known: data?.known,
        clock: systemClock,
        post,
        register: await openRegister(post.connection, clusterName),
        subjects: new Subjects(clusterName),
        name: nodeName,
        workers,
        id: randomUUID(),
        makeKeys: () => randomBytes(clientIdKeyBytes + hashKeyBytes).toString('hex'),
        soon: (action) => void setImmediate(action),
        onNote: (level, fields, sentence) => logger[level](fields, sentence),
      });
      return new ClusterNode(post, cluster, config, data?.known?.incarnation ?? 0);
    } catch (error) {
      await post.close();
      throw error;
    }
  }

  /** Errors: CLUSTER_REFUSED. */
  async join(): Promise<JoinedPlace> {
    const refusal = await new Promise<JoinRefusal | undefined>((done) => this.cluster.join(done));
    if (refusal !== undefined) throw new BrokerError('CLUSTER_REFUSED', sentenceOf(refusal, this.#config));
    const { node, view } = this.cluster;
    if (node === undefined || view === undefined) throw new Error('a node has joined that is nowhere');
    const { incarnation, firstWorker } = node;
    const hashKeys = Buffer.from(view.keys, 'hex').subarray(
      clientIdKeyBytes,
      clientIdKeyBytes + hashKeyBytes,
    );
    const hasSurvivors = liveNodes(view).some(
      (each) => each.incarnation !== incarnation && each.incarnation <= this.#lastIncarnation,
    );
    const numbers = workersOf(node);
    return { incarnation, firstWorker, numbers, numbersEnd: clusterWorkersMax, hashKeys, hasSurvivors };
  }

  /** Gives the slots to the others, as far as they take them in time, and ends. */
  async leave(): Promise<void> {
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
    await this.#post.close();
  }
}

function sentenceOf(refusal: JoinRefusal, { nodeName, clusterName, workers }: BrokerConfig): string {
  switch (refusal.why) {
    case 'nameTaken':
      return `The cluster ${clusterName} already has a running node ${nodeName}: choose another nodeName.`;
    case 'otherCluster':
      return refusal.known.keys === undefined
        ? `The data directory belongs to a broker that was never in the cluster ${clusterName}, which already exists: start a new cluster with it, or use an empty directory.`
        : `The data directory belongs to another cluster, ${refusal.known.clusterName}, or NATS has lost the state of this one and a node without data has started it again: set the clusterName that the data belong to, or use an empty dataDirectory.`;
    case 'full':
      return `The cluster ${clusterName} has no room for ${workers} workers: all nodes together have at most ${clusterWorkersMax}.`;
    case 'viewNotReadable':
      return `The state of the cluster ${clusterName} cannot be used: ${refusal.sentence}.`;
  }
}
