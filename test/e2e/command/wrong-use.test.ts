/** A usage error: one clear sentence on standard error, nothing on standard output, status 2. */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { commandNames } from '../../../core/config/command-line.ts';
import { type Exit, runCommand, startCommand } from '../../support/command.ts';

function assertWrongUse({ code, stdout, stderr }: Exit, sentence: RegExp): void {
  assert.match(stderr, sentence);
  assert.match(stderr, /^rallymq: (?!rallymq)[^\n]+[.?]\n$/, 'one sentence');
  assert.doesNotMatch(stderr, /\bat .*:\d+:\d+/, 'no stack');
  assert.deepEqual({ code, stdout }, { code: 2, stdout: '' });
}

test('--help and -h', async () => {
  for (const flag of ['--help', '-h', 'help']) {
    const { code, stdout, stderr } = await runCommand([flag]);
    assert.deepEqual({ code, stderr }, { code: 0, stderr: '' });
    assert.match(stdout, /^Usage: rallymq/);
    for (const shown of ['--port', '--tcp-port', '--workers', '--config', 'RALLYMQ_PORT']) {
      assert.ok(stdout.includes(shown), shown);
    }
    assert.ok(Math.max(...stdout.split('\n').map((line) => line.length)) <= 100, 'lines fit a terminal');
  }
});

test('every other command has its own --help', async () => {
  const texts = await Promise.all(commandNames.map((name) => runCommand([name, '--help'])));
  for (const [index, { code, stdout, stderr }] of texts.entries()) {
    assert.deepEqual({ code, stderr }, { code: 0, stderr: '' });
    assert.ok(stdout.startsWith(`Usage: rallymq ${commandNames[index]} `), stdout);
  }
});

test('--version and -v', async () => {
  for (const flag of ['--version', '-v']) {
    const { code, stdout, stderr } = await runCommand([flag]);
    assert.deepEqual({ code, stderr }, { code: 0, stderr: '' });
    assert.match(stdout, /^\d+\.\d+\.\d+\n$/);
  }
});

test('flags that are wrong', async () => {
  assertWrongUse(await runCommand(['--prot', '1']), /--prot .*--port/);
  assertWrongUse(await runCommand(['start']), /'start'/);
  assertWrongUse(await runCommand(['-c', 'x.conf']), /-c is not a flag of rallymq: did you mean --config\?/);
  assertWrongUse(await runCommand(['rallymq.json']), /as --config rallymq\.json\.$/m);
  assertWrongUse(await runCommand(['paswd']), /did you mean rallymq passwd\?/);
  assertWrongUse(await runCommand(['publish', 'a', 'b']), /did you mean rallymq pub\?/);
  assertWrongUse(
    await runCommand(['top', '--keyfile']),
    /--keyfile is not a flag of rallymq top: did you mean/,
  );
  assertWrongUse(await runCommand(['top']), /Give a key of the HTTP API, with --key-file FILE/);
  assertWrongUse(await runCommand(['top', 'now']), /'now' is not a flag of rallymq top/);
  assertWrongUse(await runCommand(['store']), /Give one of info, check/);
  assertWrongUse(await runCommand(['--port']), /--port/);
  assertWrongUse(await runCommand(['--port', '70000']), /--port.*70000/);
  assertWrongUse(await runCommand(['--workers', '0']), /--workers/);
  assertWrongUse(await runCommand(['--no-tcp', '--tcp-port', '1']), /--tcp-port and --no-tcp/);
  assertWrongUse(await runCommand(['--path', 'mqtt']), /--path/);
  assertWrongUse(await runCommand(['--path', '/healthz']), /itself serves \/healthz: give --path another/);
  assertWrongUse(await runCommand(['--sys-interval', '-1']), /--sys-interval is '-1': give a whole number/);
  // Node.js 20 tries without end to make such a folder.
  assertWrongUse(await runCommand(['dev-cert', '--out', '/proc/x']), /\(no such file or directory\).*--out/);
});

