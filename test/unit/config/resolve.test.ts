import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { BrokerErrorCode } from '../../../core/broker-error.ts';
import { defaultLimits } from '../../../core/config/limits.ts';
import { isLoopback, nodeNameOf, resolveConfig, workersOf } from '../../../core/config/resolve.ts';
import { loadPages } from '../../../core/http/pages.ts';
import { operatingRoutes, pageRoutes } from '../../../core/http/routes.ts';

function refused(options: unknown, message: string | RegExp, code: BrokerErrorCode = 'CONFIG_INVALID'): void {
  assert.throws(() => resolveConfig(options), { name: 'BrokerError', code, message });
}

const withoutTls = {
  tlsPort: false,
  mqttsPort: false,
  tlsCertificates: [],
  clientCertificates: 'off',
  clientCa: undefined,
  clientCrl: undefined,
  clientIdentity: 'commonName',
  trustedProxies: [],
};

/** But for workers, which depend on the machine. */
const defaults = {
  host: '127.0.0.1',
  port: 8_080,
  path: '/mqtt',
  tcpPort: 1_883,
  ...withoutTls,
  dataDirectory: false,
  durability: 'fsync',
  logLevel: 'silent',
  logFormat: 'json',
  allowAnonymous: false,
  pages: true,
  authenticates: false,
  asksToPublish: false,
  asksToSubscribe: false,
  hasAuthenticateHook: false,
  authUrl: undefined,
  authorizeUrl: undefined,
  backendSecretFile: undefined,
  banFile: undefined,
  hasRules: false,
  passwordFile: undefined,
  rulesFile: undefined,
  aclFile: undefined,
  tokenSecretFile: undefined,
  tokenKeyFile: undefined,
  tokenJwksUrl: undefined,
  tokenIssuer: undefined,
  tokenAudience: undefined,
  tokenUserClaim: 'sub',
  tokenClientIdClaim: undefined,
  tokenTenantClaim: undefined,
  listeners: [],
  identityAsUser: false,
  pskFile: undefined,
  tokenCookie: undefined,
  revokedFile: undefined,
  apiKeysFile: undefined,
  cluster: undefined,
  nodeName: undefined,
  clusterName: 'rallymq',
  clusterCredentials: undefined,
  clusterTlsCa: undefined,
  replicas: 1,
  standsFor: undefined,
  broadFilters: 'refuse',
  deniedPublish: 'refuse',
  grantsBroadFilters: false,
  endsDeniedPublishers: false,
  retainAvailable: true,
  wildcardSubscriptionAvailable: true,
  subscriptionIdentifiersAvailable: true,
  sharedSubscriptionAvailable: true,
  checksPayloadFormat: false,
  allowedOrigins: [],
  sysIntervalSeconds: 10,
  responseTopicPrefix: undefined,
  serverReference: undefined,
  serverMoved: false,
  reasonStrings: 'onRequest',
  limits: defaultLimits,
};

test('no options give the defaults', () => {
  const { workers, ...config } = resolveConfig();
  assert.deepEqual(config, defaults);
  assert.ok(workers >= 1 && workers <= 64);
});

test('an option overrides its default, and undefined does not', () => {
  const config = resolveConfig({
    host: '::1',
    port: 0,
    path: '/',
    tcpPort: false,
    workers: 3,
    logLevel: undefined,
    limits: { receiveMaximum: 7, stopMs: undefined },
  });
  assert.deepEqual(config, {
    ...defaults,
    host: '::1',
    port: 0,
    path: '/',
    tcpPort: false,
    workers: 3,
    limits: { ...defaultLimits, receiveMaximum: 7 },
  });
});

test('the configuration can be handed to a worker, and is nobody else’s', () => {
  const config = resolveConfig({ authenticate: () => true });
  assert.notEqual(config.limits, resolveConfig().limits);
  assert.deepEqual(structuredClone(config), config);
  assert.equal(config.authenticates, true);
});

test('auto is one worker less than the cores, from 1 to 64', () => {
  assert.deepEqual([1, 2, 3, 65, 200].map(workersOf), [1, 1, 2, 64, 64]);
});

