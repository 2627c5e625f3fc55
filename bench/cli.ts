/**
 * The command `npm run bench`. Exit status: 0 if it ran, 1 if a load found faults or the suite itself failed,
 * 2 for a usage error or a missing requirement.
 */
import { BenchError } from './bench-error.ts';
import { runBrowser } from './browser/run.ts';
import { runCatchUp } from './catch-up/run.ts';
import { runCluster } from './cluster/run.ts';
import { type CommandLine, readCommandLine, type Subcommand, usage } from './command-line.ts';
import { runHandOver } from './hand-over/run.ts';
import { runLists } from './http/lists.ts';
import { runHttp } from './http/run.ts';
import { runStreams } from './http/streams.ts';
import { runAuthorised } from './load/authorised.ts';
import { runDurable } from './load/durable.ts';
import { runObserved } from './load/observed.ts';
import { scenariosOf } from './load/scenarios.ts';
import { runLog } from './log/run.ts';
import { runLogins } from './logins/run.ts';
import { runMicro } from './micro/run.ts';
import { runPeers } from './peers/run.ts';
import { runSoak } from './peers/soak.ts';
import { publish, report } from './report/report.ts';
import { runStart } from './start/run.ts';
import { runTls } from './tls/run.ts';
import { runBackup } from './upkeep/backup.ts';
import { runChurn } from './upkeep/churn.ts';

/** Each returns whether everything went well. */
const runs: Readonly<Record<Subcommand, (command: CommandLine) => Promise<boolean>>> = {
  all: async (command) => {
    const sound = [await runMicro(command), await runHttp(command), await runPeers(command)];
    sound.push(await runHandOver({ ...command, only: undefined }), await runBrowser(command));
    return !sound.includes(false);
  },
  micro: runMicro,
  http: runHttp,
  lists: runLists,
  streams: runStreams,
  log: runLog,
  logins: runLogins,
  tls: runTls,
  start: runStart,
  'catch-up': runCatchUp,
  churn: runChurn,
  backup: runBackup,
  browser: runBrowser,
  load: (command) => {
    if (command.only?.includes('authorised')) return runAuthorised(command);
    if (command.only?.includes('observed')) return runObserved(command);
    if (command.only?.includes('durable')) return runDurable(command);
    return runPeers({ ...command, peers: ['rallymq'] });
  },
  peers: runPeers,
  'hand-over': runHandOver,
  cluster: runCluster,
  soak: runSoak,
  report,
  publish,
  scenarios: listScenarios,
};

async function main(): Promise<void> {
  const command = readCommandLine(process.argv.slice(2));
  if (command.help) process.stdout.write(usage);
  else if (!(await runs[command.subcommand](command))) process.exitCode = 1;
}

async function listScenarios({ full }: CommandLine): Promise<boolean> {
  for (const { name, title, isLong } of scenariosOf(full ? 'full' : 'quick')) {
    process.stdout.write(
      `  ${name.padEnd(18)} ${title}${isLong && !full ? ' (with --full or --only)' : ''}\n`,
    );
  }
  return true;
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => process.exit(1)); // child processes end with it
}

main().catch((error: unknown) => {
  const isTheirs = error instanceof BenchError;
  process.stderr.write(`bench: ${isTheirs ? error.message : ((error as Error).stack ?? String(error))}\n`);
  process.exit(isTheirs ? 2 : 1);
});
