/** The messages between the main threads of the nodes. The view says who owns what (view.ts). */
import type { ToldCaller } from '../security/api-caller.ts';
import { isRecord, isWholeNumber } from '../unknown-value.ts';

/** For a session that a client has used since its node started: later than any session from a disk. */
export const usedStamp = Number.MAX_SAFE_INTEGER;

/** A session that moves to another node: its key, and its worker, numbered across the cluster. */
export interface LentSession {
  readonly key: number;
  readonly worker: number;
}

/** A request of the HTTP API, with the rights of this caller: method in lower case, query without '?'. */
export interface NodeQuestion {
  readonly method: string;
  readonly path: string;
  readonly query: string;
  readonly by: ToldCaller;
  /** As in JSON. */
  readonly body?: unknown;
}

/** The HTTP status, and the body; 0: the node does not have the requested item. */
export interface NodeAnswer {
  readonly status: number;
  readonly text: string;
}

/** The other nodes of the cluster. */
export interface OtherNodes {
  readonly here: string;
  /** The answers by node name; undefined: no answer in time. `node`: only this one. */
  ask(question: NodeQuestion, node?: string): Promise<ReadonlyMap<string, NodeAnswer | undefined>>;
}

/** The will of a client, in the form in which another node can publish it. */
export interface ToldWill {
  /** A PUBLISH of MQTT 5, in base64. */
  readonly packet: string;
  /** Prepended to its topic. */
  readonly topicPrefix: string;
  /** The client's identity for the access rules: encodeAccess() in base64; undefined without rules. */
  readonly access?: string;
  /** Its delay after the loss of its client. */
  readonly delayMs: number;
  /** It is also in a replicated log, and continues with the session if another node takes that over. */
  readonly isStored?: boolean;
}

/**
 * `epoch`: of the sender's view; a receiver with an older view waits until it has this one. `claim` and `turn`
 * in an answer name the claim or the yield request that it answers.
 */
export type NodeMessage =
  /** To the owner of the identifier's slot: the sender wants it, with a new session or not. */
  | {
      readonly type: 'claim';
      readonly epoch: number;
      readonly clientId: string;
      readonly claim: number;
      readonly isClean: boolean;
    }
  | {
      readonly type: 'granted';
      readonly epoch: number;
      readonly clientId: string;
      readonly claim: number;
      readonly session?: LentSession;
    }
  /** Another node wants it too, and asked later. */
  | { readonly type: 'denied'; readonly clientId: string; readonly claim: number }
  /** To the owner: the sender no longer needs it. */
  | { readonly type: 'release'; readonly epoch: number; readonly clientId: string }
  /** To the node that has it: it goes to `to`, with its session unless that is to end. */
  | {
      readonly type: 'yield';
      readonly clientId: string;
      readonly turn: number;
      readonly to: number;
      readonly isClean: boolean;
    }
  | {
      readonly type: 'yielded';
      /** Absent: the sender's version does not support this field. */
      readonly epoch?: number;
      readonly clientId: string;
      readonly turn: number;
      readonly session?: LentSession;
    }
  /** To the node that has lent the session: it went to a node other than requested. */
  | { readonly type: 'passed'; readonly clientId: string; readonly key: number; readonly to: number }
  /** To the node that has lent the session: the sender has it. */
  | { readonly type: 'taken'; readonly clientId: string; readonly key: number }
  /** To the owner: the sender lent the session to a lost node, which has not received it if `isWhole`. */
  | {
      readonly type: 'unclaimed';
      readonly epoch: number;
      readonly clientId: string;
      readonly key: number;
      readonly isWhole?: boolean;
    }
  /**
   * The answer if the session is the sender's again; without a key: of a session that no node wants any more, not
   * even its borrower.
   */
  | { readonly type: 'returned'; readonly clientId: string; readonly key?: number }
  /** ... or is to end. Not sent if it goes to another node. */
  | { readonly type: 'unwanted'; readonly clientId: string; readonly key: number }
  /**
   * To the new owner of slots: the identifiers of these slots that the sender has, and those it has lent.
   * `stamps`: when a client last used the session, for each of `clientIds`; `usedStamp` since its node
   * started.
   */
  | {
      readonly type: 'held';
      readonly epoch: number;
      readonly clientIds: readonly string[];
      readonly stamps: readonly number[];
      readonly lent: readonly string[];
    }
  /** Everything has been reported. */
  | { readonly type: 'heldAll'; readonly epoch: number }
  /** The sender is stopping: its session of this client is to move here, to wait for its client. `will`: its delayed one. */
  | { readonly type: 'adopt'; readonly clientId: string; readonly will?: ToldWill }
  /** To the keeper of wills (wills.ts): a client of the sender has this one, or one of a lost node had it, and it is due then. */
  | { readonly type: 'will'; readonly clientId: string; readonly will: ToldWill; readonly inMs?: number }
  | { readonly type: 'willOver'; readonly clientId: string }
  /**
   * To the owner of the identifier's slot: it is to publish the will of a client whose node is lost. `epoch`: of the
   * view without that node.
   */
  | {
      readonly type: 'willDue';
      readonly epoch?: number;
      readonly clientId: string;
      readonly will: ToldWill;
      readonly inMs: number;
    }
  /** An operator's request; `ask` names it in the answer. */
  | { readonly type: 'asked'; readonly ask: number; readonly question: NodeQuestion }
  /** A part of the answer. */
  | {
      readonly type: 'answered';
      readonly ask: number;
      readonly status: number;
      readonly text: string;
      readonly isLast: boolean;
    }
  /** The answer to heldAll: the sender knows everything, and has sent the resulting messages. */
  | { readonly type: 'heard'; readonly epoch: number }
  /** To the owner: a client uses the session that the sender loaded from its disk. */
  | { readonly type: 'used'; readonly epoch: number; readonly clientId: string }
  /** To the node that has it: another node has a newer session of the identifier, so this one must end. */
  | { readonly type: 'outdated'; readonly epoch: number; readonly clientId: string }
  /** Something to be done on every node; core/cluster/news.ts reads it. */
  | { readonly type: 'news'; readonly news: Readonly<Record<string, unknown>> };

