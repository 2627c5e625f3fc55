/**
 * What a cluster tells about itself below $SYS/cluster, by the node that is there longest. What a node tells of itself is
 * below $SYS/nodes and its name, since $SYS/broker would be everyone's.
 */
import type { ClusterFigures } from '../control/cluster-control.ts';
import type { SysMessage } from './sys-topics.ts';

const brokerPrefix = '$SYS/broker/';

/** A topic of $SYS/broker as it is in a cluster. */
export function nodeTopic(topic: string, nodeName: string): string {
  return topic.startsWith(brokerPrefix)
    ? `$SYS/nodes/${nodeName}/${topic.slice(brokerPrefix.length)}`
    : topic;
}

export class ClusterTopics {
  /** All nodes that were ever seen, so that nothing is retained of one that is gone. */
  readonly #names = new Set<string>();

  /** None unless this node speaks for the cluster. */
  messages({ nodes, epoch, isSettled, isReached }: ClusterFigures): SysMessage[] {
    for (const { name } of nodes) this.#names.add(name);
    if (!isReached || nodes[0]?.isHere !== true) return [];
    const values: SysMessage[] = [
      ['$SYS/cluster/epoch', `${epoch}`],
      ['$SYS/cluster/settled', isSettled ? '1' : '0'],
      ['$SYS/cluster/nodes', `${nodes.length}`],
    ];
    for (const { name, state, slots, workers } of nodes)
      values.push(...ofNode(name, { state, slots: `${slots}`, workers: `${workers}` }));
    const here = new Set(nodes.map(({ name }) => name));
    for (const name of this.#names)
      if (!here.has(name)) values.push(...ofNode(name, { state: '', slots: '', workers: '' }));
    return values;
  }
}

function ofNode(name: string, values: Readonly<Record<string, string>>): SysMessage[] {
  return Object.entries(values).map(([what, value]) => [`$SYS/cluster/nodes/${name}/${what}`, value]);
}