const begin = () => assert.fail('nobody authenticates here');
const x = { name: 'X', begin };

const wrongValues: Readonly<Record<string, readonly unknown[]>> = {
  host: ['', ' ', 'a b', '-a', 'a..b', 'fe80::1::2', '[::1]', '127.0.0.1:80', 'x'.repeat(254), 1, null],
  port: [-1, 65_536, 1.5, '80', NaN, Infinity, null, 80n],
  path: ['', 'mqtt', '/a b', '/a?b', '/:id', '/*', '/\n', `/${'x'.repeat(255)}`, 1],
  tcpPort: [-1, 65_536, true, 'off', null],
  tlsPort: [-1, 65_536, true, 'off', null],
  mqttsPort: [-1, 65_536, true, '8883', null],
  tlsCert: ['', 1, null, 'a\0b'],
  tlsKey: ['', {}],
  tlsCertificates: ['a', [{ cert: 'a' }], [{ cert: 'a', key: '' }], [{ cert: 'a', key: 'b', more: 1 }], null],
  clientCertificates: ['on', true, null],
  clientCa: ['', 1],
  clientCrl: ['', 1],
  clientIdentity: ['cn', '', null],
  trustedProxies: [
    '127.0.0.1',
    ['localhost'],
    ['10.0.0.0/33'],
    ['10.0.0.0/'],
    ['10.0.0.0/08'],
    ['::/129'],
    ['fe80::1%eth0'],
    ['1.2.3.4/8/8'],
    [1],
    null,
  ],
  workers: [0, 65, 1.5, 'all', '2', null],
  logLevel: ['', 'INFO', 'verbose', 1],
  logFormat: ['', 'JSON', 'pretty', 1],
  allowAnonymous: ['true', 1, 0, null],
  authenticationMethods: [
    {},
    ['SCRAM-SHA-256'],
    [{ name: 'X' }],
    [{ name: '', begin }],
    [{ begin }],
    [x, x],
    null,
  ],
  retainAvailable: ['false', 0, null],
  wildcardSubscriptionAvailable: ['false', 0, null],
  subscriptionIdentifiersAvailable: ['false', 0, null],
  sharedSubscriptionAvailable: ['false', 0, null],
  checksPayloadFormat: ['false', 1, null],
  allowedOrigins: [
    '*',
    ['https://a.example/'],
    ['https://u@a.example'],
    ['https://a.example:x'],
    ['a.example'],
    ['file://'],
    [1],
    null,
  ],
  responseTopicPrefix: [
    '',
    'a/',
    'a/#',
    '$SYS/a',
    '$SYS/broker/connection/a/state',
    'x'.repeat(1_001),
    1,
    null,
  ],
  serverReference: ['', ' a', 'a  b', 'a\n', 'x'.repeat(1_001), 1, null],
  serverMoved: ['true', 1, null],
  sysIntervalSeconds: [-1, 86_401, 1.5, '10', null],
  reasonStrings: ['', 'sometimes', true, null],
  authenticate: ['yes', {}, null, [], ['yes']],
  authorizePublish: ['yes', {}, null],
  authUrl: ['', 'auth', 'ftp://auth.example', 'https://me:secret@auth.example', 1, null],
  tokenJwksUrl: [
    '',
    'http://keys.example',
    'https://me@keys.example',
    'https://:secret@keys.example',
    1,
    null,
  ],
  banFile: ['', 1, null, 'a\0b'],
  listeners: [{}, 'all', 1, null],
  limits: [1, [], null, 'x'],
};

for (const [name, values] of Object.entries(wrongValues)) {
  for (const value of values) {
    test(`${name} may not be ${typeof value === 'bigint' ? '80n' : JSON.stringify(value)}`, () => {
      refused({ [name]: value }, new RegExp(`^${name} in the options is .*: give .+\\.$`));
    });
  }
}

test('a refusal names the key, what was given and what is allowed', () => {
  refused(
    { port: 'abc' },
    "port in the options is 'abc': give a whole number from 0 to 65535, or false to turn it off.",
  );
  refused({ workers: 0 }, "workers in the options is 0: give 'auto' or a whole number from 1 to 64.");
  const receiveMaximum = 'limits.receiveMaximum in the options is 0: give a whole number from 1 to 65535.';
  refused({ limits: { receiveMaximum: 0 } }, receiveMaximum);
});

