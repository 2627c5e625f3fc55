/** The HTTP API of a running broker, on two workers, with real clients. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { Message, Rally, RallyOptions } from '../../../client/rally.ts';
import type { BrokerOptions } from '../../../core/broker.ts';
import type { SiteSource } from '../../../core/http/route.ts';
import { apiKeyLine, apiUserLine, hashOfApiKey, newApiKey } from '../../../core/security/api-keys.ts';
import { apiScopes } from '../../../core/security/api-scope.ts';
import { accessFolder, passwordLines } from '../../support/access-files.ts';
import { startBroker } from '../../support/broker.ts';
import { subscribeFrame, subscription } from '../../support/frames.ts';
import { connectRally } from '../../support/rally.ts';
import { openClient } from '../../support/raw-client.ts';
import { until } from '../../support/wait.ts';

interface Answer {
  readonly status: number;
  readonly body: unknown;
}

type Api = (path: string, method?: string, body?: unknown) => Promise<Answer>;

async function startApi(t: TestContext, options: object = {}) {
  const folder = accessFolder(t);
  const key = newApiKey();
  const line = apiKeyLine({ name: 'admin', scopes: new Set(apiScopes) }, hashOfApiKey(key));
  const apiKeysFile = folder.write('keys', `${line}\n`);
  const running = await startBroker(t, { workers: 2, apiKeysFile, ...options });
  const origin = `http://127.0.0.1:${running.port}`;
  const headers = { authorization: `Bearer ${key}` };
  const api: Api = async (path, method = 'GET', body = undefined) => {
    const response = await fetch(`${origin}/api/v1/${path}`, {
      method,
      headers,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    return { status: response.status, body: text === '' ? undefined : JSON.parse(text) };
  };
  return { ...running, origin, headers, api };
}

/** All pages of a list, which begins with `path`. */
async function* pagesOf(api: Api, path: string): AsyncGenerator<Answer> {
  let cursor: string | undefined;
  do {
    const page = await api(cursor === undefined ? path : `${path}&cursor=${encodeURIComponent(cursor)}`);
    assert.equal(page.status, 200);
    yield page;
    const { meta } = page.body as { meta: { hasnext: boolean; cursor?: string } };
    assert.equal(meta.hasnext, meta.cursor !== undefined);
    cursor = meta.cursor;
  } while (cursor !== undefined);
}

type Row = Readonly<Record<string, unknown>>;

function rowsOf({ body }: Answer): readonly Row[] {
  return (body as { data: readonly Row[] }).data;
}

test('clients are found, shown, explained and ended, on whatever worker they are', async (t) => {
  const { api, wsUrl } = await startApi(t);
  // The kernel deals connections out: of eight both workers have some, but for one time in 128.
  const names = Array.from({ length: 8 }, (_, index) => `court/${index}`);
  const clients = await Promise.all(
    names.map((clientId) => connectRally(t, wsUrl, { clientId, reconnect: false })),
  );
  await Promise.all(clients.map((client) => client.subscribe('scores/+', () => {}).ready));
  assert.equal(rowsOf(await api('clients?like_clientid=COURT&limit=5')).length, 5);
  for (const name of names) {
    const { body } = await api(`clients/${encodeURIComponent(name)}`);
    const { connected, subscriptions_cnt: count } = body as Row;
    assert.deepEqual([connected, count], [true, 1]);
    const [subscription] = rowsOf(await api(`clients/${encodeURIComponent(name)}/subscriptions`));
    assert.equal(subscription?.['topic'], 'scores/+');
  }
  const { body } = await api('subscriptions?match_topic=scores/1');
  const { data, meta } = body as { data: readonly Row[]; meta: Row };
  assert.equal(meta['count'], 8);
  assert.deepEqual(data.map(({ clientid }) => clientid).sort(), names);
  const [member] = clients;
  await member?.subscribe('$share/g/scores/#', () => {}).ready;
  const found: unknown[] = [];
  for await (const page of pagesOf(api, 'subscriptions?match_topic=scores/1&limit=2')) {
    assert.equal((page.body as { meta: Row }).meta['count'], found.length < 4 ? 9 : 7);
    found.push(...rowsOf(page).map(({ clientid, topic }) => `${clientid as string} ${topic as string}`));
    if (found.length !== 4) continue;
    // Two leave that were shown: others take their places, and are shown all the same.
    for (const shown of found.slice(0, 2)) {
      const [clientid = '', topic = ''] = `${shown as string}`.split(' ');
      const path = `clients/${encodeURIComponent(clientid)}/subscriptions?topic=${encodeURIComponent(topic)}`;
      assert.equal((await api(path, 'DELETE')).status, 204);
    }
  }
  const all = [...names.map((name) => `${name} scores/+`), 'court/0 $share/g/scores/#'];
  assert.deepEqual([...new Set(found)].sort(), all.sort());
  assert.equal((await api('clients/court%2F0?keep_session=true', 'DELETE')).status, 204);
  await until('it was cut, and says why', async () => {
    const events = rowsOf(await api('clients/court%2F0/events'));
    return events.some(({ event, reason }) => event === 'disconnected' && reason === 'administrativeAction');
  });
  assert.equal((await api('clients/court%2F1', 'DELETE')).status, 204);
  await until('its session has ended', async () => (await api('clients/court%2F1')).status === 404);
  assert.equal((await api('clients/court%2F0')).status, 200);
});

