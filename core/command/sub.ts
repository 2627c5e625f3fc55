/** `rallymq sub FILTER...`: prints messages as they arrive, to try a broker without another program. */
import { invalid, readArguments } from '../config/arguments.ts';
import { printable } from '../control/text-line.ts';
import type { PublishPacket } from '../wire/packets.ts';
import { isValidTopicFilter } from '../wire/topic.ts';
import { MqttConnection, mqttFlags, mqttFlagsUsage, mqttTargetOf, qosOf } from './mqtt-connection.ts';

export const subUsage = [
  'Usage: rallymq sub FILTER... [flags]',
  '',
  'Prints each message as a line with its topic and its text. It ends with Ctrl-C, or after --count.',
  '',
  '  --count N    ends after N messages',
  '  --qos N      0, 1 or 2 (default 1)',
  ...mqttFlagsUsage,
  '',
].join('\n');

/** Prints to `output` until `stop`. Errors: see readArguments() and mqttTargetOf(); BROKER_NOT_REACHED, CLIENT_REFUSED. */
export async function sub(
  args: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
  output: { readonly isTTY?: boolean; write(line: Uint8Array | string): unknown },
  stop: AbortSignal,
): Promise<void> {
  const { flags, operands: filters } = readArguments('rallymq sub', args, { ...mqttFlags, count: 'text' });
  if (filters.length === 0) throw invalid("Give a topic filter: rallymq sub 'scores/#'.");
  const wrong = filters.find((filter) => !isValidTopicFilter(filter));
  if (wrong !== undefined)
    throw invalid(`'${wrong}' is not a topic filter: + stands for a whole level, and # for all that follow.`);
  const qos = qosOf(flags, 1);
  let left = countOf(flags.count);
  const target = await mqttTargetOf(flags, environment);
  const close = (): void => void connection.close().catch(() => {}); // `ended` has the error
  const connection = new MqttConnection(target, (message) => {
    if (left === 0) return;
    output.write(output.isTTY === true ? shownOnTerminal(message) : lineOf(message));
    if (--left === 0) close();
  });
  stop.addEventListener('abort', close);
  if (stop.aborted) close();
  await connection.accepted;
  for (const filter of filters) await Promise.race([connection.subscribe(filter, qos), connection.ended]);
  await connection.ended;
}

function countOf(text: string | undefined): number {
  if (text === undefined) return Number.POSITIVE_INFINITY;
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text);
  throw invalid(`--count is '${text}': give a whole number above 0.`);
}

/** Message contents must not move the cursor. */
function shownOnTerminal({ topic, payload }: PublishPacket): string {
  return `${printable(topic)} ${printable(Buffer.from(payload).toString())}\n`;
}

function lineOf({ topic, payload }: PublishPacket): Uint8Array {
  return Buffer.concat([Buffer.from(`${topic} `), payload, Buffer.from('\n')]);
}
