import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import type { BrokerErrorCode } from '../../../core/broker-error.ts';
import { readCommandLine } from '../../../core/config/command-line.ts';
import { unknownVariables } from '../../../core/config/environment.ts';
import { defaultLimits } from '../../../core/config/limits.ts';
import type { BrokerConfig } from '../../../core/config/options.ts';
import { usage } from '../../../core/config/usage.ts';

const folder = mkdtempSync(join(tmpdir(), 'rallymq-config-'));
after(() => rmSync(folder, { recursive: true }));

function file(name: string, content: unknown): string {
  const path = join(folder, name);
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
  return path;
}

function configOf(args: readonly string[], environment: Record<string, string> = {}): BrokerConfig {
  const commandLine = readCommandLine(args, environment);
  assert.equal(commandLine.action, 'start');
  return commandLine.config;
}

function refused(
  args: readonly string[],
  code: BrokerErrorCode,
  message: string | RegExp,
  environment: Record<string, string> = {},
): void {
  assert.throws(() => readCommandLine(args, environment), { name: 'BrokerError', code, message });
}

test('no flags start with the defaults and log at info', () => {
  const config = configOf([]);
  assert.deepEqual(
    [config.host, config.port, config.tcpPort, config.logLevel],
    ['127.0.0.1', 8_080, 1_883, 'info'],
  );
  assert.deepEqual(readCommandLine([], {}), { action: 'start', config, configFile: undefined });
});

test('every flag is taken, with a space and with an equals sign', () => {
  const given = {
    host: '0.0.0.0',
    port: '1',
    'tcp-port': '2',
    path: '/x',
    workers: '3',
    'log-level': 'warn',
    'allowed-origins': 'https://a.example, null',
    'sys-interval': '60',
  };
  const spaced = Object.entries(given).flatMap(([name, value]) => [`--${name}`, value]);
  const joined = Object.entries(given).map(([name, value]) => `--${name}=${value}`);
  for (const args of [spaced, joined]) {
    const config = configOf([...args, '--allow-anonymous']);
    assert.deepEqual(config, {
      ...configOf([]),
      host: '0.0.0.0',
      port: 1,
      path: '/x',
      tcpPort: 2,
      workers: 3,
      logLevel: 'warn',
      allowedOrigins: ['https://a.example', 'null'],
      sysIntervalSeconds: 60,
      allowAnonymous: true,
    });
  }
});

test('TCP is turned off in both ways', () => {
  assert.equal(configOf(['--no-tcp']).tcpPort, false);
  for (const none of ['none', 'off']) assert.equal(configOf(['--tcp-port', none]).tcpPort, false);
  assert.equal(configOf([], { RALLYMQ_TCP_PORT: 'off' }).tcpPort, false);
});

test('the last of two equal flags counts', () => {
  assert.equal(configOf(['--port', '1', '--port', '2']).port, 2);
});

test('help and version are asked for in both ways, whatever else is wrong', () => {
  for (const flag of ['-h', '--help'])
    assert.deepEqual(readCommandLine(['--bogus', flag], {}), { action: 'help' });
  for (const flag of ['-v', '--version'])
    assert.deepEqual(readCommandLine([flag], {}), { action: 'version' });
});

test('an unknown flag is refused with the nearest known one', () => {
  refused(['--prot', '1'], 'FLAG_UNKNOWN', '--prot is not a flag of rallymq: did you mean --port?');
  refused(['--tcpPort=1'], 'FLAG_UNKNOWN', '--tcpPort is not a flag of rallymq: did you mean --tcp-port?');
  refused(['--bananas'], 'FLAG_UNKNOWN', '--bananas is not a flag of rallymq: see rallymq --help.');
  refused(['-p', '1'], 'FLAG_UNKNOWN', /^-p is not a flag of rallymq/);
  refused(['--__proto__'], 'FLAG_UNKNOWN', /^--__proto__ is not a flag/);
});

test('an argument that is no flag is refused', () => {
  refused(['start'], 'FLAG_UNKNOWN', "'start' is not a command: rallymq alone starts the broker.");
  refused(['--', '--port'], 'FLAG_UNKNOWN', /^'--port' is neither a flag/);
});