test('messages go out to subscribers, and what is retained can be listed, read, set and deleted', async (t) => {
  const { api, wsUrl } = await startApi(t);
  const client = await connectRally(t, wsUrl);
  const received: string[] = [];
  await new Promise<void>((resolve) => {
    client.subscribe('a/#', (message) => {
      received.push(`${message.topic} ${message.text()}`);
      if (message.topic === 'a/ready') resolve();
    });
    void client.publish('a/ready', 'x', { retain: true });
  });
  const messages = [
    { topic: 'a/1', payload: 'AA==', payload_encoding: 'base64', qos: 1 },
    { topic: 'a/2', payload: 'two', qos: 2 },
  ];
  const published = await api('publish/bulk', 'POST', messages);
  assert.deepEqual([published.status, (published.body as unknown[]).length], [200, 2]);
  assert.equal((await api('publish', 'POST', { topic: 'nobody', qos: 1 })).status, 202);
  await until('both have come', () => received.includes('a/1 \0') && received.includes('a/2 two'));
  const topics = Array.from({ length: 20 }, (_, index) => `kept/${index}`);
  for (const topic of topics)
    assert.equal((await api(`retained/${topic}`, 'PUT', { payload: topic })).status, 204);
  const listed = await api('retained?topic=kept/%2B');
  assert.deepEqual(
    rowsOf(listed)
      .map(({ topic }) => topic)
      .sort(),
    topics.toSorted(),
  );
  // Page by page, while what was shown last is deleted, and one that comes later is there already.
  const seen: string[] = [];
  for await (const page of pagesOf(api, 'retained?topic=kept/%2B&limit=7')) {
    const topicsHere = rowsOf(page).map(({ topic }) => topic as string);
    seen.push(...topicsHere);
    if (seen.length === 7)
      for (const topic of ['kept/30', 'kept/3/below'])
        await api(`retained/${topic}`, 'PUT', { payload: 'x' });
    if (seen.length === 14) {
      const last = topicsHere.at(-1) ?? '';
      await api(`retained/${last}`, 'DELETE');
      await api(`retained/${last}`, 'PUT', { payload: 'again' });
    }
  }
  assert.deepEqual([...new Set(seen)].filter((topic) => topic !== 'kept/30').sort(), topics.toSorted());
  const oneByOne: unknown[] = [];
  for await (const page of pagesOf(api, 'retained?topic=kept/%2B&limit=1'))
    oneByOne.push(...rowsOf(page).map(({ topic }) => topic));
  assert.deepEqual(oneByOne.sort(), [...topics, 'kept/30'].sort());
  assert.match(`${((await api('retained/kept/3')).body as Row)['payload']}`, /^(kept\/3|again)$/);
  assert.equal((await api('retained/kept/3', 'DELETE')).status, 204);
  assert.equal((await api('retained/kept/3')).status, 404);
});

