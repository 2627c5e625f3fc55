/** `rallymq trace`: what happens to a client, an address or the messages of a topic filter, as it comes, over the API. */
import { appendFileSync } from 'node:fs';
import { BrokerError } from '../broker-error.ts';
import { type ApiRequest, apiFlagsUsage, askApi, openApi, readApiRequest } from './api-request.ts';

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

const flags = {
  client: { type: 'string' },
  topic: { type: 'string' },
  address: { type: 'string' },
  seconds: { type: 'string' },
  payload: { type: 'string' },
  output: { type: 'string' },
  json: { type: 'boolean' },
} as const;

type Line = Readonly<Record<string, unknown>>;

/** `stop`: whoever calls has had enough. Errors: as readApiRequest() and askApi(). */
export async function trace(
  args: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
  write: (text: string) => unknown,
  stop: AbortSignal,
): Promise<void> {
  const { request, values } = readApiRequest(args, environment, flags);
  const body = bodyOf(values);
  const output = values['output'];
  const keep = typeof output === 'string' ? (line: string) => appendLine(output, line) : () => {};
  const { id } = (await askApi(request, 'POST', 'traces', body)) as { readonly id: string };
  try {
    for await (const { event, data } of eventsOf(request, id, stop)) {
      if (event === 'end') {
        write(`The trace has ended: ${endings[(JSON.parse(data) as { readonly by: string }).by] ?? data}.\n`);
        break;
      }
      keep(data);
      write(values['json'] === true ? `${data}\n` : `${shownLine(JSON.parse(data) as Line)}\n`);
    }
  } finally {
    await askApi(request, 'DELETE', `traces/${id}`).catch(() => {}); // it has gone with its broker
  }
}

const endings: Readonly<Record<string, string>> = {
  time: 'its time was over',
  size: 'it has reached its maximum size (traceBytesMax)',
  asked: 'it was stopped by request',
};

function bodyOf(values: Readonly<Record<string, unknown>>): Line {
  const { client, topic, address, seconds, payload } = values;
  if ([client, topic, address].filter((each) => each !== undefined).length !== 1)
    throw new BrokerError('FLAG_VALUE_INVALID', 'Give one of --client, --topic and --address.');
  return {
    ...(client === undefined ? {} : { clientid: client }),
    ...(topic === undefined ? {} : { topic }),
    ...(address === undefined ? {} : { ip_address: address }),
    ...(seconds === undefined ? {} : { seconds: wholeNumberOf('seconds', seconds) }),
    ...(payload === undefined ? {} : { payload_bytes: wholeNumberOf('payload', payload) }),
  };
}

/** What it may be the broker says. */
function wholeNumberOf(flag: string, value: unknown): number {
  if (/^\d{1,9}$/.test(`${value}`)) return Number(value);
  throw new BrokerError('FLAG_VALUE_INVALID', `--${flag} is a whole number.`);
}

function appendLine(file: string, line: string): void {
  try {
    appendFileSync(file, `${line}\n`);
  } catch (cause) {
    throw new BrokerError('FLAG_VALUE_INVALID', `--output: ${file} cannot be written.`, { cause });
  }
}

interface StreamEvent {
  readonly event: string;
  readonly data: string;
}

async function* eventsOf(request: ApiRequest, id: string, stop: AbortSignal): AsyncGenerator<StreamEvent> {
  const decoder = new TextDecoder();
  let rest = '';
  try {
    const { body } = await openApi(request, 'GET', `traces/${id}/events`, { signal: stop });
    for await (const chunk of body ?? []) {
      const blocks = (rest + decoder.decode(chunk as Uint8Array, { stream: true })).split('\n\n');
      rest = blocks.pop() ?? '';
      for (const block of blocks) {
        const [, data] = /^data: (.*)$/m.exec(block) ?? [];
        const [, event = 'message'] = /^event: (.*)$/m.exec(block) ?? [];
        if (data !== undefined) yield { event, data };
      }
    }
  } catch (cause) {
    if (stop.aborted) return;
    if (cause instanceof BrokerError) throw cause;
    throw new BrokerError('WORKER_FAILED', 'The broker has ended the connection.', { cause });
  }
}

/** Such as `19:02:11.043  published  ada  scores/1  QoS 1  12 bytes`. */
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
    line['messages'] === undefined ? undefined : `${line['messages']} messages were left out`,
    line['payload'] === undefined ? undefined : JSON.stringify(line['payload']),
  ];
  return parts.filter((part) => part !== undefined).join('  ');
}
