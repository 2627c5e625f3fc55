import type { CommandLine } from '../command-line.ts';
export async function runHttp(_c: CommandLine): Promise<boolean> {
  return true;
}
