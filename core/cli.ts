/**
 * The command `rallymq`. Exit status: 0 after a regular stop, 1 if the broker failed, 2 for a usage or configuration
 * error.
 */

import { constants, setPriority } from 'node:os';
import { type Broker, brokerOf, type ListenerAddress, version } from './broker.ts';
import { BrokerError, type BrokerErrorCode } from './broker-error.ts';
import { apiKeyCommand, apiKeyUsage } from './command/api-key.ts';
import { ban, banUsage } from './command/ban.ts';
import { checkConfig, checkConfigUsage } from './command/check-config.ts';
import { drainCommand, drainUsage } from './command/drain.ts';
import { passwd, passwdUsage, readPasswdRequest } from './command/passwd.ts';
import { pub, pubUsage } from './command/pub.ts';
import { sub, subUsage } from './command/sub.ts';
import { mintToken, tokenUsage } from './command/token.ts';
import { top, topUsage } from './command/top.ts';
import { trace, traceUsage } from './command/trace.ts';
import { type CommandLine, commandNames, readCommandLine } from './config/command-line.ts';
import { unknownVariables } from './config/environment.ts';
import { withFlags } from './config/flag-names.ts';
import type { BrokerConfig } from './config/options.ts';
import { usage } from './config/usage.ts';
import { createLogger } from './control/logger.ts';
import { ServiceNotices } from './control/service-notices.ts';
import { loadAddon } from './data-plane/addon.ts';
import { systemClock } from './sessions/timers.ts';
import { keepsData } from './storage/keeps-data.ts';
import { readStoreRequest, storeCommand, storeUsage } from './storage/store-command.ts';
import { systemReason } from './system-reason.ts';
import { devCert, devCertUsage } from './tls/dev-cert.ts';

const exitFailed = 1;
const exitWrongUse = 2;

/** Errors of the machine or the installation, not of usage. */
const failures: readonly BrokerErrorCode[] = [
  'WORKER_FAILED',
  'ADDON_MISSING',
  'TOO_FEW_FILES',
  'CLUSTER_NOT_REACHABLE',
  'CLUSTER_REFUSED',
  'BROKER_NOT_REACHED',
  'API_REFUSED',
  'CLIENT_REFUSED',
];

/** What to do when standard output accepts no more. */
let onOutputLost = endWithOutput;

async function main(): Promise<void> {
  const [first, ...rest] = process.argv.slice(2);
  process.stdout.on('error', (error) => onOutputLost(error));
  const name = commandNames.find((each) => each === first);
  if (name === undefined) await runBroker();
  else if (rest.some((each) => each === '--help' || each === '-h'))
    process.stdout.write(commands[name].usage);
  else process.stdout.write(await commands[name].run(rest));
}

interface Command {
  readonly usage: string;
  /** Returns what is left to print. */
  run(args: readonly string[]): string | Promise<string>;
}

const commands: Readonly<Record<(typeof commandNames)[number], Command>> = {
  'check-config': {
    usage: checkConfigUsage,
    run: (args) => checkConfig(args, process.env, Date.now()),
  },
  passwd: { usage: passwdUsage, run: (args) => passwd(readPasswdRequest(args)) },
  ban: { usage: banUsage, run: (args) => ban(args, Date.now()) },
  'dev-cert': { usage: devCertUsage, run: devCert },
  token: { usage: tokenUsage, run: (args) => mintToken(args, Date.now()) },
  'api-key': { usage: apiKeyUsage, run: apiKeyCommand },
  pub: { usage: pubUsage, run: runPub },
  sub: { usage: subUsage, run: runSub },
  top: { usage: topUsage, run: runTop },
  trace: { usage: traceUsage, run: runTrace },
  drain: { usage: drainUsage, run: (args) => drainCommand(args, process.env) },
  store: { usage: storeUsage, run: runStore },
};

/** A reader that has seen enough, such as `head`, has closed its end: that is not an error. */
function endWithOutput(error: NodeJS.ErrnoException): void {
  if (error.code === 'EPIPE') process.exit();
  const sentence = `Standard output cannot be written: ${systemReason(error)}.`;
  fail(new BrokerError('WORKER_FAILED', sentence, { cause: error }), exitFailed);
}

async function runTop(args: readonly string[]): Promise<string> {
  await top(args, process.env, process.stdout);
  return '';
}

async function runPub(args: readonly string[]): Promise<string> {
  await pub(args, process.env);
  return '';
}

async function runSub(args: readonly string[]): Promise<string> {
  await sub(args, process.env, process.stdout, stopSignal());
  return '';
}

async function runTrace(args: readonly string[]): Promise<string> {
  await trace(args, process.env, (text) => process.stdout.write(text), stopSignal());
  return '';
}

/** For a command that runs until a user ends it, or its output is closed. */
function stopSignal(): AbortSignal {
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort());
  onOutputLost = () => stop.abort();
  return stop.signal;
}

async function runStore(args: readonly string[]): Promise<string> {
  const request = readStoreRequest(args, process.env);
  // The broker that uses the directory has priority if there are not enough processors.
  if (request.action === 'backup' || request.action === 'check')
    setPriority(constants.priority.PRIORITY_BELOW_NORMAL);
  const { text, isSound } = await storeCommand(request);
  if (!isSound) process.exitCode = exitFailed;
  return text;
}

