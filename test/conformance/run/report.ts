/** docs/conformance.md: each statement of both versions, and what came of it. */
import { findings } from '../peers/findings.ts';
import type { PeerRecord, PeerResult } from '../peers/recorded.ts';
import { ledgers } from '../support/ledgers.ts';
import { type Version, versions } from '../support/packets.ts';
import { sectionOf, sectionTitles } from './section-titles.ts';
import type { Outcomes } from './test-run.ts';

export interface Results {
  /** The line that sums it up. */
  readonly line: string;
  readonly outcomes: Outcomes;
}

export function render(ours: Readonly<Record<Version, Results>>, how: string, peer: PeerRecord): string {
  return [
    '# Conformance',
    '',
    'Written by `npm run conformance`; not to be edited. Every normative statement of MQTT 3.1.1 and MQTT 5.0',
    "(Appendix B of each) is listed in the project's own words, under its identifier in the specification.",
    "Each is tested with raw bytes over real sockets by `test/conformance/`, or is not the server's, with the",
    'reason. MQTT 3.1 has no numbered statements; `test/conformance/v3.1.1/3.0-mqtt-3.1.test.ts` has its tests.',
    '',
    `RallyMQ, ${how}:`,
    '',
    ...versions.map((version) => `    ${ours[version].line}`),
    '',
    `The same tests against Debian's ${peer.name}, as it is installed, but with \`allow_anonymous\``,
    '(`npm run conformance -- --peer mosquitto`):',
    '',
    ...versions.map((version) => `    ${peer.results[version]?.line ?? `MQTT ${version}: not run`}`),
    '',
    'Any other broker: `npm run conformance -- --url mqtt://host:port --url ws://host:port/path`. Tests that need',
    'a setting of the broker are not run there.',
    '',
    ...versions.flatMap((version) => renderFindings(version, peer)),
    ...versions.flatMap((version) => renderVersion(version, ours[version], peer)),
  ]
    .join('\n')
    .replace(/\n+$/, '\n');
}

function renderFindings(version: Version, { name, results }: PeerRecord): string[] {
  const failed = results[version]?.failed ?? [];
  if (failed.length === 0) return [];
  const notes: Readonly<Record<string, string>> = findings[version];
  return [
    `## What was found in ${name}: MQTT ${version}`,
    '',
    'Each of these failures was confirmed by hand.',
    '',
    ...failed.map((identifier) => `- **${identifier}** ${notes[identifier] ?? 'Not confirmed yet.'}`),
    '',
  ];
}

function renderVersion(version: Version, { outcomes }: Results, peer: PeerRecord): string[] {
  const sections = new Map<string, string[]>();
  for (const [identifier, statement] of Object.entries(ledgers[version])) {
    const section = sectionOf(identifier);
    const rows = sections.get(section) ?? [];
    sections.set(section, rows);
    if (typeof statement === 'string') {
      const results = `${resultOf(outcomes, identifier)} | ${resultOfPeer(peer.results[version], identifier)}`;
      rows.push(`| ${identifier} | ${cell(statement)} | ${results} |`);
    } else {
      rows.push(
        `| ${identifier} | ${cell(statement.text)} | not the server's: ${cell(statement.notTheServers)} | |`,
      );
    }
  }
  return [...sections].flatMap(([section, rows]) => [
    `## MQTT ${version}, ${section} ${sectionTitles[version][section] ?? ''}`.trimEnd(),
    '',
    '| statement | what it says | RallyMQ | mosquitto |',
    '| --- | --- | --- | --- |',
    ...rows,
    '',
  ]);
}

function resultOf(outcomes: Outcomes, identifier: string): string {
  const outcome = outcomes.get(identifier);
  if (outcome === undefined) return 'not run';
  return outcome.failures.length === 0 ? 'passed' : 'FAILED';
}

function resultOfPeer(result: PeerResult | undefined, identifier: string): string {
  if (result === undefined || result.notRun.includes(identifier)) return 'not run';
  return result.failed.includes(identifier) ? 'failed' : 'passed';
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|');
}
