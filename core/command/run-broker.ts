/** The command `rallymq` without the name of another: the broker, as a process of its own. */
import { type Broker, brokerOf, type ListenerAddress } from '../broker.ts';
import { BrokerError } from '../broker-error.ts';
import { unknownVariables } from '../config/environment.ts';
import type { BrokerConfig } from '../config/options.ts';
import { createLogger } from '../control/logger.ts';
import { ServiceNotices } from '../control/service-notices.ts';
import { loadAddon } from '../data-plane/addon.ts';
import { systemClock } from '../sessions/timers.ts';
import { keepsData } from '../storage/keeps-data.ts';
import { version } from '../version.ts';
import { exitFailed, fail, whenOutputLost } from './ending.ts';

/** Runs until a signal or a request of the API ends it. `configNow`: reads the configuration again. */
export async function runBroker(config: BrokerConfig, configNow: () => BrokerConfig): Promise<void> {
  for (const variable of unknownVariables(process.env)) {
    createLogger(config.logLevel, config.logFormat).warn(
      { variable },
      'RallyMQ does not know this variable, and ignores it',
    );
  }
  const broker = brokerOf(config, configNow);
  const notices = serviceNotices(config);
  whenOutputLost(() => {}); // it continues without it
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