test('a flag without the value that it needs is refused', () => {
  const message = '--port has no value: give --port PORT.';
  for (const args of [['--port'], ['--port='], ['--port', '--no-tcp']]) {
    refused(args, 'FLAG_VALUE_INVALID', message);
  }
  refused(['--config'], 'FLAG_VALUE_INVALID', '--config has no value: give --config FILE.');
});

test('a flag with a value that it does not take is refused', () => {
  refused(
    ['--port', 'abc'],
    'FLAG_VALUE_INVALID',
    "--port is 'abc': give a whole number from 0 to 65535, or 'none' to turn it off.",
  );
  refused(['--port', '1e3'], 'FLAG_VALUE_INVALID', /^--port is '1e3'/);
  refused(['--tcp-port', 'no'], 'FLAG_VALUE_INVALID', /, or 'none' to turn it off\.$/);
  refused(
    ['--workers', '65'],
    'FLAG_VALUE_INVALID',
    "--workers is '65': give 'auto' or a whole number from 1 to 64.",
  );
  refused(
    ['--log-level', 'loud'],
    'FLAG_VALUE_INVALID',
    /give one of trace, debug, info, warn, error, silent\.$/,
  );
  refused(['--allow-anonymous=no'], 'FLAG_VALUE_INVALID', /^--allow-anonymous takes no value/);
  refused(
    ['--no-tcp', '--tcp-port', '1'],
    'FLAG_VALUE_INVALID',
    /^--tcp-port and --no-tcp exclude each other/,
  );
});

test('a flag overrides the environment, that the file, that the defaults', () => {
  const path = file('order.json', {
    port: 1,
    tcpPort: 1_111,
    workers: 1,
    logLevel: 'warn',
    limits: { stopMs: 9 },
  });
  const environment = { RALLYMQ_CONFIG: path, RALLYMQ_PORT: '2', RALLYMQ_WORKERS: '2' };
  const config = configOf(['--port', '3'], environment);
  assert.deepEqual([config.port, config.workers, config.tcpPort, config.logLevel], [3, 2, 1_111, 'warn']);
  assert.deepEqual(config.limits, { ...defaultLimits, stopMs: 9 });
});

test('the flag for the file overrides the variable for it', () => {
  const path = file('flag.json', { port: 7 });
  const commandLine = readCommandLine(['--config', path], { RALLYMQ_CONFIG: join(folder, 'absent.json') });
  assert.ok(
    commandLine.action === 'start' && commandLine.configFile === path && commandLine.config.port === 7,
  );
});

test('every variable is taken, and an empty one is absent', () => {
  const config = configOf([], {
    RALLYMQ_HOST: '::',
    RALLYMQ_PORT: '1',
    RALLYMQ_TCP_PORT: '2',
    RALLYMQ_WORKERS: 'auto',
    RALLYMQ_LOG_LEVEL: 'error',
    RALLYMQ_ALLOW_ANONYMOUS: '1',
    RALLYMQ_SERVICE_HOST: 'not ours',
  });
  assert.deepEqual([config.host, config.port, config.tcpPort, config.logLevel], ['::', 1, 2, 'error']);
  assert.equal(config.allowAnonymous, true);
  assert.equal(configOf([], { RALLYMQ_PORT: '', RALLYMQ_CONFIG: '' }).port, 8_080);
  assert.equal(configOf([], { RALLYMQ_ALLOW_ANONYMOUS: 'false' }).allowAnonymous, false);
});

test('variables of the other commands may be set where a broker is started', () => {
  const ofCommands = { RALLYMQ_API_KEY: 'k', RALLYMQ_URL: 'http://127.0.0.1:8080', RALLYMQ_PASSWORD: 'p' };
  assert.deepEqual(configOf([], ofCommands), configOf([]));
  assert.deepEqual(unknownVariables(ofCommands), []);
});

test('a wrong variable is refused by its name', () => {
  const message = "RALLYMQ_PORT is 'x': give a whole number from 0 to 65535, or 'none' to turn it off.";
  refused([], 'CONFIG_INVALID', message, { RALLYMQ_PORT: 'x' });
  const kubernetes = /^RALLYMQ_PORT \(set by Kubernetes unless enableServiceLinks is false\) is 'tcp:/;
  refused([], 'CONFIG_INVALID', kubernetes, { RALLYMQ_PORT: 'tcp://10.0.0.1:1883' });
});

