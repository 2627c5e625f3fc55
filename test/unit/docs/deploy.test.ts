/** deploy/ against the broker: each variable, option, port and file in it is one that exists. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { test } from 'node:test';
import { load } from 'js-yaml';
import { readEnvironment, unknownVariables } from '../../../core/config/environment.ts';
import { defaultOptions, tlsPortDefault } from '../../../core/config/options.ts';
import { resolveConfig } from '../../../core/config/resolve.ts';
import { renderChart } from '../../support/helm.ts';

const root = resolve(import.meta.dirname, '../../../..');
const read = (path: string): string => readFileSync(join(root, path), 'utf8');
const ports = [defaultOptions.port, defaultOptions.tcpPort];

/** Every variable is known, and its value allowed. */
function assertEnvironment(variables: Readonly<Record<string, string>>): void {
  const ours = Object.fromEntries(Object.entries(variables).filter(([name]) => name.startsWith('RALLYMQ_')));
  assert.deepEqual(unknownVariables(ours), []);
  readEnvironment(ours);
}

test('the Dockerfile copies what there is, and sets what the broker knows', () => {
  const text = read('deploy/docker/Dockerfile').replaceAll('\\\n', ' ');
  const [, environment = ''] = /^ENV (.*)$/m.exec(text) ?? [];
  assertEnvironment(
    Object.fromEntries(environment.split(/\s+/).map((pair) => pair.split('=') as [string, string])),
  );
  assert.match(text, new RegExp(`^EXPOSE ${ports.join(' ')}$`, 'm'));
  const { bin } = JSON.parse(read('package.json'));
  assert.ok(text.includes('"dist/core/cli.js"') || text.includes(`"${bin.rallymq}"`));
  for (const [, paths = ''] of text.matchAll(/^COPY --from=build ((?:\/app\/\S+ )+)/gm))
    for (const path of paths.trim().split(' '))
      assert.ok(existsSync(join(root, path.slice('/app/'.length))), path);
  assert.match(text, /^USER node$/m);
  assert.match(text, /^HEALTHCHECK /m);
  const ignored = read('.dockerignore').split('\n');
  for (const needed of ['core', 'native', 'client', 'web', 'docs', 'docs/images', 'scripts', 'test'])
    assert.ok(!ignored.includes(needed), `${needed} is built or compiled`);
});

test('the compose file', () => {
  const { services } = load(read('deploy/docker/compose.yaml')) as Record<string, Record<string, never>>;
  const { environment, ports: published, build, secrets } = services?.['rallymq'] ?? assert.fail();
  assertEnvironment(environment);
  assert.deepEqual(
    published,
    ports.map((port) => `${port}:${port}`),
  );
  assert.ok(existsSync(resolve(root, 'deploy/docker', build['context'], build['dockerfile'])));
  assert.deepEqual(secrets, ['users']);
});

test('the unit of systemd', (t) => {
  const text = read('deploy/systemd/rallymq.service');
  const [, environment = ''] = /^Environment=(.*)$/m.exec(text) ?? [];
  assertEnvironment(
    Object.fromEntries(environment.split(' ').map((pair) => pair.split('=') as [string, string])),
  );
  const { bin } = JSON.parse(read('package.json'));
  assert.ok(text.includes(`/opt/rallymq/${bin.rallymq} --config`));
  // V8 calls pkey_alloc, and what the filter leaves out would kill the process.
  assert.match(text, /^SystemCallFilter=@system-service @pkey$/m);
  assert.match(text, /^SystemCallErrorNumber=EPERM$/m);
  const verified = spawnSync('systemd-analyze', ['verify', join(root, 'deploy/systemd/rallymq.service')]);
  if (verified.error !== undefined) t.diagnostic('systemd-analyze is not here');
  else assert.equal(`${verified.status} ${verified.stderr}`, '0 ');
});

const full = {
  accessSecret: 'access',
  hasRules: true,
  hasApiKeys: true,
  image: { pullSecrets: [{ name: 'registry' }] },
  allowAnonymous: true,
  tlsSecret: 'tls',
  trustedProxies: ['10.0.0.0/8', 'fd00::/8'],
  config: { logLevel: 'warn', limits: { connectionsMax: 10 } },
  persistence: { storageClass: 'fast' },
  ingress: { enabled: true, className: 'nginx', tlsSecret: 'ingress-tls' },
  serviceMonitor: { enabled: true, keySecret: 'metrics' },
  nats: { enabled: true, authSecret: 'auth' },
  cluster: { urls: 'nats://mqtt-nats:4222', credentialsSecret: 'nats' },
  dataDirectory: 'none',
};
const clustered = load(read('deploy/helm/rallymq/cluster-values.yaml')) as Record<string, unknown>;

