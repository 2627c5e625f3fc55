/** `rallymq pub TOPIC [MESSAGE]`: publishes a message, to try a broker without another program. */
import { invalid, readArguments } from '../config/arguments.ts';
import { packetSizeMax } from '../wire/frame-reader.ts';
import { isValidTopicName } from '../wire/topic.ts';
import { MqttConnection, mqttFlags, mqttFlagsUsage, mqttTargetOf, qosOf } from './mqtt-connection.ts';

/** Of a PUBLISH, beside its topic and its message: the fixed header, the length of the topic, the packet identifier, no properties. */
const headBytesMax = 5 + 2 + 2 + 1;

export const pubUsage = [
  'Usage: rallymq pub TOPIC [MESSAGE] [flags]',
  '',
  'Publishes a message to a broker. Without MESSAGE it is read from standard input.',
  '',
  '  --retain     keeps it for later subscribers; an empty MESSAGE removes a kept one',
  '  --qos N      0, 1 or 2 (default 1)',
  ...mqttFlagsUsage,
  '',
  'It prints nothing if the broker has accepted the message.',
  '',
].join('\n');

/** Errors: see readArguments() and mqttTargetOf(); BROKER_NOT_REACHED, CLIENT_REFUSED. */
export async function pub(
  args: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
): Promise<void> {
  const { flags, operands } = readArguments('rallymq pub', args, { ...mqttFlags, retain: 'switch' });
  const [topic, message, ...more] = operands;
  if (topic === undefined || more.length > 0 || (message === undefined && process.stdin.isTTY))
    throw invalid('Give a topic and a message: rallymq pub TOPIC MESSAGE.');
  if (!isValidTopicName(topic))
    throw invalid(`'${topic}' is not a topic: it must not be empty, and + and # are for rallymq sub.`);
  const qos = qosOf(flags, 1);
  const target = await mqttTargetOf(flags, environment);
  const bytesMax = packetSizeMax - headBytesMax - Buffer.byteLength(topic);
  const payload = message === undefined ? await standardInput(bytesMax) : Buffer.from(message);
  const connection = new MqttConnection(target, () => {});
  await connection.accepted;
  await connection.publish(topic, payload, qos, flags.retain === true);
  await connection.close();
}

/** It may have no end. */
async function standardInput(bytesMax: number): Promise<Uint8Array> {
  const chunks: Buffer[] = [];
  let byteCount = 0;
  for await (const chunk of process.stdin) {
    byteCount += (chunk as Buffer).length;
    if (byteCount > bytesMax) throw invalid('The message is too long: an MQTT packet has at most 256 MiB.');
    chunks.push(chunk as Buffer);
  }
  return Buffer.concat(chunks);
}