test('a host that others reach is refused from the file, the environment and a flag alike', () => {
  const host = '0.0.0.0';
  const code = 'OPEN_WITHOUT_AUTHENTICATION';
  refused(['--host', host], code, /^host is '0\.0\.0\.0'/);
  refused([], code, /^host is '0\.0\.0\.0'/, { RALLYMQ_HOST: host });
  refused(['--config', file('open.json', { host })], code, /^host is '0\.0\.0\.0'/);
});

test('a file that cannot be read is refused with the reason', () => {
  const path = join(folder, 'absent.json');
  refused(
    ['--config', path],
    'CONFIG_FILE_UNREADABLE',
    /absent\.json cannot be read \(no such file or directory\): give the path of a file .+\.$/,
  );
  refused(['--config', folder], 'CONFIG_FILE_UNREADABLE', /it is a directory/);
});

test('a file that is not JSON is refused with the line and the column', () => {
  const path = file('broken.json', '{\n  "port": 1,\n  host: "::1"\n}\n');
  const message = `${path} is not JSON at line 3, column 3: put a name in double quotes there.`;
  refused(['--config', path], 'CONFIG_INVALID', message);
  refused(
    ['--config', file('comma.json', '{ "port": 1, }')],
    'CONFIG_INVALID',
    /is not JSON at line 1, column 14: remove the comma before it\.$/,
  );
  refused(
    ['--config', file('empty.json', ' \n')],
    'CONFIG_INVALID',
    /is empty: give a JSON object, \{\} for the defaults\.$/,
  );
  refused(['--config', file('more.json', '{} x')], 'CONFIG_INVALID', /column 4: remove what follows\.$/);
});

test('a name that stands twice in a file is refused, since one of the two would not count', () => {
  const path = file('twice.json', '{\n  "allowAnonymous": false,\n  "allowAnonymous": true\n}\n');
  const message = `${path} at line 3, column 3: "allowAnonymous" occurs a second time.`;
  refused(['--config', path], 'CONFIG_INVALID', message);
  const inside = file('inside.json', '{"limits":{"stopMs":1,"stop\\u004ds":2}}');
  refused(['--config', inside], 'CONFIG_INVALID', /second time\.$/);
});

test('a file with a wrong key or value is refused by its name', () => {
  const path = file('wrong.json', { limits: { stopMs: -1 } });
  const message = `limits.stopMs in ${path} is -1: give a whole number from 0 to 600000.`;
  refused(['--config', path], 'CONFIG_INVALID', message);
  refused(['--config', file('key.json', { hots: '::1' })], 'CONFIG_INVALID', /did you mean 'host'\?$/);
  refused(
    ['--config', file('list.json', [])],
    'CONFIG_INVALID',
    /^the content of .+ is \[\]: give an object/,
  );
  refused(['--config', file('hook.json', { authenticate: 'x' })], 'CONFIG_INVALID', /calls createBroker\(\)/);
});

test('a byte order mark in front of the file is passed over', () => {
  assert.equal(configOf(['--config', file('bom.json', '\uFEFF{"port": 5}')]).port, 5);
});

test('the help has every flag, variable and default, in lines of a terminal', () => {
  const text = usage();
  for (const word of [
    '--config FILE',
    '--no-tcp',
    '-h, --help',
    '-v, --version',
    '127.0.0.1',
    '8080',
    '1883',
  ]) {
    assert.ok(text.includes(word), word);
  }
  for (const variable of [
    'CONFIG',
    'HOST',
    'PORT',
    'TCP_PORT',
    'WORKERS',
    'LOG_LEVEL',
    'ALLOW_ANONYMOUS',
    'ALLOWED_ORIGINS',
    'SYS_INTERVAL',
  ]) {
    assert.ok(text.includes(`RALLYMQ_${variable}`), variable);
  }
  for (const line of text.split('\n')) assert.ok(line.length <= 100, line);
  assert.ok(text.endsWith('\n'));
});
