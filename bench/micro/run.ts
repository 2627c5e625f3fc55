import type { CommandLine } from '../command-line.ts';
export async function runMicro(_c: CommandLine): Promise<boolean> {
  return true;
}
