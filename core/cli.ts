/** The command `rallymq`: finds out what is asked for, and loads what that needs and no more. */
import { constants, setPriority } from 'node:os';
import { exitFailed, fail, stopSignal, watchOutput } from './command/ending.ts';
import { commandNames, readCommandLine } from './config/command-line.ts';
import type { BrokerConfig } from './config/options.ts';

interface Command {
  readonly usage: string;
  /** A text that it returns is left to print. */
  run(args: readonly string[]): unknown;
}

const { env, stdout } = process;

const commands: Readonly<Record<(typeof commandNames)[number], () => Promise<Command>>> = {
  'check-config': async () => {
    const { checkConfig, checkConfigUsage } = await import('./command/check-config.ts');
    return { usage: checkConfigUsage, run: (args) => checkConfig(args, env, Date.now()) };
  },
  passwd: async () => {
    const { passwd, passwdUsage, readPasswdRequest } = await import('./command/passwd.ts');
    return { usage: passwdUsage, run: (args) => passwd(readPasswdRequest(args)) };
  },
  ban: async () => {
    const { ban, banUsage } = await import('./command/ban.ts');
    return { usage: banUsage, run: (args) => ban(args, Date.now()) };
  },
  'dev-cert': async () => {
    const { devCert, devCertUsage } = await import('./tls/dev-cert.ts');
    return { usage: devCertUsage, run: devCert };
  },
  token: async () => {
    const { mintToken, tokenUsage } = await import('./command/token.ts');
    return { usage: tokenUsage, run: (args) => mintToken(args, Date.now()) };
  },
  'api-key': async () => {
    const { apiKeyCommand, apiKeyUsage } = await import('./command/api-key.ts');
    return { usage: apiKeyUsage, run: apiKeyCommand };
  },
  pub: async () => {
    const { pub, pubUsage } = await import('./command/pub.ts');
    return { usage: pubUsage, run: (args) => pub(args, env) };
  },
  sub: async () => {
    const { sub, subUsage } = await import('./command/sub.ts');
    return { usage: subUsage, run: (args) => sub(args, env, stdout, stopSignal()) };
  },
  top: async () => {
    const { top, topUsage } = await import('./command/top.ts');
    return { usage: topUsage, run: (args) => top(args, env, stdout) };
  },
  trace: async () => {
    const { trace, traceUsage } = await import('./command/trace.ts');
    return {
      usage: traceUsage,
      run: (args) => trace(args, env, (text) => stdout.write(text), stopSignal()),
    };
  },
  drain: async () => {
    const { drainCommand, drainUsage } = await import('./command/drain.ts');
    return { usage: drainUsage, run: (args) => drainCommand(args, env) };
  },
  store: async () => {
    const { readStoreRequest, storeCommand, storeUsage } = await import('./storage/store-command.ts');
    return {
      usage: storeUsage,
      run: async (args) => {
        const request = readStoreRequest(args, env);
        // The broker that uses the directory has priority if there are not enough processors.
        if (request.action === 'backup' || request.action === 'check')
          setPriority(constants.priority.PRIORITY_BELOW_NORMAL);
        const { text, isSound } = await storeCommand(request);
        if (!isSound) process.exitCode = exitFailed;
        return text;
      },
    };
  },
};

async function main(): Promise<void> {
  const [first, ...rest] = process.argv.slice(2);
  watchOutput();
  const name = commandNames.find((each) => each === first);
  if (name === undefined) await mainCommand();
  else await subcommand(await commands[name](), rest);
}

async function subcommand({ usage, run }: Command, args: readonly string[]): Promise<void> {
  const asksForHelp = args.some((each) => each === '--help' || each === '-h');
  const text = asksForHelp ? usage : await run(args);
  if (typeof text === 'string') stdout.write(text);
}

async function mainCommand(): Promise<void> {
  const command = readCommandLine(process.argv.slice(2), env);
  if (command.action === 'help') {
    const { usage } = await import('./config/usage.ts');
    stdout.write(usage());
  } else if (command.action === 'version') {
    const { version } = await import('./version.ts');
    stdout.write(`${version}\n`);
  } else {
    // In parts, so that fewer files are open at once.
    await import('./security/gatekeeper.ts');
    await import('./http/http-front-end.ts');
    await import('./control-plane.ts');
    const { runBroker } = await import('./command/run-broker.ts');
    await runBroker(command.config, configNow);
  }
}

/** From the current flags, environment and file. Errors: see readCommandLine(). */
function configNow(): BrokerConfig {
  const command = readCommandLine(process.argv.slice(2), env);
  if (command.action !== 'start') throw new Error('the command line has not changed');
  return command.config;
}

main().catch((error: unknown) => fail(error));
