/** `rallymq top`: shows the activity of a broker in a terminal, and updates it, over its API. */
import { setTimeout } from 'node:timers/promises';
import { BrokerError } from '../broker-error.ts';
import { readFlags } from '../config/arguments.ts';
import { type ApiRequest, apiFlags, apiFlagsUsage, apiRequestOf, askApi } from './api-request.ts';
import { type Figures, shownFigures } from './top-view.ts';

export const topUsage = [
  'Usage: rallymq top [flags]',
  '',
  'Shows the figures of a running broker, until Ctrl-C.',
  '',
  ...apiFlagsUsage,
  '  --interval N     seconds between two updates, from 1 (default 2)',
  '  --once           shows one interval and exits',
  '',
  'The key needs the scope read.',
  '',
].join('\n');

export interface Terminal {
  readonly isTTY?: boolean;
  write(text: string): unknown;
}

const intervalSecondsMax = 3_600;
const clear = '\x1b[H\x1b[2J';

/** Errors: see readFlags(), apiRequestOf() and askApi(). */
export async function top(
  args: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
  terminal: Terminal,
  pause: (ms: number) => Promise<unknown> = setTimeout,
): Promise<void> {
  const flags = readFlags('rallymq top', args, { ...apiFlags, interval: 'text', once: 'switch' });
  const seconds = Number(flags.interval ?? 2);
  if (!(seconds >= 1 && seconds <= intervalSecondsMax))
    throw new BrokerError(
      'FLAG_VALUE_INVALID',
      `--interval is '${flags.interval}': give a number of seconds from 1 to ${intervalSecondsMax}.`,
    );
  const request = apiRequestOf(flags, environment);
  let before = await look(request);
  do {
    await pause(seconds * 1_000);
    const now = await look(request);
    terminal.write(`${terminal.isTTY === true ? clear : ''}${shownFigures(request.url, before, now)}`);
    before = now;
  } while (flags.once !== true);
}

async function look(request: ApiRequest): Promise<Figures> {
  return (await askApi(request, 'GET', 'stats')) as Figures;
}
