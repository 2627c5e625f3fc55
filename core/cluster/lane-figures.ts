/** The traffic over the lanes from this node to each other node, summed over all pairs of workers. */
import type { LinkFigures } from '../data-plane/addon.ts';

export interface LaneFigures {
  /** Sent but not acknowledged, or not sent yet, and the age of the oldest. */
  readonly waitingBytes: number;
  readonly waitingMs: number;
  /** Since the links were opened. */
  readonly framesSent: number;
  readonly framesResent: number;
  readonly bytesSent: number;
  readonly bytesReceived: number;
}

const none: LaneFigures = {
  waitingBytes: 0,
  waitingMs: 0,
  framesSent: 0,
  framesResent: 0,
  bytesSent: 0,
  bytesReceived: 0,
};

/** By node name, without this node. */
export function lanesByNode(
  nodes: readonly { readonly name: string; readonly incarnation: number; readonly isHere: boolean }[],
  links: readonly LinkFigures[],
): ReadonlyMap<string, LaneFigures> {
  const others = nodes.filter(({ isHere }) => !isHere);
  return new Map(
    others.map(({ name, incarnation }) => [
      name,
      links.filter((link) => link.incarnation === incarnation).reduce(together, none),
    ]),
  );
}

function together(sum: LaneFigures, link: LinkFigures): LaneFigures {
  return {
    waitingBytes: sum.waitingBytes + link.waitingBytes,
    waitingMs: Math.max(sum.waitingMs, Math.round(link.waitingMs)),
    framesSent: sum.framesSent + link.framesSent,
    framesResent: sum.framesResent + link.framesResent,
    bytesSent: sum.bytesSent + link.bytesSent,
    bytesReceived: sum.bytesReceived + link.bytesReceived,
  };
}
