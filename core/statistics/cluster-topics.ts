/**
 * Topics about the cluster below $SYS/cluster, published by its oldest node. Topics about a single node are
 * below $SYS/nodes and its name, since all nodes would share $SYS/broker.
 */
import type { ClusterFigures } from '../control/cluster-control.ts';
import type { SysMessage } from './sys-topics.ts';

const brokerPrefix = '$SYS/broker/';

/** The topic for one of $SYS/broker in a cluster. */
export function nodeTopic(topic: string, nodeName: string): string {
  return topic.startsWith(brokerPrefix)
    ? `$SYS/nodes/${nodeName}/${topic.slice(brokerPrefix.length)}`
    : topic;
}

export class ClusterTopics {
  /** All nodes ever seen, so that retained topics of lost nodes can be cleared. */
  readonly #names = new Set<string>();
  /** Those of them that are lost, and whose topics this node has cleared. */
  readonly #cleared = new Set<string>();

  /** Each node publishes the figures of its own lanes; the node that speaks for the cluster publishes all others. */
  messages(figures: ClusterFigures): SysMessage[] {
    const { nodes, isReached } = figures;
    for (const { name } of nodes) {
      this.#names.add(name);
      this.#cleared.delete(name);
    }
    if (!isReached) return [];
    const own = [...this.#lanes(figures), ...replicationTopics(figures)];
    return [...own, ...(nodes[0]?.isHere === true ? this.#cluster(figures) : [])];
  }

  get #uncleared(): string[] {
    return [...this.#names].filter((name) => !this.#cleared.has(name));
  }

  #lanes({ nodes, lanes }: ClusterFigures): SysMessage[] {
    const here = nodes.find(({ isHere }) => isHere)?.name;
    if (here === undefined) return [];
    return this.#uncleared
      .filter((name) => name !== here)
      .flatMap((name) => {
        const figures = lanes.get(name);
        return laneNames.map(
          ([topic, figure]): SysMessage => [
            `$SYS/cluster/nodes/${here}/lanes/${name}/${topic}`,
            figures === undefined ? '' : `${figures[figure]}`,
          ],
        );
      });
  }

  #cluster({ nodes, epoch, isSettled }: ClusterFigures): SysMessage[] {
    const values: SysMessage[] = [
      ['$SYS/cluster/epoch', `${epoch}`],
      ['$SYS/cluster/settled', isSettled ? '1' : '0'],
      ['$SYS/cluster/nodes', `${nodes.length}`],
    ];
    for (const { name, state, slots, workers } of nodes)
      values.push(...ofNode(name, { state, slots: `${slots}`, workers: `${workers}` }));
    const here = new Set(nodes.map(({ name }) => name));
    const lost = this.#uncleared.filter((name) => !here.has(name));
    for (const name of lost)
      values.push(...ofNode(name, { state: '', slots: '', workers: '' }), ...this.#noLanes(name));
    for (const name of lost) this.#cleared.add(name);
    return values;
  }

  /** Of a lost node. */
  #noLanes(from: string): SysMessage[] {
    return this.#uncleared
      .filter((name) => name !== from)
      .flatMap((name) =>
        laneNames.map(([topic]): SysMessage => [`$SYS/cluster/nodes/${from}/lanes/${name}/${topic}`, '']),
      );
  }
}

/** How far the second copy of this node's log lags behind. */
function replicationTopics({ nodes, replication }: ClusterFigures): SysMessage[] {
  const here = nodes.find(({ isHere }) => isHere)?.name;
  if (here === undefined || replication === undefined) return [];
  const { waitingBytes, waitingMs } = replication;
  return [
    [`$SYS/cluster/nodes/${here}/log/waiting_bytes`, `${waitingBytes}`],
    [`$SYS/cluster/nodes/${here}/log/waiting_ms`, `${waitingMs}`],
  ];
}

const laneNames = [
  ['waiting_bytes', 'waitingBytes'],
  ['waiting_ms', 'waitingMs'],
  ['frames_resent', 'framesResent'],
] as const;

function ofNode(name: string, values: Readonly<Record<string, string>>): SysMessage[] {
  return Object.entries(values).map(([what, value]) => [`$SYS/cluster/nodes/${name}/${what}`, value]);
}