const dashboardId = 'dashboard-0123456789abcdef';

test('with a ticket a dashboard gets the overview over MQTT and nothing else, whatever clients need', async (t) => {
  const folder = accessFolder(t);
  const everything = { allow: { publish: '#', subscribe: ['#', '$SYS/#'] } };
  const setUps: readonly BrokerOptions[] = [
    { listeners: [{ port: 0, topicPrefix: 'tenants/red/', clientIdPrefix: 'red-' }] },
    {
      passwordFile: folder.write('users', passwordLines({ lee: 'x' })),
      rulesFile: folder.write('rules', { roles: { all: everything }, everyone: 'all' }),
    },
    { tokenSecretFile: folder.write('secret', 'a secret of more than thirty-two bytes') },
    { authenticate: () => false, authorizeSubscribe: () => false, authorizePublish: () => true },
  ];
  for (const options of setUps) {
    const { api, broker, wsUrl } = await startApi(t, { workers: 1, ...options });
    await broker.publish('secret', 'x', { retain: true });
    const ticketOf = async (): Promise<string> => {
      const { status, body } = await api('dashboard/ticket', 'POST', { clientid: dashboardId });
      assert.equal(status, 200);
      return (body as { ticket: string }).ticket;
    };
    const come = (password: string, more: RallyOptions = {}): Promise<Rally> => {
      const properties = { sessionExpiryInterval: 0 };
      return connectRally(t, url, { clientId: dashboardId, password, properties, reconnect: false, ...more });
    };
    const [tenant] = broker.address().listeners;
    const url = tenant === undefined ? wsUrl : `ws://127.0.0.1:${tenant.port}/mqtt`;
    await assert.rejects(come(await ticketOf(), { clientId: 'another' }), { reasonCode: 0x85 });
    await assert.rejects(come(await ticketOf(), { will: { topic: 'overview' } }), { reasonCode: 0x87 });
    await assert.rejects(come(await ticketOf(), { properties: {} }), { reasonCode: 0x87 }, 'a session stays');
    const ticket = await ticketOf();
    const dashboard = await come(ticket);
    await assert.rejects(come(ticket, { clientId: `${dashboardId}2` }), { reasonCode: 0x87 }, 'used');
    const topics = new Set<string>();
    const take = ({ topic }: Message): void => void topics.add(topic);
    for (const filter of ['#', 'secret', '$SYS/#', '$SYS/broker/uptime']) dashboard.subscribe(filter, take);
    const overview = await new Promise<Message>((resolve) => dashboard.subscribe('overview', resolve));
    const { stats, threads, trouble } = overview.json<ReturnType<SiteSource['overview']>>();
    assert.equal(stats['clientsConnected'], 1);
    assert.equal(threads.workers.length, 1);
    assert.equal(threads.workers[0]?.turns.length, threads.turnBoundsUs.length + 1);
    assert.equal(trouble, null);
    for (const topic of ['overview', 'a', '$SYS/dashboard/overview'])
      await assert.rejects(dashboard.publish(topic, 'x', { qos: 1 }), { reasonCode: 0x87 }, topic);
    const again = new Promise((resolve) => dashboard.subscribe('overview', resolve, { retainHandling: 2 }));
    await again; // what the others would have got has come before
    topics.delete('overview');
    assert.deepEqual([...topics], []);
    const closed = new Promise((resolve) => dashboard.on('closed', resolve));
    await broker.reload();
    await closed; // it comes again if its key is still good
  }
});

test('rules hold for keys, and a reload brings new ones', async (t) => {
  const rules = (filters: readonly string[]) => ({
    roles: { shop: { allow: { publish: filters, subscribe: filters } } },
    users: { admin: 'shop' },
  });
  const folder = accessFolder(t);
  const rulesFile = folder.write('rules', rules(['shop/#']));
  const { api } = await startApi(t, { rulesFile });
  assert.equal((await api('publish', 'POST', { topic: 'shop/1' })).status, 200);
  assert.equal((await api('publish', 'POST', { topic: 'bank/1' })).status, 403);
  assert.equal((await api('retained/bank/1')).status, 403);
  folder.write('rules', rules(['bank/#']));
  assert.equal((await api('config/reload', 'POST')).status, 200);
  assert.equal((await api('publish', 'POST', { topic: 'bank/1' })).status, 200);
  folder.write('rules', '{');
  const refused = await api('config/reload', 'POST');
  assert.equal(refused.status, 422);
  assert.match(JSON.stringify(refused.body), /rules, line 1/);
  assert.equal((await api('publish', 'POST', { topic: 'bank/1' })).status, 200);
});

