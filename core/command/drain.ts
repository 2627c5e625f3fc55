/** `rallymq drain`: empties a running broker over its API; it stops when the last client has disconnected. */
import { readFlags } from '../config/arguments.ts';
import { apiFlags, apiFlagsUsage, apiRequestOf, askApi } from './api-request.ts';

export const drainUsage = [
  'Usage: rallymq drain [flags]',
  '',
  'Makes a running broker refuse new clients, disconnect the others, drainClientsPerSecond of them each',
  'second, and stop.',
  '',
  ...apiFlagsUsage,
  '',
  'The key needs the scope config.',
  '',
].join('\n');

/** Returns the text to print. Errors: see readFlags(), apiRequestOf() and askApi(). */
export async function drainCommand(
  args: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
): Promise<string> {
  const flags = readFlags('rallymq drain', args, apiFlags);
  const request = apiRequestOf(flags, environment);
  const { clients } = (await askApi(request, 'POST', 'drain')) as { readonly clients: number };
  return `The broker disconnects ${clients} ${clients === 1 ? 'client' : 'clients'} and then stops.\n`;
}