test('a refusal does not show the user and the password in an address', () => {
  for (const [name, address] of [
    ['authUrl', 'https://me:s/e@cret@auth.example'],
    ['tokenJwksUrl', 'https://me:secret@keys.example'],
    ['allowedOrigins', ['https://me:secret@a.example']],
    ['cluster', ['nats://me:secret@10.0.0.1:4222', `nats://me:${'secret'.repeat(20)}@10.0.0.2`]],
  ] as const)
    refused({ [name]: address }, new RegExp(`^${name} in the options is ((?!me:|cret).)*//…@((?!cret).)*$`));
});

test('a long value is cut in the refusal', () => {
  refused({ host: ' '.repeat(100_000) }, /^.{1,200}$/);
});

test('an unknown key is refused with the nearest known one', () => {
  refused({ data: 'x' }, "'data' is not known in the options: did you mean 'dataDirectory'?");
  refused({ prot: 1 }, "'prot' is not known in the options: did you mean 'port'?");
  refused(
    { constructor: 1 },
    /^'constructor' is not known in the options: see docs\/configuration\.md for all names\.$/,
  );
  refused(JSON.parse('{"__proto__": {"port": 1}}'), /^'__proto__' is not known/);
  const inflight = "'inFlightMax' is not known in limits in the options: did you mean 'inflightMax'?";
  refused({ limits: { inFlightMax: 1 } }, inflight);
});

test('only an object is taken', () => {
  for (const options of [null, 1, 'port', [], true]) {
    refused(options, /^the content of the options is .+: give an object with options by name\.$/);
  }
});

const limitEdges: readonly (readonly [
  name: string,
  accepted: readonly number[],
  refused: readonly number[],
])[] = [
  ['receiveMaximum', [1, 65_535], [0, 65_536, 1.5]],
  ['inflightMax', [1, 65_535], [0, 65_536]],
  ['topicAliasMaximum', [0, 65_535], [-1, 65_536]],
  ['outgoingTopicAliasesMax', [0, 65_535], [-1, 65_536]],
  ['maximumPacketSizeBytes', [1_024, 1_048_576], [1_023, 268_435_461]],
  ['lanesTotalBytesMax', [65_536, 1_099_511_627_776], [65_535]],
  ['laneRecords', [1_024, 16_384, 1_048_576], [512, 1_000, 16_385, 2_097_152]],
];

for (const [name, accepted, tooFar] of limitEdges) {
  test(`limits.${name} is taken at the ends of its range and not beyond`, () => {
    for (const value of accepted) assert.ok(resolveConfig({ limits: { [name]: value } }));
    for (const value of tooFar)
      refused({ limits: { [name]: value } }, new RegExp(`^limits\\.${name} in the options`));
  });
}

test('a limit that must be a power of two says so', () => {
  const message = 'limits.laneRecords in the options is 1000: give a power of two from 1024 to 1048576.';
  refused({ limits: { laneRecords: 1_000 } }, message);
});

test('the largest packet must fit where it may have to wait', () => {
  const message =
    'limits.outboxBytesMax is 1048576 and limits.maximumPacketSizeBytes is 2097152: raise the first or lower the second.';
  refused({ limits: { maximumPacketSizeBytes: 2_097_152 } }, message);
  refused({ limits: { sessionQueueBytesMax: 1_024 } }, /^limits\.sessionQueueBytesMax is 1024/);
  refused(
    { limits: { outboxBytesMax: 2_097_152, outboxTotalBytesMax: 1_048_576 } },
    /^limits\.outboxTotalBytesMax/,
  );
  const bytesMax = 268_435_460;
  const limits = {
    maximumPacketSizeBytes: bytesMax,
    outboxBytesMax: bytesMax,
    sessionQueueBytesMax: bytesMax,
    sessionsTotalBytesMax: bytesMax,
    inputTotalBytesMax: bytesMax,
  };
  assert.equal(resolveConfig({ limits }).limits.maximumPacketSizeBytes, bytesMax);
});

