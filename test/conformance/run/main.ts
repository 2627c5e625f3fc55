/** `npm run conformance`: both versions, every statement, one line for each version, and the report. */
import { writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { type PeerResult, readRecord, writeRecord } from '../peers/recorded.ts';
import { gapsOf } from '../support/gaps.ts';
import { allTitles, ledgers } from '../support/ledgers.ts';
import type { Version } from '../support/packets.ts';
import { type Arguments, parse, usage } from './arguments.ts';
import { startMosquitto } from './peer.ts';
import { type Results, render } from './report.ts';
import { lineOf, summarise } from './summary.ts';
import { type Outcomes, runTests } from './test-run.ts';

const reportPath = resolve(import.meta.dirname, '../../../../docs/conformance.md');

async function main(): Promise<boolean> {
  const args = parse(process.argv.slice(2));
  if (args.help) {
    console.log(usage);
    return true;
  }
  const isComplete = await hasNoGaps(args);
  const peer = args.peer === undefined ? undefined : await startMosquitto();
  try {
    const broker = peer?.name ?? (args.target === undefined ? 'RallyMQ' : 'the broker at --url');
    const results = await runVersions({ ...args, target: peer?.target ?? args.target });
    print(broker, results);
    const isPassed = [...results.values()].every(({ outcomes }) => failuresOf(outcomes).length === 0);
    if (args.only !== undefined || args.target !== undefined) return isComplete && isPassed;
    if (peer !== undefined) {
      record(peer.name, results);
      return isComplete; // what it finds in a peer is a finding, not a failure
    }
    report(args, results);
    return isComplete && isPassed;
  } finally {
    peer?.stop();
  }
}

async function hasNoGaps({ versions }: Arguments): Promise<boolean> {
  let isComplete = true;
  for (const version of versions) {
    for (const gap of gapsOf(ledgers[version], await allTitles(version))) {
      isComplete = false;
      console.log(`MQTT ${version}: ${gap}`);
    }
  }
  return isComplete;
}

async function runVersions(args: Arguments): Promise<Map<Version, Results>> {
  const results = new Map<Version, Results>();
  const { transports, only, target } = args;
  for (const version of args.versions) {
    const outcomes: Outcomes = new Map();
    for (const workers of target === undefined ? args.workers : [0]) {
      const what = workers === 0 ? '' : `, ${workers} ${workers === 1 ? 'worker' : 'workers'}`;
      await runTests({ version, transports, only, target, workers }, outcomes, (name, tests, failed) => {
        if (tests > 0)
          console.log(`  ${name}${what}: ${tests} tests${failed > 0 ? `, ${failed} FAILED` : ''}`);
      });
    }
    results.set(version, { outcomes, line: lineOf(summarise(version, ledgers[version], outcomes)) });
  }
  return results;
}

function print(broker: string, results: Map<Version, Results>): void {
  for (const [version, { outcomes }] of results) {
    for (const identifier of failuresOf(outcomes)) {
      console.log(`\nMQTT ${version}: FAILED ${identifier}`);
      for (const { title, message } of outcomes.get(identifier)?.failures ?? []) {
        console.log(`  ${title}\n    ${message}`);
      }
    }
  }
  console.log(`\n${broker}`);
  for (const { line } of results.values()) console.log(line);
}

function failuresOf(outcomes: Outcomes): string[] {
  return [...outcomes].filter(([, { failures }]) => failures.length > 0).map(([identifier]) => identifier);
}

/** Keeps what was found in the peer, for the report that is written with the next run of RallyMQ. */
function record(name: string, results: Map<Version, Results>): void {
  const kept: Partial<Record<Version, PeerResult>> = { ...readRecord().results };
  for (const [version, { outcomes, line }] of results) {
    const tested = Object.entries(ledgers[version]).filter(([, statement]) => typeof statement === 'string');
    const notRun = tested.map(([identifier]) => identifier).filter((identifier) => !outcomes.has(identifier));
    kept[version] = { line, failed: failuresOf(outcomes).sort(), notRun };
  }
  writeRecord({ name, results: kept });
  console.log('Recorded; the next `npm run conformance` writes it into docs/conformance.md');
}

/** One version, one transport or some tests are not a whole report. */
function report({ transports, workers }: Arguments, results: Map<Version, Results>): void {
  const [mqtt311, mqtt5] = [results.get('3.1.1'), results.get('5.0')];
  if (mqtt311 === undefined || mqtt5 === undefined || transports.length < 2) return;
  const how = `over TCP and over WebSocket, with ${workers.join(' and with ')} worker${workers.at(-1) === 1 ? '' : 's'}`;
  writeFileSync(reportPath, render({ '3.1.1': mqtt311, '5.0': mqtt5 }, how, readRecord()));
  console.log('Wrote docs/conformance.md');
}

try {
  process.exitCode = (await main()) ? 0 : 1;
} catch (error) {
  console.error(error instanceof Error ? `conformance: ${error.message}` : error);
  process.exitCode = 2;
}