test('rules hold for users, and where a program decides about topics they get nothing over HTTP', async (t) => {
  const folder = accessFolder(t);
  const scopes = new Set(['read', 'publish'] as const);
  const options = {
    passwordFile: folder.write('users', passwordLines({ ada: 'sesame' })),
    rulesFile: folder.write('rules', {
      roles: { shop: { allow: { publish: 'shop/#', subscribe: 'shop/#' } } },
      users: { ada: 'shop' },
    }),
    apiKeysFile: folder.write('keys', `${apiUserLine({ name: 'ada', scopes })}\n`),
  };
  const authorization = `Basic ${Buffer.from('ada:sesame').toString('base64')}`;
  const statusesOf = async (port: number): Promise<number[]> => {
    const status = async (path: string, body?: object): Promise<number> => {
      const init = body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) };
      const headers = { authorization };
      return (await fetch(`http://127.0.0.1:${port}/${path}`, { headers, ...init })).status;
    };
    return [
      await status('api/v1/publish', { topic: 'shop/1', retain: true }),
      await status('api/v1/publish', { topic: 'bank/1' }),
      await status('api/v1/retained/shop%2F1'),
      await status('api/v1/retained/bank%2F1'),
      await status('metrics'),
      await status('api/v1/config'),
    ];
  };
  const byRules = await startBroker(t, options);
  assert.deepEqual(await statusesOf(byRules.port), [200, 403, 404, 403, 200, 403]);
  const asks = { authorizePublish: () => true, authorizeSubscribe: () => true };
  const byProgram = await startBroker(t, { ...options, ...asks });
  assert.deepEqual(await statusesOf(byProgram.port), [403, 403, 403, 403, 200, 403]);
});

test('a body that is too large is refused at the door', async (t) => {
  const { origin, headers } = await startApi(t, { limits: { httpBodyBytesMax: 2_000 } });
  const statusOf = async (bytes: number): Promise<number> => {
    const body = JSON.stringify({ topic: 'a', payload: 'x'.repeat(bytes) });
    return (await fetch(`${origin}/api/v1/publish`, { method: 'POST', headers, body })).status;
  };
  assert.equal(await statusOf(1_000), 200);
  assert.equal(await statusOf(3_000), 413);
});

test('a subscription that is refused is explained', async (t) => {
  const folder = accessFolder(t);
  const rulesFile = folder.write('rules', {
    roles: { all: { allow: { subscribe: ['a'] } } },
    everyone: 'all',
  });
  const { api, wsUrl } = await startApi(t, { rulesFile });
  const client = await connectRally(t, wsUrl, { clientId: 'curious' });
  client.subscribe('secret/#', () => {});
  await until('it is explained', async () => {
    const events = rowsOf(await api('clients/curious/events'));
    return events.some(
      ({ event, reason, detail }) =>
        event === 'subscriptionRefused' && reason === 'notAuthorized' && `${detail}`.startsWith('secret/#: '),
    );
  });
});