test('one port may be for everything', () => {
  const { port, tcpPort } = resolveConfig({ port: 1_883 });
  assert.deepEqual([port, tcpPort], [1_883, 1_883]);
});

test('origins are kept as browsers send them', () => {
  const given = ['https://A.Example:443', 'http://b:80', 'https://c:8443', 'null', '*'];
  const kept = ['https://a.example', 'http://b', 'https://c:8443', 'null', '*'];
  assert.deepEqual(resolveConfig({ allowedOrigins: given }).allowedOrigins, kept);
});

test('loopback is told from the rest', () => {
  const loopback = [
    '127.0.0.1',
    '127.9.9.9',
    '::1',
    '0:0:0:0:0:0:0:1',
    '::ffff:127.0.0.1',
    'localhost',
    'LocalHost',
  ];
  const open = [
    '0.0.0.0',
    '::',
    '::ffff:0.0.0.0',
    '10.0.0.1',
    '128.0.0.1',
    '126.255.255.255',
    '::2',
    '0',
    '127.1',
  ];
  for (const host of loopback) assert.ok(isLoopback(host), host);
  for (const host of [...open, 'example.org', 'localhost.example.org', '127.0.0.1.example.org']) {
    assert.ok(!isLoopback(host), host);
  }
});

test('closed by default: others are let in by a hook or by name only', () => {
  for (const host of ['0.0.0.0', '::', '10.0.0.1', 'example.org']) {
    const message = new RegExp(`^host is '${host}', .+: listen on 127\\.0\\.0\\.1, .+allowAnonymous\\.$`);
    refused({ host }, message, 'OPEN_WITHOUT_AUTHENTICATION');
    assert.equal(resolveConfig({ host, allowAnonymous: true }).host, host);
    assert.equal(resolveConfig({ host, authenticate: async () => false }).host, host);
  }
});

test('a server that has moved has moved somewhere', () => {
  refused({ serverMoved: true }, 'serverMoved is true: give the new server as serverReference.');
  assert.equal(resolveConfig({ serverMoved: true, serverReference: 'a:1 b:2' }).serverMoved, true);
});

test('a password file is authentication, and an acl_file brings how mosquitto treats broad filters', () => {
  assert.equal(resolveConfig({ host: '0.0.0.0', passwordFile: 'users' }).authenticates, true);
  const settings = ({ hasRules, broadFilters, grantsBroadFilters }: ReturnType<typeof resolveConfig>) => [
    hasRules,
    broadFilters,
    grantsBroadFilters,
  ];
  assert.deepEqual(settings(resolveConfig({ rulesFile: 'rules' })), [true, 'refuse', false]);
  assert.deepEqual(settings(resolveConfig({ aclFile: 'acl' })), [true, 'deliverAllowed', true]);
  assert.deepEqual(settings(resolveConfig({ aclFile: 'acl', broadFilters: 'refuse' })), [
    true,
    'refuse',
    false,
  ]);
  assert.equal(resolveConfig({ deniedPublish: 'disconnect' }).endsDeniedPublishers, true);
  assert.throws(() => resolveConfig({ rulesFile: 'a', aclFile: 'b' }), {
    code: 'CONFIG_INVALID',
    message: 'rulesFile and aclFile exclude each other: give one of them.',
  });
});

const certificate = { tlsCert: 'cert.pem', tlsKey: 'key.pem' };

test('certificates bring the port of TLS with them, and the one that is given alone comes first', () => {
  const files = { cert: 'cert.pem', key: 'key.pem' };
  const more = { cert: 'more.pem', key: 'more-key.pem' };
  const { tlsPort, tlsCertificates } = resolveConfig({ ...certificate, tlsCertificates: [more] });
  assert.deepEqual([tlsPort, tlsCertificates], [8_443, [files, more]]);
  assert.equal(resolveConfig({ ...certificate, tlsPort: false, mqttsPort: 8_883 }).tlsPort, false);
  assert.equal(resolveConfig({ tlsCertificates: [more], tlsPort: 0 }).tlsPort, 0);
});