async function runBroker(): Promise<void> {
  const command = readCommandLine(process.argv.slice(2), process.env);
  if (command.action === 'help') process.stdout.write(usage());
  else if (command.action === 'version') process.stdout.write(`${version}\n`);
  else await run(command);
}

async function run({ config }: Extract<CommandLine, { action: 'start' }>): Promise<void> {
  for (const variable of unknownVariables(process.env)) {
    createLogger(config.logLevel, config.logFormat).warn(
      { variable },
      'RallyMQ does not know this variable, and ignores it',
    );
  }
  const broker = brokerOf(config, configNow);
  const notices = serviceNotices(config);
  onOutputLost = () => {}; // it continues without it
  reloadOnSignal(broker, config, notices);
  broker.on('error', (error) => fail(error, exitFailed));
  stopOnSignals(broker, notices);
  process.on('SIGUSR2', () => {
    notices.draining();
    broker.drain().catch(() => {}); // it does not run yet, or stops already
  });
  broker.on('drained', () => process.exit(0));
  try {
    await broker.start();
  } catch (error) {
    if (error instanceof BrokerError && error.code === 'NOT_RUNNING') return; // a signal has arrived, and ends it
    throw error;
  }
  process.stdout.write(greeting(broker, config));
  notices.ready();
}

/** From the current flags, environment and file. Errors: see readCommandLine(). */
function configNow(): BrokerConfig {
  const command = readCommandLine(process.argv.slice(2), process.env);
  if (command.action !== 'start') throw new Error('the command line has not changed');
  return command.config;
}

function serviceNotices({ logLevel, logFormat }: BrokerConfig): ServiceNotices {
  return new ServiceNotices({
    environment: process.env,
    pid: process.pid,
    clock: systemClock,
    monotonicUs: () => process.hrtime.bigint() / 1_000n,
    send: (socket, text) => loadAddon().notifyService(socket, text),
    warn: (sentence) => createLogger(logLevel, logFormat).warn(sentence),
  });
}

/** The first signal stops regularly, the second one at once. */
function stopOnSignals(broker: Broker, notices: ServiceNotices): void {
  let isStopping = false;
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      if (isStopping) process.exit(exitFailed);
      isStopping = true;
      notices.stopping();
      broker.stop().then(
        () => process.exit(0),
        (error: unknown) => fail(error, exitFailed),
      );
    });
  }
}

/** SIGHUP, which a closing terminal sends too, never ends the broker. The log has the result. */
function reloadOnSignal(broker: Broker, config: BrokerConfig, notices: ServiceNotices): void {
  process.on('SIGHUP', () => {
    notices.reloading();
    const certificates = config.tlsCertificates.length > 0 ? [broker.reloadCertificates()] : [];
    // Before the start it fails, and the start reads everything.
    void Promise.allSettled([broker.reload(), ...certificates]).then((outcomes) =>
      notices.reloaded(outcomes.some(({ status }) => status === 'rejected')),
    );
  });
}

function greeting(broker: Broker, config: BrokerConfig): string {
  const { workers, dataDirectory, durability } = config;
  const { host, port, tcpPort, tlsPort, mqttsPort, path, listeners } = broker.address();
  const shownHost = host.includes(':') ? `[${host}]` : host;
  const lines = [
    `RallyMQ ${version} is ready (${workers} ${workers === 1 ? 'worker' : 'workers'}, HTTP by ${broker.http})`,
    port === 0 ? undefined : `  MQTT over WebSocket  ws://${shownHost}:${port}${path}`,
    tcpPort === false ? undefined : `  MQTT over TCP        mqtt://${shownHost}:${tcpPort}`,
    port === 0 ? undefined : `  Page                 http://${shownHost}:${port}/`,
    ...(tlsPort === false
      ? []
      : [
          `  over TLS             wss://${shownHost}:${tlsPort}${path}`,
          `                       mqtts://${shownHost}:${tlsPort}`,
          `                       https://${shownHost}:${tlsPort}/`,
        ]),
    mqttsPort === false ? undefined : `  MQTT over TLS        mqtts://${shownHost}:${mqttsPort}`,
    ...listeners.map((listener) => `  Listener             ${shownListener(listener)}`),
    keepsData(config)
      ? `  Data                 ${dataDirectory} (${durability})`
      : '  Data                 in memory only, lost when the broker stops',
  ];
  return `${lines.filter((line) => line !== undefined).join('\n')}\n`;
}

function shownListener({ name, tls, host = '', port, socket }: ListenerAddress): string {
  const place = socket ?? `${host.includes(':') ? `[${host}]` : host}:${port}`;
  return `${place}${name === place ? '' : ` (${name})`}${tls ? ', TLS' : ''}`;
}

function fail(error: unknown, status: number): never {
  const text =
    error instanceof BrokerError
      ? withFlags(error.message)
      : String(error instanceof Error ? error.stack : error);
  process.stderr.write(`rallymq: ${text}\n`);
  process.exit(status);
}

main().catch((error: unknown) => {
  const isWrongUse = error instanceof BrokerError && !failures.includes(error.code);
  fail(error, isWrongUse ? exitWrongUse : exitFailed);
});
