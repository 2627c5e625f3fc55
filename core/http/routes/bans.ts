/** Bans in EMQX's terms: `as` names the kind (client identifier, user name or address), `who` the value. */
import { BrokerError } from '../../broker-error.ts';
import type { Ban, BanKind } from '../../security/bans.ts';
import { assertKnown, cursorParameter, limitOf, limitParameter, pageBody } from '../list-query.ts';
import { objectOf } from '../message-body.ts';
import { oneOf, page, record, text, time } from '../operation.ts';
import { whereverItIs } from '../other-nodes.ts';
import { apiAnswer, noContent, problem, quoted, RequestFault } from '../problem.ts';
import type { Route } from '../route.ts';
import { openedCursor, sealedCursor } from '../sealed-cursor.ts';

const kinds = {
  clientid: 'clientId',
  username: 'username',
  peerhost: 'address',
} as const satisfies Readonly<Record<string, BanKind>>;
type ShownKind = keyof typeof kinds;
const shownKinds = Object.keys(kinds) as readonly ShownKind[];

const banSchema = record(
  {
    as: oneOf(...shownKinds),
    who: { ...text, description: 'for a peerhost an address, or a network such as 203.0.113.0/24' },
    by: { ...oneOf('hand', 'failedLogins', 'flapping'), description: 'the broker itself, or the operator' },
    reason: text,
    until: { ...time, description: 'absent: permanent' },
  },
  'until',
);
const givenSchema = record(
  { as: oneOf(...shownKinds), who: text, reason: text, until: time },
  'reason',
  'until',
);

const query = { limit: limitParameter, cursor: cursorParameter };

const listName = 'bans';

export const bans: Route = {
  method: 'get',
  path: '/api/v1/banned',
  right: 'read',
  operation: {
    summary: 'List bans',
    description: 'Bans set by an operator, in the file or here, and by the broker itself, sorted by name.',
    query,
    answers: { 200: { description: 'A page', schema: page(banSchema) }, 400: 'A parameter is invalid' },
  },
  handle: ({ query: asked }, { source }) => {
    assertKnown(asked, query);
    const limit = limitOf(asked);
    const after = openedCursor<string>(listName, asked);
    // By name: a ban that ends meanwhile would move those behind it to another page.
    const all = source
      .bans()
      .map((ban) => ({ ban, name: nameOf(ban) }))
      .filter(({ name }) => after === undefined || name > after)
      .sort((a, b) => (a.name < b.name ? -1 : 1));
    const rows = all.slice(0, limit);
    const cursor = all.length > limit ? sealedCursor(listName, rows.at(-1)?.name) : undefined;
    return apiAnswer(
      200,
      pageBody(
        rows.map(({ ban }) => shownBan(ban)),
        limit,
        cursor,
      ),
    );
  },
};

export const addBan: Route = {
  method: 'post',
  path: '/api/v1/banned',
  right: 'clients',
  takesBody: true,
  operation: {
    summary: 'Add a ban',
    description:
      'Connected clients that it concerns are disconnected with 0x98. It is written to the file of --ban-file, if there is one.',
    body: givenSchema,
    answers: {
      200: { description: 'The ban', schema: banSchema },
      400: 'The body is invalid',
      422: 'The file of bans cannot be written',
    },
  },
  handle: ({ body, caller }, { source }) => {
    if (caller === undefined) return problem(403, 'Nobody asks.');
    const given = objectOf(body, 'The body');
    const { as, who, reason = '', until } = given;
    const unknown = Object.keys(given).find((name) => !['as', 'who', 'reason', 'until'].includes(name));
    if (unknown !== undefined)
      throw new RequestFault(
        400,
        `A ban has no field '${unknown.slice(0, 40)}': use as, who, reason and until.`,
      );
    if (typeof as !== 'string' || !isShownKind(as))
      throw new RequestFault(400, `as must be one of ${shownKinds.join(', ')}.`);
    if (typeof who !== 'string' || typeof reason !== 'string')
      throw new RequestFault(400, 'who and reason must be strings.');
    const expiresAt = until === undefined ? {} : { expiresAt: timeOf(until) };
    return changed(() =>
      apiAnswer(200, shownBan(source.ban({ kind: kinds[as], value: who, reason, ...expiresAt }, caller))),
    );
  },
};

/** A ban that only another node has: by that broker itself, or from its file. */
export const deleteBan: Route = whereverItIs({
  method: 'delete',
  path: '/api/v1/banned/{as}/{who}',
  right: 'clients',
  operation: {
    summary: 'Lift a ban',
    answers: {
      204: 'The ban is lifted',
      404: 'There is no such ban',
      422: 'The file of bans cannot be written',
    },
  },
  handle: ({ parameters, caller }, { source }) => {
    if (caller === undefined) return problem(403, 'Nobody asks.');
    const { as = '', who = '' } = parameters;
    const isLifted = (): boolean => isShownKind(as) && source.liftBan(kinds[as], who, caller);
    return changed(() =>
      isLifted() ? noContent() : problem(404, `There is no ban of ${quoted(as)} ${quoted(who)}.`),
    );
  },
});

function changed(change: () => ReturnType<typeof apiAnswer>): ReturnType<typeof apiAnswer> {
  try {
    return change();
  } catch (error) {
    if (!(error instanceof BrokerError)) throw error;
    if (error.code === 'BAN_INVALID') return problem(400, error.message);
    if (error.code.startsWith('ACCESS_FILE_')) return problem(422, error.message);
    throw error;
  }
}

function nameOf({ kind, value }: Ban): string {
  return `${kind} ${value}`;
}

function isShownKind(value: string): value is ShownKind {
  return Object.hasOwn(kinds, value);
}

/** Errors: RequestFault. */
function timeOf(until: unknown): Date {
  const date = new Date(typeof until === 'string' ? until : Number.NaN);
  if (!(date.getTime() > Date.now()))
    throw new RequestFault(400, 'until must be a time in the future, such as 2130-01-01T00:00:00Z.');
  return date;
}

function shownBan({ kind, value, origin, reason, expiresAt }: Ban): Readonly<Record<string, unknown>> {
  return {
    as: shownKinds.find((shown) => kinds[shown] === kind),
    who: value,
    by: origin,
    reason,
    ...(expiresAt === undefined ? {} : { until: expiresAt.toISOString() }),
  };
}
