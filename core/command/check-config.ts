/**
 * `rallymq check-config [flags]`: reports everything that would make a start fail, without starting, and settings that are
 * valid but weak. The flags, the environment and the file are those of `rallymq`. Whether the ports are free and the data
 * directory is unused is not checked, because a broker may be running with this very configuration.
 */

import { accessSync, constants, existsSync, readdirSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { BrokerError } from '../broker-error.ts';
import { readCommandLine } from '../config/command-line.ts';
import type { Environment } from '../config/environment.ts';
import type { BrokerConfig } from '../config/options.ts';
import { numericAddress } from '../control/free-port.ts';
import { readAccessFile } from '../security/access-file.ts';
import { readAccessFiles } from '../security/access-files.ts';
import { parseBanFile } from '../security/ban-file.ts';
import { systemClock } from '../sessions/timers.ts';
import { keepsData } from '../storage/keeps-data.ts';
import { unusableDirectory } from '../storage/store.ts';
import { systemReason } from '../system-reason.ts';
import { TlsKeeper } from '../tls/tls-keeper.ts';
import { weaknessesOf } from './weaknesses.ts';

export const checkConfigUsage = [
  'Usage: rallymq check-config [flags of rallymq]',
  '',
  'Reads the configuration and all files that it names, and reports what would prevent a start, and weak',
  'settings. Exit status 0 if the broker would start, 2 if not. It opens no port and changes nothing.',
  '',
].join('\n');

/** Returns the text to print. Errors: those of a start. */
export async function checkConfig(
  args: readonly string[],
  environment: Environment,
  nowMs: number,
): Promise<string> {
  const command = readCommandLine(args, environment);
  if (command.action !== 'start')
    throw new BrokerError('FLAG_UNKNOWN', `--${command.action} is not a flag of rallymq check-config.`);
  const { config, configFile } = command;
  for (const host of [config.host, ...config.listeners.map((listener) => listener.host)])
    if (host !== undefined) await numericAddress(host);
  const files = readAccessFiles(config);
  checkBans(config);
  checkDirectory(config);
  const expiresAtMs = await certificatesExpiryMs(config, nowMs);
  const warnings = weaknessesOf({ config, files, expiresAtMs, nowMs });
  const source = configFile === undefined ? 'The configuration' : configFile;
  return [
    ...warnings.map((sentence) => `weak: ${sentence}`),
    `${source} is valid${weakPart(warnings.length)}.`,
    '',
  ].join('\n');
}

/** Errors: ACCESS_FILE_UNREADABLE, ACCESS_FILE_INVALID. */
function checkBans({ banFile }: BrokerConfig): void {
  if (banFile !== undefined && existsSync(banFile)) parseBanFile(readAccessFile(banFile), banFile);
}

/** A start creates the directory, and its parents, if missing. Errors: STORE_NOT_USABLE. */
function checkDirectory(config: BrokerConfig): void {
  if (!keepsData(config)) return;
  const directory = resolve(`${config.dataDirectory}`);
  let found = directory;
  while (!existsSync(found)) found = dirname(found);
  try {
    readdirSync(found);
    accessSync(found, constants.W_OK | constants.X_OK);
  } catch (cause) {
    throw new BrokerError('STORE_NOT_USABLE', unusableDirectory(directory, systemReason(cause)), { cause });
  }
}

/** When the first certificate expires; undefined without TLS. Errors: CERTIFICATE_INVALID. */
async function certificatesExpiryMs(config: BrokerConfig, nowMs: number): Promise<number | undefined> {
  if (config.tlsCertificates.length === 0) return undefined;
  const keeper = new TlsKeeper({
    config,
    clock: systemClock,
    now: () => nowMs,
    log: () => {},
    onMaterial: () => {},
    onTicketKeys: () => {},
  });
  await keeper.load();
  return nowMs + keeper.counts.certificateDaysLeft * 86_400_000;
}

function weakPart(count: number): string {
  if (count === 0) return '';
  return `, with ${count} weak ${count === 1 ? 'setting' : 'settings'}`;
}
