/**
 * The subcommand `churn`: for --minutes, devices connect, subscribe, leave, and receive their queued messages
 * when they are back; some sessions end for good, and retained messages are replaced all the time. The size
 * of the data directory is checked each second; the live data at the end are those of a compacted copy. Fails
 * if the directory was ever larger than twice the live data plus 256 MiB.
 */
import { execFile } from 'node:child_process';
import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { connectAsync, type MqttClient } from 'mqtt';
import type { CommandLine } from '../command-line.ts';
import { rallymqWith } from '../peers/rallymq.ts';
import { clear, say, showStep, table } from '../progress.ts';
import { root } from '../root.ts';
import { benchFolder } from '../start/write-store.ts';

const devices = 300;
const retainedTopics = 5_000;
const payload = 'x'.repeat(1_024);
const stepMs = 20;
/** A device is connected in one of this many rounds, and disconnected in the others. */
const roundsAway = 6;
const roundMs = 2_000;
const endsInPercent = 10;
const boundBytes = 256 * 2 ** 20;

export async function runChurn({ minutes, rate }: CommandLine): Promise<boolean> {
  const folder = await benchFolder('churn-store');
  const broker = await rallymqWith('durable', ['--data', folder], 'kept with fsync').start();
  const port = broker.tcp?.port ?? 0;
  const endMs = performance.now() + minutes * 60_000;
  const sizes: number[] = [];
  let published = 0;
  try {
    const publishing = publish(port, rate, endMs).then((count) => (published = count));
    const coming = Promise.all(
      Array.from({ length: devices }, (_, device) => comeAndGo(port, device, endMs)),
    );
    while (performance.now() < endMs) {
      sizes.push(await bytesOnDisk(folder));
      const left = Math.round((endMs - performance.now()) / 1_000);
      showStep(`${left} s left, ${megabytes(sizes.at(-1) ?? 0)} MB on the disk`);
      await delay(Math.min(1_000, Math.max(0, endMs - performance.now())));
    }
    await Promise.all([publishing, coming]);
  } finally {
    await broker.stop();
  }
  try {
    showStep('what is alive');
    await store('compact', folder);
    const { recordBytes } = JSON.parse(await store('check', folder)) as { readonly recordBytes: number };
    const peak = Math.max(...sizes);
    const bound = 2 * recordBytes + boundBytes;
    clear();
    say(
      table([
        ['', 'published', 'alive MB', 'largest MB', 'bound MB', 'at the end MB'],
        [
          `${minutes} min of churn, ${rate} messages a second`,
          published.toLocaleString('en'),
          ...[recordBytes, peak, bound, sizes.at(-1) ?? 0].map(megabytes),
        ],
      ]),
    );
    return peak <= bound;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Half for devices, half retained. Gives how many. */
async function publish(port: number, rate: number, endMs: number): Promise<number> {
  const client = await connectAsync({ host: '127.0.0.1', port });
  const atOnce = Math.max(1, Math.round((rate * stepMs) / 1_000));
  let number = 0;
  let nextMs = performance.now();
  while (performance.now() < endMs) {
    const sent: Promise<unknown>[] = [];
    for (let left = atOnce; left > 0; left--) sent.push(publishOne(client, number++));
    await Promise.all(sent);
    nextMs = Math.max(nextMs + stepMs, performance.now() - 1_000);
    await delay(Math.max(0, nextMs - performance.now()));
  }
  await client.endAsync();
  return number;
}

async function publishOne(client: MqttClient, number: number): Promise<unknown> {
  if (number % 2 === 0)
    return await client.publishAsync(`state/${(number * 7_919) % retainedTopics}`, payload, {
      qos: 1,
      retain: true,
    });
  return await client.publishAsync(`devices/${number % devices}/command`, payload, { qos: 1 });
}

async function comeAndGo(port: number, device: number, endMs: number): Promise<void> {
  for (let round = device % roundsAway; performance.now() < endMs; round++) {
    if (round % roundsAway === 0) await beThere(port, device);
    else await delay(roundMs);
  }
}

async function beThere(port: number, device: number): Promise<void> {
  const clientId = `device-${device}`;
  const properties = { sessionExpiryInterval: 86_400 };
  const client = await connectAsync({
    host: '127.0.0.1',
    port,
    clientId,
    clean: false,
    protocolVersion: 5,
    properties,
  });
  await client.subscribeAsync(`devices/${device}/#`, { qos: 1 });
  await delay(roundMs);
  const isLast = Math.random() * 100 < endsInPercent;
  await client.endAsync(false, isLast ? { properties: { sessionExpiryInterval: 0 } } : {});
}

/** The disk space of all files, each counted once. */
async function bytesOnDisk(folder: string): Promise<number> {
  let bytes = 0;
  for (const name of await readdir(folder)) {
    const found = await stat(join(folder, name)).catch(() => undefined); // it may just have been recycled
    bytes += (found?.blocks ?? 0) * 512;
  }
  return bytes;
}

async function store(action: string, directory: string): Promise<string> {
  const command = [join(root, 'dist', 'core', 'rallymq.js'), 'store', action, '--data', directory, '--json'];
  return (await promisify(execFile)(process.execPath, command)).stdout;
}

function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(0);
}
