/** The subcommands `report` and `publish`: docs/benchmarks.md, docs/capacity.md and docs/plots/ from results. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { BenchError } from '../bench-error.ts';
import type { CommandLine } from '../command-line.ts';
import { say } from '../progress.ts';
import {
  publishedFolder,
  type ResultFiles,
  readResult,
  reportedKinds,
  resultsFolder,
  writeResult,
} from '../results.ts';
import { root } from '../root.ts';
import { capacityPage } from './capacity.ts';
import { compareSection } from './compare-section.ts';
import { handOverSection } from './hand-over-section.ts';
import { peersSection, type Section } from './peers-section.ts';
import { browserSection, clusterSection, httpSection, microSection, soakSection } from './small-sections.ts';
import { summarySection } from './summary-section.ts';

type Results = { readonly [Kind in (typeof reportedKinds)[number]]: ResultFiles[Kind] | undefined };

const introduction = `# Benchmarks

This page is written by \`npm run bench -- report\` from the results in \`bench/published/\`; none of it is
written by hand. [docs/capacity.md](capacity.md) derives from the same results what a machine can carry.`;

const method = `## How it is measured

The load generator is \`bench/load/generator\`, in C++. Its clients are raw sockets that send packets encoded in
advance, and it reports when it was the limit itself. It runs on the same machine as the broker, so both share the
cores. In a *closed loop* a publisher has at most \`window\` messages that have not reached all their subscribers; in
an *open loop* (at a fixed rate) latency counts from the moment at which a message was due. Every message has
a number: lost, duplicate and reordered ones are counted, and listed below the table. Broker CPU is that of
the whole process, with all threads, and memory is what is resident, both from \`/proc\`. Latencies are kept in a histogram with
64 steps for each power of two (HdrHistogram), so a percentile is at most 1.6 % too high.`;

/** All files of the report by their path from the root. Errors: BenchError if there are no results. */
export async function reportFiles(folder: string): Promise<ReadonlyMap<string, string>> {
  const results: Results = {
    micro: await readResult(folder, 'micro'),
    http: await readResult(folder, 'http'),
    browser: await readResult(folder, 'browser'),
    peers: await readResult(folder, 'peers'),
    handOver: await readResult(folder, 'handOver'),
    cluster: await readResult(folder, 'cluster'),
    soak: await readResult(folder, 'soak'),
  };
  const sections = sectionsOf(results);
  if (sections.length === 0)
    throw new BenchError(
      `There are no results in ${folder}; "npm run bench -- --full" and then "npm run bench -- publish" make some.`,
    );
  const files = new Map<string, string>();
  files.set(
    'docs/benchmarks.md',
    `${[
      introduction,
      ...(results.peers ? summarySection(results.peers) : []),
      method,
      ...sections.map(({ markdown }) => markdown),
      compareSection(),
    ].join('\n\n')}\n`,
  );
  for (const { plots } of sections) {
    for (const [name, svg] of Object.entries(plots)) files.set(`docs/plots/${name}`, svg);
  }
  if (results.peers)
    files.set('docs/capacity.md', capacityPage(results.peers, results.handOver, results.cluster));
  return files;
}

export async function report(_: CommandLine): Promise<boolean> {
  for (const [path, content] of await reportFiles(publishedFolder)) {
    const target = join(root, path);
    await mkdir(join(target, '..'), { recursive: true });
    await writeFile(target, content);
    say(`Written ${path}`);
  }
  return true;
}

export async function publish(command: CommandLine): Promise<boolean> {
  for (const kind of reportedKinds) await copy(kind);
  return await report(command);
}

async function copy<Kind extends keyof ResultFiles>(kind: Kind): Promise<void> {
  const result = await readResult(resultsFolder, kind);
  if (result) await writeResult(publishedFolder, kind, result);
}

function sectionsOf({ peers, browser, handOver, cluster, soak, micro, http }: Results): Section[] {
  return [
    ...(peers ? [peersSection(peers)] : []),
    ...(browser ? [browserSection(browser)] : []),
    ...(handOver ? [handOverSection(handOver)] : []),
    ...(cluster ? [clusterSection(cluster)] : []),
    ...(soak ? [soakSection(soak)] : []),
    ...(http ? [httpSection(http)] : []),
    ...(micro ? [microSection(micro)] : []),
  ];
}