test('topics are a tree with their rates, whichever workers own them', async (t) => {
  const { api, broker, wsUrl } = await startApi(t);
  const client = await connectRally(t, wsUrl);
  const topics = Array.from({ length: 40 }, (_, index) => `court/${String(index).padStart(2, '0')}/score`);
  for (const topic of topics) await client.publish(topic, '40-30', { qos: 1 });
  await broker.publish('court', 'x');
  await broker.publish('$SYS/mine', 'x');
  const [court, ...others] = rowsOf(await api('topics'));
  assert.deepEqual(others, []);
  const { topic, messages, topic_messages: own, children, messages_per_second: rate } = court as Row;
  assert.deepEqual([topic, messages, own, children], ['court', 41, 1, true]);
  assert.ok(Number(rate) > 0);
  const levels: unknown[] = [];
  let cursor = '';
  for (;;) {
    const { body } = await api(`topics?prefix=court&limit=15${cursor}`);
    const { data, meta } = body as { data: Row[]; meta: Row };
    levels.push(...data.map((row) => row['topic']));
    if (meta['hasnext'] !== true) break;
    cursor = `&cursor=${meta['cursor']}`;
  }
  assert.deepEqual(
    levels,
    topics.map((name) => name.replace('/score', '')),
  );
  assert.equal(rowsOf(await api('topics?prefix=court/07'))[0]?.['topic_messages'], 1);
  assert.deepEqual(rowsOf(await api('topics?prefix=nobody')), []);
});

const hasPromtool = spawnSync('promtool', ['--version']).status === 0;

test('promtool finds nothing wrong with the metrics', {
  skip: hasPromtool ? false : 'no prometheus here',
}, async (t) => {
  const { origin, wsUrl } = await startApi(t);
  const client = await connectRally(t, wsUrl);
  await client.publish('a', 'x', { qos: 1 });
  const input = await (await fetch(`${origin}/metrics`)).text();
  const { status, stdout, stderr } = spawnSync('promtool', ['check', 'metrics'], { input, encoding: 'utf8' });
  assert.deepEqual({ status, stdout, stderr }, { status: 0, stdout: '', stderr: '' });
});

/** For each alert, what Prometheus reads while it should fire: values of each minute, for half an hour. */
const troubles: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  RallyMQDown: { 'up{job="rallymq"}': '0x30' },
  RallyMQRestarts: { 'process_start_time_seconds{job="rallymq"}': '0+60x30' },
  RallyMQDegraded: { rallymq_degraded: '1x30' },
  RallyMQLosesClients: { 'rallymq_connections{transport="ws"}': '1000x24 100x6' },
  RallyMQRefusesClients: { 'rallymq_connects_total{result="badUserNameOrPassword"}': '0+120x30' },
  RallyMQRefusesMessages: { 'rallymq_messages_refused_total{reason="disk_full"}': '0+1x30' },
  RallyMQDropsMessages: { 'rallymq_messages_dropped_total{reason="queue_full"}': '0+120x30' },
  RallyMQLoopLags: {
    'rallymq_loop_lag_seconds_bucket{le="0.1"}': '0+98x30',
    'rallymq_loop_lag_seconds_bucket{le="0.5"}': '0+100x30',
    'rallymq_loop_lag_seconds_bucket{le="+Inf"}': '0+100x30',
  },
  RallyMQDeliversSlowly: {
    'rallymq_delivery_seconds_bucket{le="0.5"}': '0+98x30',
    'rallymq_delivery_seconds_bucket{le="1"}': '0+100x30',
    'rallymq_delivery_seconds_bucket{le="+Inf"}': '0+100x30',
  },
  RallyMQDiskSlow: {
    'rallymq_log_commit_seconds_bucket{le="0.1"}': '0+98x30',
    'rallymq_log_commit_seconds_bucket{le="0.5"}': '0+100x30',
    'rallymq_log_commit_seconds_bucket{le="+Inf"}': '0+100x30',
  },
  RallyMQMainThreadBusy: { rallymq_main_thread_busy_seconds_total: '0+59x30' },
  RallyMQCutsClients: { rallymq_connections_cut_total: '0+1x30', rallymq_sessions_cut_total: '0x30' },
  RallyMQCertificateExpires: { rallymq_certificate_expiry_timestamp_seconds: '86400x30' },
  RallyMQNodeCutOff: { rallymq_cluster_reached: '0x30' },
  RallyMQLogNotTakenOver: { rallymq_cluster_logs_not_taken_over: '1x30' },
  RallyMQClusterLags: { 'rallymq_cluster_lane_waiting_seconds{node="b"}': '60x30' },
};

