import type { CommandLine } from '../command-line.ts';
export async function report(_c: CommandLine): Promise<boolean> {
  return true;
}
export async function publish(_c: CommandLine): Promise<boolean> {
  return true;
}
