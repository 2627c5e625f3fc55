/** `rallymq trace`: shows what happens to a client, an address or the messages of a topic filter, as it happens, over the API. */
import { appendFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { BrokerError } from '../broker-error.ts';
import { type Arguments, readFlags } from '../config/arguments.ts';
import { printable } from '../control/text-line.ts';
import { systemReason } from '../system-reason.ts';
import { type ApiRequest, apiFlags, apiFlagsUsage, apiRequestOf, askApi, openApi } from './api-request.ts';

export const traceUsage = [
  'Usage: rallymq trace (--client ID | --topic FILTER | --address IP) [flags]',
  '',
  'Shows events live: connections, subscriptions, messages in and out, drops, disconnections.',
  'It ends with Ctrl-C, or after --seconds.',
  '',
  ...apiFlagsUsage,
  '  --seconds N      ends after N seconds, from 1 to 3600 (default 600)',
  '  --payload N      shows the first N bytes of payloads, to 4096 (default 0: none)',
  '  --output FILE    also appends lines of JSON to FILE',
  '  --json           shows lines of JSON',
  '',
  'The key needs the scopes read and clients. Payloads are shown if the rules let its user read them.',
  '',
].join('\n');

const kinds = {
  ...apiFlags,
  client: 'text',
  topic: 'text',
  address: 'text',
  seconds: 'text',
  payload: 'text',
  output: 'text',
  json: 'switch',
} as const;

type Flags = Arguments<typeof kinds>['flags'];

type Line = Readonly<Record<string, unknown>>;

/** `stop` ends it early. Errors: see readFlags(), apiRequestOf() and askApi(). */
export async function trace(
  args: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
  write: (text: string) => unknown,
  stop: AbortSignal,
): Promise<void> {
  const flags = readFlags('rallymq trace', args, kinds);
  const body = bodyOf(flags);
  const { output } = flags;
  const keep = (text: string): void => (output === undefined ? undefined : append(output, text));
  keep(''); // first, in case the file cannot be written
  const request = apiRequestOf(flags, environment);
  const { id } = (await askApi(request, 'POST', 'traces', body)) as { readonly id: string };
  try {
    for await (const { event, data } of eventsOf(request, id, stop)) {
      if (event === 'end') {
        write(`The trace has ended: ${endings[(JSON.parse(data) as { readonly by: string }).by] ?? data}.\n`);
        break;
      }
      keep(`${data}\n`);
      write(flags.json ? `${data}\n` : `${shownLine(JSON.parse(data) as Line)}\n`);
    }
  } finally {
    await askApi(request, 'DELETE', `traces/${id}`).catch(() => {}); // it is gone with its broker
  }
}

const endings: Readonly<Record<string, string>> = {
  time: 'its time has run out',
  size: 'it has reached its maximum size (traceBytesMax)',
  asked: 'it was stopped by request',
};

function bodyOf({ client, topic, address, seconds, payload }: Flags): Line {
  if ([client, topic, address].filter((each) => each !== undefined).length !== 1)
    throw new BrokerError(
      'FLAG_VALUE_INVALID',
      'Give one of --client, --topic and --address: see rallymq trace --help.',
    );
  return {
    ...(client === undefined ? {} : { clientid: client }),
    ...(topic === undefined ? {} : { topic }),
    ...(address === undefined ? {} : { ip_address: address }),
    ...(seconds === undefined ? {} : { seconds: wholeNumberOf('--seconds', seconds, 1, 3_600) }),
    ...(payload === undefined ? {} : { payload_bytes: wholeNumberOf('--payload', payload, 0, 4_096) }),
  };
}

function wholeNumberOf(flag: string, text: string, min: number, max: number): number {
  const value = /^\d{1,9}$/.test(text) ? Number(text) : -1;
  if (value >= min && value <= max) return value;
  throw new BrokerError(
    'FLAG_VALUE_INVALID',
    `${flag} is '${text}': give a whole number from ${min} to ${max}.`,
  );
}

function append(file: string, text: string): void {
  try {
    appendFileSync(file, text);
  } catch (cause) {
    const sentence = `${file} cannot be written (${systemReason(cause)}): name another file with --output.`;
    throw new BrokerError('FLAG_VALUE_INVALID', sentence, { cause });
  }
}

interface StreamEvent {
  readonly event: string;
  readonly data: string;
  /** The number of the last line; undefined: the event is not a line. */
  readonly id: string | undefined;
}

/** The delay before a stream that the broker has ended is opened again. */
const reopenMs = 500;

/** The broker ends all streams when rights change; a client that still has them continues after its last line. */
async function* eventsOf(request: ApiRequest, id: string, stop: AbortSignal): AsyncGenerator<StreamEvent> {
  let lastEventId = '0';
  while (!stop.aborted) {
    for await (const event of streamOf(request, id, lastEventId, stop)) {
      yield event;
      lastEventId = event.id ?? lastEventId;
    }
    await delay(reopenMs, undefined, { signal: stop }).catch(() => {});
  }
}

async function* streamOf(
  request: ApiRequest,
  id: string,
  lastEventId: string,
  stop: AbortSignal,
): AsyncGenerator<StreamEvent> {
  const decoder = new TextDecoder();
  let rest = '';
  try {
    const { body } = await openApi(request, 'GET', `traces/${id}/events`, { signal: stop, lastEventId });
    for await (const chunk of body ?? []) {
      const blocks = (rest + decoder.decode(chunk as Uint8Array, { stream: true })).split('\n\n');
      rest = blocks.pop() ?? '';
      for (const block of blocks) {
        const [, data] = /^data: (.*)$/m.exec(block) ?? [];
        const [, event = 'message'] = /^event: (.*)$/m.exec(block) ?? [];
        const [, number] = /^id: (.*)$/m.exec(block) ?? [];
        if (data !== undefined) yield { event, data, id: number };
      }
    }
  } catch (cause) {
    if (stop.aborted) return;
    if (cause instanceof BrokerError) throw cause;
    throw new BrokerError('WORKER_FAILED', 'The broker has ended the connection.', { cause });
  }
}

/** For example `19:02:11.043  published  ada  scores/1  QoS 1  12 bytes`. Names and topics must not move the cursor. */
function shownLine(line: Line): string {
  const { at, event, clientid, topic, topics, qos, retain, payload_size: size, from, reason, detail } = line;
  const parts = [
    `${at}`.slice(11, 23),
    `${event}`.padEnd(12),
    clientid === undefined ? undefined : `${clientid ?? '(the host program)'}`,
    topic,
    Array.isArray(topics)
      ? topics.map(({ topic: filter, reason: why }: Line) => `${filter} (${why})`).join(', ')
      : undefined,
    qos === undefined ? undefined : `QoS ${qos}`,
    retain === true ? 'retain' : undefined,
    size === undefined ? undefined : `${size} bytes`,
    from === undefined ? undefined : `from ${from ?? '(the host program)'}`,
    reason,
    detail,
    line['messages'] === undefined ? undefined : `${line['messages']} messages were omitted`,
    line['payload'] === undefined ? undefined : JSON.stringify(line['payload']),
  ];
  return printable(parts.filter((part) => part !== undefined).join('  '));
}