interface Container {
  readonly env: readonly { readonly name: string; readonly value: string }[];
  readonly ports: readonly { readonly name: string; readonly containerPort: number }[];
  readonly volumeMounts: readonly { readonly name: string; readonly mountPath: string }[];
}

for (const [name, values] of [
  ['as it comes', {}],
  ['for a cluster', clustered],
  ['with everything', full],
] as const) {
  test(`the Helm chart ${name} renders to what Kubernetes and the broker take`, () => {
    const documents = renderChart(join(root, 'deploy/helm/rallymq'), values);
    for (const [file, document] of documents) {
      if (document === undefined || document === null) continue;
      const { apiVersion, kind, metadata } = document as Record<string, Record<string, unknown>>;
      const expectedName = file.startsWith('nats-') ? 'mqtt-nats' : 'mqtt';
      assert.ok(apiVersion && kind && metadata?.['name'] === expectedName && metadata['labels'], file);
    }
    const config = documents.get('configmap.yaml') as { data: Record<string, string> };
    resolveConfig({ ...JSON.parse(config.data['rallymq.json'] ?? ''), allowAnonymous: true });
    const set = documents.get('statefulset.yaml') as {
      spec: { template: { spec: Record<string, unknown> } };
    };
    const { containers, volumes, enableServiceLinks } = set.spec.template.spec;
    const [container] = containers as readonly Container[];
    assert.ok(container !== undefined);
    assert.equal(enableServiceLinks, false);
    assertEnvironment(
      Object.fromEntries(container.env.map(({ name: variable, value }) => [variable, value])),
    );
    const replicas = container.env.find(({ name: variable }) => variable === 'RALLYMQ_REPLICAS')?.value;
    assert.equal(replicas, values === clustered ? '3' : values === full ? '1' : undefined);
    const expected = values === full ? [...ports, tlsPortDefault] : ports;
    assert.deepEqual(
      container.ports.map(({ containerPort }) => containerPort),
      expected,
    );
    const claimed = ['data', ...(volumes as readonly { name: string }[]).map((volume) => volume.name)];
    assert.deepEqual(container.volumeMounts.map((mount) => mount.name).sort(), claimed.sort());
    const isShown = (file: string): boolean => (documents.get(file) ?? null) !== null;
    assert.equal(isShown('ingress.yaml'), values === full);
    assert.equal(isShown('servicemonitor.yaml'), values === full);
    assert.equal(isShown('nats-statefulset.yaml'), values === full || values === clustered);
  });
}

test('the chart scrapes a broker with users, and offers TLS and a private registry', () => {
  const documents = renderChart(join(root, 'deploy/helm/rallymq'), full);
  const monitor = documents.get('servicemonitor.yaml') as { spec: { endpoints: Record<string, unknown>[] } };
  assert.deepEqual(monitor.spec.endpoints[0]?.['authorization'], {
    credentials: { name: 'metrics', key: 'key' },
  });
  const ingress = documents.get('ingress.yaml') as { spec: { tls: unknown; rules: { host: string }[] } };
  const hosts = ingress.spec.rules.map(({ host }) => host);
  assert.deepEqual(ingress.spec.tls, [{ hosts, secretName: 'ingress-tls' }]);
  const set = documents.get('statefulset.yaml') as {
    spec: { template: { spec: { imagePullSecrets: unknown; containers: Container[] } } };
  };
  const { imagePullSecrets, containers } = set.spec.template.spec;
  assert.deepEqual(imagePullSecrets, [{ name: 'registry' }]);
  const keys = containers[0]?.env.find(({ name }) => name === 'RALLYMQ_API_KEYS');
  assert.equal(keys?.value, '/access/api-keys');
});

test('the servers of NATS in the chart find each other, and each mount is a volume', () => {
  const documents = renderChart(join(root, 'deploy/helm/rallymq'), full);
  const { spec } = documents.get('nats-statefulset.yaml') as {
    spec: { replicas: number; template: { spec: Record<string, unknown> } };
  };
  const { containers, volumes } = spec.template.spec;
  const [container] = containers as readonly Container[];
  const claimed = ['data', ...(volumes as readonly { name: string }[]).map((volume) => volume.name)];
  assert.deepEqual(container?.volumeMounts.map((mount) => mount.name).sort(), claimed.sort());
  const { data } = documents.get('nats-configmap.yaml') as { data: Record<string, string> };
  for (let server = 0; server < spec.replicas; server++)
    assert.ok(data['nats.conf']?.includes(`nats://mqtt-nats-${server}.mqtt-nats:6222`));
  assert.match(data['nats.conf'] ?? '', /^include \/auth\/auth\.conf$/m);
  const urls = (clustered['cluster'] as { urls: string }).urls;
  const service = documents.get('nats-service.yaml') as { spec: { ports: { port: number }[] } };
  assert.equal(urls, `nats://mqtt-nats:${service.spec.ports[0]?.port}`);
});