test('each alert fires when it should, and no other', {
  skip: hasPromtool ? false : 'no prometheus here',
}, async (t) => {
  const rules = resolve('docs/operating/alerts.yml');
  const { stdout } = spawnSync('promtool', ['check', 'rules', rules], { encoding: 'utf8' });
  assert.match(stdout, new RegExp(`SUCCESS: ${Object.keys(troubles).length} rules found`));
  const tests = Object.entries(troubles).map(([alertname, series]) => ({
    name: alertname,
    interval: '1m',
    input_series: Object.entries(series).map(([name, values]) => ({ series: name, values })),
    promql_expr_test: [
      {
        expr: 'count by (alertname) (ALERTS{alertstate="firing"})',
        eval_time: '28m',
        exp_samples: [{ labels: `{alertname="${alertname}"}`, value: 1 }],
      },
    ],
  }));
  const folder = mkdtempSync(join(tmpdir(), 'rallymq-alerts-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'alerts.test.yml');
  writeFileSync(file, JSON.stringify({ rule_files: [rules], evaluation_interval: '1m', tests }));
  const tested = spawnSync('promtool', ['test', 'rules', file], { encoding: 'utf8' });
  assert.equal(tested.status, 0, tested.stdout + tested.stderr);
});

/** Prometheus, with the alert rules of the docs, and this broker to scrape each second. Resolves to its address. */
async function startPrometheus(t: TestContext, target: string): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'rallymq-prometheus-'));
  copyFileSync(resolve('docs/operating/alerts.yml'), join(folder, 'alerts.yml'));
  const config = {
    global: { scrape_interval: '1s', scrape_timeout: '1s', evaluation_interval: '1s' },
    rule_files: ['alerts.yml'],
    scrape_configs: [{ job_name: 'rallymq', static_configs: [{ targets: [target] }] }],
  };
  writeFileSync(join(folder, 'prometheus.yml'), JSON.stringify(config)); // which is YAML
  const files = [
    `--config.file=${join(folder, 'prometheus.yml')}`,
    `--storage.tsdb.path=${join(folder, 'data')}`,
  ];
  const prometheus = spawn('prometheus', [...files, '--web.listen-address=127.0.0.1:0'], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let log = '';
  prometheus.stderr.setEncoding('utf8').on('data', (text: string) => (log += text));
  const ended = new Promise((over) => prometheus.once('exit', over));
  t.after(async () => {
    prometheus.kill('SIGKILL');
    await ended;
    rmSync(folder, { recursive: true });
  });
  const listening = /Listening on" address=(\S+)/;
  await until('Prometheus', () => log.includes('Server is ready to receive web requests'));
  return `http://${listening.exec(log)?.[1]}/api/v1`;
}

test('Prometheus scrapes the broker, and its alerts are quiet', {
  skip: spawnSync('prometheus', ['--version']).status === 0 ? false : 'no prometheus here',
}, async (t) => {
  const { port, wsUrl } = await startApi(t);
  await connectRally(t, wsUrl);
  const prometheus = await startPrometheus(t, `127.0.0.1:${port}`);
  const ask = async (path: string): Promise<Record<string, never[]>> =>
    ((await (await fetch(`${prometheus}/${path}`)).json()) as { data: Record<string, never[]> }).data;
  await until('a scrape', async () => {
    const { result } = await ask('query?query=rallymq_connections');
    return JSON.stringify(result).includes('"protocol":"5.0","transport":"ws"');
  });
  let rules = '';
  await until('its rules', async () => {
    rules = JSON.stringify((await ask('rules'))['groups']);
    return !rules.includes('"health":"unknown"');
  });
  assert.match(rules, /"RallyMQDown"/);
  assert.doesNotMatch(rules, /"health":"err"|"state":"firing"/);
});