test('variables of the environment that are wrong', async () => {
  assertWrongUse(await runCommand([], { RALLYMQ_PORT: 'tcp://10.0.0.1:80' }), /RALLYMQ_PORT.*Kubernetes/);
  assertWrongUse(await runCommand([], { RALLYMQ_WORKERS: 'many' }), /RALLYMQ_WORKERS/);
  assertWrongUse(await runCommand([], { RALLYMQ_PROT: '1' }), /RALLYMQ_PROT.*did you mean RALLYMQ_PORT\?/);
  assertWrongUse(
    await runCommand([], { RALLYMQ_CONFIG: '/nowhere/rallymq.json' }),
    /\/nowhere\/rallymq\.json/,
  );
});

test('configuration files that are wrong', async (t) => {
  const folder = await temporaryFolder(t);
  const wrong: readonly (readonly [text: string, sentence: RegExp])[] = [
    ['{ "port": 1883, }', /line 1, column 17/],
    ['{\n  "prot": 1883\n}', /prot.*port/],
    ['{ "port": "1883" }', /port/],
    ['{ "limits": { "receiveMaximum": 0 } }', /receiveMaximum/],
    ['{ "limits": { "recieveMaximum": 5 } }', /receiveMaximum/],
    ['[]', /object/],
    ['{ "limits": { "maxPacketSize": 5 } }', /did you mean 'maximumPacketSizeBytes'\?/],
    ['{ "port": 1 } // the port', /has a comment at line 1, column 15/],
    ['# my broker\nlistener 1883\nallow_anonymous true\n', /looks like a configuration of mosquitto/],
    ['', /is empty/],
    ['port: 8080\n', /is not JSON: a configuration file begins with '\{'/],
  ];
  for (const [index, [text, sentence]] of wrong.entries()) {
    const path = join(folder, `${index}.json`);
    await writeFile(path, text);
    assertWrongUse(await runCommand(['--config', path]), sentence);
  }
  assertWrongUse(await runCommand(['--config', join(folder, 'none.json')]), /none\.json/);
  assertWrongUse(await runCommand(['--config', folder]), /cannot be read \(it is a directory\)/);
});

test('a host that others reach needs --allow-anonymous', async () => {
  for (const host of ['0.0.0.0', '::', '192.0.2.1']) {
    assertWrongUse(await runCommand(['--host', host, '--port', '0', '--no-tcp']), /allow-anonymous/i);
  }
});

test('hosts that are not here', async () => {
  const ports = ['--port', '0', '--tcp-port', '0', '--allow-anonymous'];
  assertWrongUse(await runCommand(['--host', '192.0.2.1', ...ports]), /192\.0\.2\.1.*--host/);
  assertWrongUse(await runCommand(['--host', 'no-such-host.invalid', ...ports]), /no-such-host\.invalid/);
});

test('a port that another program has', async (t) => {
  const { server, port } = await occupy(t, '127.0.0.1');
  assertWrongUse(await runCommand(['--port', `${port}`, '--no-tcp']), new RegExp(`${port}.*--port`));
  assertWrongUse(
    await runCommand(['--port', '0', '--tcp-port', `${port}`]),
    new RegExp(`${port}.*--tcp-port`),
  );
  server.close();
  const everywhere = await occupy(t, '0.0.0.0');
  assertWrongUse(await runCommand(['--port', `${everywhere.port}`, '--no-tcp']), /in use/);
});

test('a port that another RallyMQ has, though the ports are shared among workers', async (t) => {
  const first = startCommand(t, ['--workers', '2']);
  const { port, tcpPort } = await first.ready();
  assertWrongUse(await runCommand(['--port', `${port}`, '--no-tcp']), new RegExp(`${port}.*in use`));
  assertWrongUse(
    await runCommand(['--port', '0', '--tcp-port', `${tcpPort}`]),
    new RegExp(`${tcpPort}.*in use`),
  );
  assertWrongUse(await runCommand(['--port', `${tcpPort}`, '--no-tcp']), new RegExp(`${tcpPort}.*in use`));
});

async function occupy(t: TestContext, host: string): Promise<{ server: Server; port: number }> {
  const server = createServer();
  t.after(() => server.close());
  await new Promise<void>((resolve) => server.listen(0, host, resolve));
  const address = server.address();
  assert.ok(address !== null && typeof address === 'object');
  return { server, port: address.port };
}

async function temporaryFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'rallymq-'));
  t.after(() => rm(folder, { recursive: true }));
  return folder;
}