export type MessageOf<Type extends NodeMessage['type']> = Extract<NodeMessage, { type: Type }>;

type Check = (value: unknown) => boolean;
const isText: Check = (value) => typeof value === 'string';
const isTruth: Check = (value) => typeof value === 'boolean';
const isNumber: Check = (value) => isWholeNumber(value, 0, Number.MAX_SAFE_INTEGER);
const isTruthOrAbsent: Check = (value) => value === undefined || isTruth(value);
const isNumberOrAbsent: Check = (value) => value === undefined || isNumber(value);
const areNumbers: Check = (value) => Array.isArray(value) && value.every(isNumber);
const areTexts: Check = (value) => Array.isArray(value) && value.every(isText);
const isSession: Check = (value) =>
  value === undefined || (isRecord(value) && isNumber(value['key']) && isNumber(value['worker']));

const isQuestion: Check = (value) =>
  isRecord(value) &&
  isText(value['method']) &&
  isText(value['path']) &&
  isText(value['query']) &&
  isRecord(value['by']) &&
  isText(value['by']['name']) &&
  areTexts(value['by']['scopes']) &&
  (value['by']['user'] === undefined || isRecord(value['by']['user']));

const isWill: Check = (value) =>
  isRecord(value) &&
  isText(value['packet']) &&
  isText(value['topicPrefix']) &&
  (value['access'] === undefined || isText(value['access'])) &&
  isNumber(value['delayMs']) &&
  isTruthOrAbsent(value['isStored']);

const isWillOrAbsent: Check = (value) => value === undefined || isWill(value);

const fields: { readonly [Type in NodeMessage['type']]: Readonly<Record<string, Check>> } = {
  claim: { epoch: isNumber, clientId: isText, claim: isNumber, isClean: isTruth },
  granted: { epoch: isNumber, clientId: isText, claim: isNumber, session: isSession },
  denied: { clientId: isText, claim: isNumber },
  release: { epoch: isNumber, clientId: isText },
  yield: { clientId: isText, turn: isNumber, to: isNumber, isClean: isTruth },
  yielded: { epoch: isNumberOrAbsent, clientId: isText, turn: isNumber, session: isSession },
  passed: { clientId: isText, key: isNumber, to: isNumber },
  taken: { clientId: isText, key: isNumber },
  unclaimed: { epoch: isNumber, clientId: isText, key: isNumber, isWhole: isTruthOrAbsent },
  returned: { clientId: isText, key: isNumberOrAbsent },
  unwanted: { clientId: isText, key: isNumber },
  held: { epoch: isNumber, clientIds: areTexts, stamps: areNumbers, lent: areTexts },
  heldAll: { epoch: isNumber },
  adopt: { clientId: isText, will: isWillOrAbsent },
  will: { clientId: isText, will: isWill, inMs: isNumberOrAbsent },
  willOver: { clientId: isText },
  willDue: { epoch: isNumberOrAbsent, clientId: isText, will: isWill, inMs: isNumber },
  asked: { ask: isNumber, question: isQuestion },
  answered: { ask: isNumber, status: isNumber, text: isText, isLast: isTruth },
  heard: { epoch: isNumber },
  used: { epoch: isNumber, clientId: isText },
  outdated: { epoch: isNumber, clientId: isText },
  news: { news: isRecord },
};

/** Undefined: unknown to this version. */
export function readNodeMessage(value: unknown): NodeMessage | undefined {
  if (!isRecord(value) || typeof value['type'] !== 'string' || !Object.hasOwn(fields, value['type']))
    return undefined;
  const checks = Object.entries(fields[value['type'] as NodeMessage['type']]);
  return checks.every(([name, check]) => check(value[name])) ? (value as unknown as NodeMessage) : undefined;
}