test("metrics count what has happened, and each worker's loop is measured", async (t) => {
  const { origin, wsUrl } = await startApi(t);
  const client = await connectRally(t, wsUrl);
  await client.publish('a', 'x', { qos: 1 });
  const response = await fetch(`${origin}/metrics`);
  assert.match(`${response.headers.get('content-type')}`, /^text\/plain; version=0\.0\.4/);
  const text = await response.text();
  assert.ok(text.length < 64_000, `${text.length}`);
  assert.match(text, /^rallymq_connections\{transport="ws",protocol="5\.0"\} 1$/m);
  assert.match(text, /^rallymq_messages_received_total 1$/m);
  for (const worker of [0, 1]) {
    const [, count] =
      new RegExp(`^rallymq_loop_lag_seconds_count\\{worker="${worker}"\\} (\\d+)$`, 'm').exec(text) ?? [];
    assert.ok(Number(count) > 0, `worker ${worker}: ${count}`);
  }
  const open = await fetch(`${origin}/metrics`, {
    headers: { accept: 'application/openmetrics-text;version=1.0.0' },
  });
  assert.match(`${open.headers.get('content-type')}`, /^application\/openmetrics-text/);
  assert.ok((await open.text()).endsWith('# EOF\n'));
});

test('all subscriptions of a client that stay are on some page, whatever it ends or adds meanwhile', async (t) => {
  const { api, port, tcpPort } = await startApi(t);
  const ada = await openClient(t, 'tcp', { port, tcpPort }, { clientId: 'ada' });
  const path = 'clients/ada/subscriptions';
  const names = Array.from({ length: 7 }, (_, index) => `news/${index}`);
  for (const ended of [[0], [3], [6], [0, 1], [5, 6], [2, 4]].map((each) => each.map((at) => names[at]))) {
    ada.send(subscribeFrame('', 0, { subscriptions: names.map((name) => subscription(name)) }));
    await ada.nextPacket();
    const found: unknown[] = [];
    for await (const page of pagesOf(api, `${path}?limit=3`)) {
      found.push(...rowsOf(page).map(({ topic }) => topic));
      if (found.length !== 3) continue;
      for (const topic of ended)
        assert.equal((await api(`${path}?topic=${encodeURIComponent(topic ?? '')}`, 'DELETE')).status, 204);
    }
    const missing = names.filter((name) => !ended.includes(name) && !found.includes(name));
    assert.deepEqual(missing, [], `without ${ended.join()}`);
  }
});

test('a list of subscriptions that is as long as the longest page has another one behind it', async (t) => {
  const { api, port, tcpPort } = await startApi(t);
  const ada = await openClient(t, 'tcp', { port, tcpPort }, { clientId: 'ada' });
  const subscriptions = Array.from({ length: 1_001 }, (_, index) => subscription(`news/${index}`));
  ada.send(subscribeFrame('', 0, { subscriptions }));
  await ada.nextPacket();
  const counts: number[] = [];
  for await (const page of pagesOf(api, 'clients/ada/subscriptions?limit=1000'))
    counts.push(rowsOf(page).length);
  assert.deepEqual(counts, [1_000, 1]);
});

test('a client is subscribed and unsubscribed by an operator, connected and away', async (t) => {
  const { api, broker, port, tcpPort } = await startApi(t);
  const terms = { clientId: 'ada', properties: { sessionExpiryInterval: 600 } };
  const ada = await openClient(t, 'tcp', { port, tcpPort }, terms);
  const path = 'clients/ada/subscriptions';
  assert.deepEqual(await api(path, 'POST', { topic: 'news/#', qos: 1 }), {
    status: 200,
    body: { topic: 'news/#', qos: 1 },
  });
  await until('the subscription is known', async () => {
    await broker.publish('news/1', 'hello', { qos: 0 });
    return ada.packets.length > 0;
  });
  assert.equal((await api(`${path}?topic=news/%23`, 'DELETE')).status, 204);
  assert.equal((await api(`${path}?topic=news/%23`, 'DELETE')).status, 404);
  assert.deepEqual(rowsOf(await api(path)), []);
  const kinds = rowsOf(await api('clients/ada/events')).map(({ event }) => event);
  assert.deepEqual(kinds.slice(0, 2), ['unsubscribeAsked', 'subscribeAsked']);
  ada.destroy();
  await until('it is away', async () => rowsOf(await api('clients?conn_state=disconnected')).length === 1);
  assert.equal((await api(path, 'POST', { topic: 'later', qos: 1 })).status, 200);
  assert.equal(rowsOf(await api(path))[0]?.['topic'], 'later');
});

