/**
 * `rallymq check-config [flags]`: reports everything that would make a start fail, without starting, and settings that are
 * valid but weak. The flags, the environment and the file are those of `rallymq`. Whether the ports are free and the data
 * directory is unused is not checked, because a broker may be running with this very configuration.
 */

import { existsSync } from 'node:fs';
import { BrokerError } from '../broker-error.ts';
import { readCommandLine } from '../config/command-line.ts';
import type { Environment } from '../config/environment.ts';
import type { BrokerConfig } from '../config/options.ts';
import { numericAddress } from '../control/free-port.ts';
import { readAccessFile } from '../security/access-file.ts';
import { readAccessFiles } from '../security/access-files.ts';
import { parseBanFile } from '../security/ban-file.ts';
import { systemClock } from '../sessions/timers.ts';
import { TlsKeeper } from '../tls/tls-keeper.ts';
import { weaknessesOf } from './weaknesses.ts';

export const checkConfigUsage = [
  'Usage: rallymq check-config [flags of rallymq]',
  '',
  'Reads the configuration and all files that it names, and reports what would prevent a start, and weak',
  'settings. Exit status 0 if the broker would start, 2 if not. It opens no port and changes nothing.',
  '',
].join('\n');

/** Returns the text to print. Errors: as for a start. */
export async function checkConfig(
  args: readonly string[],
  environment: Environment,
  nowMs: number,
): Promise<string> {
  const command = readCommandLine(args, environment);
  if (command.action !== 'start')
    throw new BrokerError('FLAG_UNKNOWN', `--${command.action} is not a flag of rallymq check-config.`);
  const { config, configFile } = command;
  await numericAddress(config.host);
  const files = readAccessFiles(config);
  checkBans(config);
  const expiresAtMs = await certificatesExpiryMs(config, nowMs);
  const warnings = weaknessesOf({ config, files, expiresAtMs, nowMs });
  const source = configFile === undefined ? 'The configuration' : configFile;
  return [
    ...warnings.map((sentence) => `weak: ${sentence}`),
    `${source} is in order${weakPart(warnings.length)}.`,
    '',
  ].join('\n');
}

/** Errors: ACCESS_FILE_UNREADABLE, ACCESS_FILE_INVALID. */
function checkBans({ banFile }: BrokerConfig): void {
  if (banFile !== undefined && existsSync(banFile)) parseBanFile(readAccessFile(banFile), banFile);
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
  return `, and ${count} ${count === 1 ? 'thing in it is' : 'things in it are'} weak`;
}