test('networks are addresses, or have a prefix', () => {
  const trustedProxies = ['127.0.0.1', '10.0.0.0/8', '::1', 'fd00::/7', '::ffff:10.0.0.0/104', '0.0.0.0/0'];
  assert.deepEqual(resolveConfig({ trustedProxies }).trustedProxies, trustedProxies);
});

test('options of TLS that do not go together are refused, with what is missing', () => {
  refused({ tlsCert: 'a' }, /tlsCert is given alone: give tlsKey too/);
  refused({ tlsKey: 'a' }, /tlsKey is given alone: give tlsCert too/);
  refused({ tlsPort: 8_443 }, /needs a certificate: give tlsCert and tlsKey; .*dev-cert/);
  refused({ mqttsPort: 8_883 }, /needs a certificate/);
  refused({ ...certificate, tlsPort: 8_080 }, /has the number of another port/);
  refused({ ...certificate, tlsPort: 1_883 }, /has the number of another port/);
  refused({ ...certificate, mqttsPort: 8_443 }, /has the number of another port/);
  refused({ ...certificate, clientCertificates: 'asked' }, /give clientCa/);
  refused({ ...certificate, clientCa: 'ca.pem' }, /are for clientCertificates/);
});

test('a cluster has its name and the name of the node, with or without data, and its other options need it', () => {
  const cluster = ['nats://10.0.0.1:4222', 'tls://nats.example'];
  const { nodeName, clusterName } = resolveConfig({ cluster, nodeName: 'a.b', clusterName: 'c-1' });
  assert.deepEqual([nodeName, clusterName], ['a.b', 'c-1']);
  assert.match(resolveConfig({ cluster }).nodeName ?? '', /^[\w.-]{1,64}$/);
  assert.deepEqual(['host', 'host name', 'x'.repeat(100), ''].map(nodeNameOf), [
    'host',
    'host-name',
    'x'.repeat(64),
    'node',
  ]);
  assert.equal(resolveConfig({ cluster, dataDirectory: 'data' }).dataDirectory, 'data');
  assert.equal(resolveConfig({ cluster, dataDirectory: 'data', replicas: 3 }).replicas, 3);
  for (const replicas of [0, 2, 4, 1.5]) refused({ cluster, dataDirectory: 'data', replicas }, /1 or 3/);
  const alone = /replicas is 3: give cluster, and a dataDirectory without durability memory/;
  refused({ dataDirectory: 'data', replicas: 3 }, alone);
  refused({ cluster, replicas: 3 }, alone);
  refused({ cluster, dataDirectory: 'data', durability: 'memory', replicas: 3 }, alone);
  refused({ nodeName: 'a' }, /nodeName is for a cluster: give cluster too/);
  refused({ clusterTlsCa: 'ca.pem' }, /clusterTlsCa is for a cluster/);
  const wrong = [['10.0.0.1:4222'], ['http://a'], ['nats://user:word@a'], ['nats://a/path'], ['nats://']];
  for (const urls of [...wrong, [], 'nats://a'])
    refused({ cluster: urls }, /cluster in the options is .*NATS servers/);
  for (const name of ['', 'a b', 'a/b', 'x'.repeat(65)]) refused({ cluster, nodeName: name }, /nodeName/);
  refused({ cluster, clusterName: 'a.b' }, /clusterName/);
});

test('the path of WebSockets is not one that the broker serves itself', () => {
  const paths = [...operatingRoutes, ...pageRoutes].map(({ path }) => path.replace(/\{[^}]*\}/g, 'x'));
  for (const path of [...paths, ...loadPages('/mqtt').keys()].filter((each) => each !== '/'))
    assert.throws(
      () => resolveConfig({ path }),
      {
        code: 'CONFIG_INVALID',
        message: `The broker itself serves ${path}: give the option path another value, such as /mqtt.`,
      },
      path,
    );
  assert.throws(() => resolveConfig({ path: '/healthz', pages: false }), { code: 'CONFIG_INVALID' });
  for (const path of ['/', '/api', '/docs/', '/live/healthz', '/healthz/', '/api/v10', '/mqtt.js'])
    assert.equal(resolveConfig({ path, pages: false }).path, path);
});