test('a banned client is ended, and cannot read a stream either', async (t) => {
  const { api, origin, port, tcpPort } = await startApi(t);
  const eve = await openClient(t, 'ws', { port, tcpPort }, { clientId: 'eve' });
  assert.equal((await api('banned', 'POST', { as: 'clientid', who: 'eve' })).status, 200);
  await eve.closed();
  assert.equal((await fetch(`${origin}/sse?topic=a`, { method: 'HEAD' })).status, 200);
  assert.equal((await api('banned', 'POST', { as: 'peerhost', who: '127.0.0.0/8' })).status, 200);
  assert.equal((await fetch(`${origin}/sse?topic=a`)).status, 403);
  assert.equal(rowsOf(await api('banned')).length, 2);
  assert.equal((await api('banned/peerhost/127.0.0.0%2F8', 'DELETE')).status, 204);
  assert.equal((await fetch(`${origin}/sse?topic=a`, { method: 'HEAD' })).status, 200);
});

test('a client that reads nothing and one that is away are named as slow, and no other', async (t) => {
  const { api, broker, port, tcpPort } = await startApi(t, { limits: { outboxBytesMax: 1_048_576 } });
  const slow = await openClient(t, 'tcp', { port, tcpPort }, { clientId: 'slow' });
  const terms = { clientId: 'away', properties: { sessionExpiryInterval: 600 } };
  const away = await openClient(t, 'tcp', { port, tcpPort }, terms);
  await openClient(t, 'tcp', { port, tcpPort }, { clientId: 'well' });
  slow.pause();
  for (const clientId of ['slow', 'away', 'well'])
    await api(`clients/${clientId}/subscriptions`, 'POST', {
      topic: 'a',
      qos: clientId === 'away' ? 1 : 0, // nobody here acknowledges
    });
  away.destroy();
  const payload = new Uint8Array(100_000);
  const named = async () => rowsOf(await api('slow-subscriptions')).map(({ clientid }) => clientid);
  await until('both are slow', async () => {
    await broker.publish('a', payload);
    const names = await named();
    return names.includes('slow') && names.includes('away');
  });
  await until('the socket takes nothing', async () => {
    await broker.publish('a', payload, { qos: 0 });
    const row = rowsOf(await api('slow-subscriptions')).find(({ clientid }) => clientid === 'slow');
    return Number(row?.['blocked_ms']) > 0 && Number(row?.['waiting_bytes']) > 0;
  });
  await until('nobody else is', async () => !(await named()).includes('well'));
  const here = rowsOf(await api('slow-subscriptions')).map((row) => `${row['clientid']} ${row['connected']}`);
  assert.deepEqual(here.sort(), ['away false', 'slow true']);
  await until('what it does not get is told', async () => {
    await broker.publish('a', payload, { qos: 0 });
    const rows = rowsOf(await api('slow-subscriptions?sort=drops'));
    const row = rows.find(({ clientid }) => clientid === 'slow');
    assert.ok(Number(rows[0]?.['dropped'] ?? 0) >= Number(row?.['dropped'] ?? 0));
    return row?.['drop_reason'] === 'outbox_full' && Number(row['dropped']) > 1;
  });
  const [drops] = rowsOf(await api('clients/slow/events'));
  assert.deepEqual([drops?.['event'], drops?.['reason']], ['dropped', 'outbox_full']);
  assert.match(
    String(drops?.['detail']),
    /^(One message|\d+ messages) dropped: they had QoS 0, and it did not read/,
  );
  const slowNow = (await api('clients/slow')).body as Row;
  assert.ok(Number(slowNow['send_msg.dropped']) >= Number(drops?.['messages']));
  const well = (await api('clients/well')).body as Row;
  assert.ok(Number(well['send_msg']) > 3 && Number(well['send_oct']) > 3 * payload.length);
  assert.deepEqual([well['send_msg.dropped'], well['recv_msg']], [0, 0]);
  assert.ok(Number(well['recv_oct']) > 10);
});
