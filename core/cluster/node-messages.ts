/** What the main threads of the nodes tell each other. Who owns what is said by the view (view.ts). */
import { isRecord, isWholeNumber } from '../config/option-rules.ts';

/** Of a session that a client has used since its node has started: later than all that come from a disk. */
export const usedStamp = Number.MAX_SAFE_INTEGER;

/** A session that goes to another node: its key, and the worker that has it, by its number in the cluster. */
export interface LentSession {
  readonly key: number;
  readonly worker: number;
}

/** A request of the HTTP API, of whoever has this key: method in lower case, query without '?'. */
export interface NodeQuestion {
  readonly method: string;
  readonly path: string;
  readonly query: string;
  readonly by: { readonly name: string; readonly scopes: readonly string[] };
  /** As JSON has it. */
  readonly body?: unknown;
}

/** The status of HTTP, and the body; 0: it has not what was asked about. */
export interface NodeAnswer {
  readonly status: number;
  readonly text: string;
}

/** The will of a client, as another node can publish it. */
export interface ToldWill {
  /** A PUBLISH of MQTT 5, in base64. */
  readonly packet: string;
  /** Goes before its topic. */
  readonly topicPrefix: string;
  /** Who has it, to the rules: of encodeAccess(), in base64; undefined where there are none. */
  readonly access?: string;
  /** Until it goes out when its client is lost. */
  readonly delayMs: number;
}

/**
 * `epoch`: of the sender's view; whoever knows an older one only waits until it knows it. `claim` names the claim in its
 * answer, `turn` the request to yield in its answer.
 */
export type NodeMessage =
  /** To the owner of the identifier's slot: the sender wants it, for a client that wants a new session or not. */
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
  /** Somebody else wants it too, and came later. */
  | { readonly type: 'denied'; readonly clientId: string; readonly claim: number }
  /** To the owner: the sender does not need it any more. */
  | { readonly type: 'release'; readonly epoch: number; readonly clientId: string }
  /** To the node that has it: to is to have it; its session with it, unless that is to end. */
  | {
      readonly type: 'yield';
      readonly clientId: string;
      readonly turn: number;
      readonly to: number;
      readonly isClean: boolean;
    }
  | {
      readonly type: 'yielded';
      readonly clientId: string;
      readonly turn: number;
      readonly session?: LentSession;
    }
  /** To the node that has lent the session: it went to another one than it was asked for. */
  | { readonly type: 'passed'; readonly clientId: string; readonly key: number; readonly to: number }
  /** To the node that has lent the session: the sender has it. */
  | { readonly type: 'taken'; readonly clientId: string; readonly key: number }
  /** To the owner: the sender has lent the session to a node that is lost. */
  | { readonly type: 'unclaimed'; readonly epoch: number; readonly clientId: string; readonly key: number }
  /** The answer, where the session does not go to another node: it is to end. */
  | { readonly type: 'unwanted'; readonly clientId: string; readonly key: number }
  /**
   * To the new owner of slots: which identifiers of theirs the sender has, and which it has lent. `stamps`: when a client
   * has used the session last, of each of `clientIds`; `usedStamp` since its node has started.
   */
  | {
      readonly type: 'held';
      readonly epoch: number;
      readonly clientIds: readonly string[];
      readonly stamps: readonly number[];
      readonly lent: readonly string[];
    }
  /** That was all. */
  | { readonly type: 'heldAll'; readonly epoch: number }
  /** The sender stops: its session of this client is to come here, to wait for its client. */
  | { readonly type: 'adopt'; readonly clientId: string }
  /** To the keeper of wills (wills.ts): a client of the sender has this one. */
  | { readonly type: 'will'; readonly clientId: string; readonly will: ToldWill }
  | { readonly type: 'willOver'; readonly clientId: string }
  /** To the owner of the identifier's slot: the will of a client whose node is lost goes out then. */
  | { readonly type: 'willDue'; readonly clientId: string; readonly will: ToldWill; readonly inMs: number }
  /** An operator asks; `ask` names the question in its answer. */
  | { readonly type: 'asked'; readonly ask: number; readonly question: NodeQuestion }
  /** A part of the answer. */
  | {
      readonly type: 'answered';
      readonly ask: number;
      readonly status: number;
      readonly text: string;
      readonly isLast: boolean;
    }
  /** The answer to heldAll: the sender knows it, and has said whatever follows from it. */
  | { readonly type: 'heard'; readonly epoch: number }
  /** To the owner: a client uses the session that the sender had from its disk. */
  | { readonly type: 'used'; readonly epoch: number; readonly clientId: string }
  /** To the node that has it: another one has a later session of the identifier, and this one is to end. */
  | { readonly type: 'outdated'; readonly epoch: number; readonly clientId: string }
  /** Something that is to be done on every node; core/cluster/news.ts reads it. */
  | { readonly type: 'news'; readonly news: Readonly<Record<string, unknown>> };

type Check = (value: unknown) => boolean;
const isText: Check = (value) => typeof value === 'string';
const isTruth: Check = (value) => typeof value === 'boolean';
const isNumber: Check = (value) => isWholeNumber(value, 0, Number.MAX_SAFE_INTEGER);
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
  areTexts(value['by']['scopes']);

const isWill: Check = (value) =>
  isRecord(value) &&
  isText(value['packet']) &&
  isText(value['topicPrefix']) &&
  (value['access'] === undefined || isText(value['access'])) &&
  isNumber(value['delayMs']);

const fields: { readonly [Type in NodeMessage['type']]: Readonly<Record<string, Check>> } = {
  claim: { epoch: isNumber, clientId: isText, claim: isNumber, isClean: isTruth },
  granted: { epoch: isNumber, clientId: isText, claim: isNumber, session: isSession },
  denied: { clientId: isText, claim: isNumber },
  release: { epoch: isNumber, clientId: isText },
  yield: { clientId: isText, turn: isNumber, to: isNumber, isClean: isTruth },
  yielded: { clientId: isText, turn: isNumber, session: isSession },
  passed: { clientId: isText, key: isNumber, to: isNumber },
  taken: { clientId: isText, key: isNumber },
  unclaimed: { epoch: isNumber, clientId: isText, key: isNumber },
  unwanted: { clientId: isText, key: isNumber },
  held: { epoch: isNumber, clientIds: areTexts, stamps: areNumbers, lent: areTexts },
  heldAll: { epoch: isNumber },
  adopt: { clientId: isText },
  will: { clientId: isText, will: isWill },
  willOver: { clientId: isText },
  willDue: { clientId: isText, will: isWill, inMs: isNumber },
  asked: { ask: isNumber, question: isQuestion },
  answered: { ask: isNumber, status: isNumber, text: isText, isLast: isTruth },
  heard: { epoch: isNumber },
  used: { epoch: isNumber, clientId: isText },
  outdated: { epoch: isNumber, clientId: isText },
  news: { news: isRecord },
};

/** Undefined: it is none that this version knows. */
export function readNodeMessage(value: unknown): NodeMessage | undefined {
  if (!isRecord(value) || typeof value['type'] !== 'string' || !Object.hasOwn(fields, value['type']))
    return undefined;
  const checks = Object.entries(fields[value['type'] as NodeMessage['type']]);
  return checks.every(([name, check]) => check(value[name])) ? (value as unknown as NodeMessage) : undefined;
}
