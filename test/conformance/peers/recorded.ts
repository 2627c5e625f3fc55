/** What the last run against a peer found, kept beside the tests so that every report can show it. */
import { readFileSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Version } from '../support/packets.ts';

export interface PeerRecord {
  /** With its version. */
  readonly name: string;
  /** The line of each version, and the statements that failed or could not be run. */
  readonly results: Partial<Record<Version, PeerResult>>;
}

export interface PeerResult {
  readonly line: string;
  readonly failed: readonly string[];
  readonly notRun: readonly string[];
}

const path = resolve(import.meta.dirname, '../../../../test/conformance/peers/mosquitto.json');

export function readRecord(): PeerRecord {
  return JSON.parse(readFileSync(path, 'utf8')) as PeerRecord;
}

export function writeRecord(record: PeerRecord): void {
  writeFileSync(path, `${JSON.stringify(record, null, 2)}\n`);
}
