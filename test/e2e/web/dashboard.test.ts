/** The dashboard in Chromium, on a phone and a desktop: signs in, finds, explains, kicks, publishes, reloads. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import { SignJWT } from 'jose';
import type { Page } from 'playwright-core';
import { apiKeyLine, apiUserLine, hashOfApiKey, newApiKey } from '../../../core/security/api-keys.ts';
import { apiScopes } from '../../../core/security/api-scope.ts';
import { accessFolder, passwordLines } from '../../support/access-files.ts';
import { fitsSmallPhone, seriousFaults } from '../../support/axe.ts';
import { type RunningBroker, startBroker } from '../../support/broker.ts';
import { BrokerCluster } from '../../support/cluster/broker-cluster.ts';
import { connectRally } from '../../support/rally.ts';
import { openConnected } from '../../support/raw-client.ts';
import { reads, untilAsync, type ViewportName, viewports, visit } from '../../support/visitor.ts';

interface Stage extends RunningBroker {
  readonly key: string;
}

async function startStage(t: TestContext): Promise<Stage> {
  const folder = accessFolder(t);
  const key = newApiKey();
  const line = apiKeyLine({ name: 'admin', scopes: new Set(apiScopes) }, hashOfApiKey(key));
  const apiKeysFile = folder.write('keys', `${line}\n`);
  const running = await startBroker(t, { workers: 2, apiKeysFile });
  for (const index of [0, 1, 2]) {
    const client = await connectRally(t, running.wsUrl, { clientId: `court/${index}`, reconnect: false });
    await client.subscribe('scores/+', () => {}).ready;
  }
  await running.broker.publish('scores/1', '40-30', { retain: true });
  running.broker.bans.add({ kind: 'username', value: 'kim', reason: 'noise' });
  return { ...running, key };
}

async function signIn(
  t: TestContext,
  { port, key }: Pick<Stage, 'port' | 'key'>,
  viewport: ViewportName,
  isBrokerBusy = false,
): Promise<Page> {
  const page = await visit(t, `http://127.0.0.1:${port}/dashboard/`, { viewport, isBrokerBusy });
  await page.fill('#key', key);
  await page.click('#sign-in-form button');
  await reads(page.locator('#link-state'), 'Live');
  return page;
}

/** Starts a trace, in the view of traces, with the first bytes of payloads. */
async function startTrace(page: Page, kind: string, target: string): Promise<void> {
  await page.evaluate("location.hash = '#traces'");
  await page.selectOption('#trace-kind', kind);
  await page.fill('#trace-target', target);
  await page.selectOption('#trace-payload', '100');
  await page.click('#trace-form button');
  await page.locator('#trace-live').waitFor();
}

const desk = { width: 1_440, height: 900 };

const views = [
  'overview',
  'clients',
  'client/court%2F1',
  'topics',
  'slow',
  'traces',
  'bans',
  'nodes',
  'publish',
  'settings',
] as const;
const arrived: Readonly<Record<(typeof views)[number], readonly [selector: string, text: RegExp]>> = {
  overview: ['.plot strong', /^4$/m], // its own is one of them
  clients: ['#clients-rows', /court\/1/],
  'client/court%2F1': ['#client-subscriptions', /scores\/\+/],
  topics: ['#retained-rows', /scores\/1/],
  slow: ['#slow-none', /All clients keep up/],
  traces: ['#traces-rows', /topic filter scores/],
  bans: ['#bans-rows', /kim/],
  nodes: ['#nodes-said', /not in a cluster/],
  publish: ['#publish-title', /Console/],
  settings: ['#options', /127\.0\.0\.1/],
};

async function open(page: Page, view: (typeof views)[number]): Promise<void> {
  await page.evaluate(`location.hash = ${JSON.stringify(`#${view}`)}`);
  const [selector, text] = arrived[view];
  await reads(page.locator(selector), text);
}

test('axe finds nothing serious in any view, on a phone in light and at a desk in dark, and a small phone shows all', async (t) => {
  const stage = await startStage(t);
  const page = await signIn(t, stage, 'phone');
  await startTrace(page, 'topic', 'scores/#');
  await stage.broker.publish('scores/1', '40-40');
  await reads(page.locator('#trace-lines'), /delivered.*court\/\d.*scores\/1/);
  for (const [viewport, colorScheme] of [
    [viewports.phone, 'dark'],
    [desk, 'light'],
  ] as const) {
    await page.emulateMedia({ colorScheme });
    await page.setViewportSize(viewport);
    assert.deepEqual(await seriousFaults(page), [], `a trace, ${colorScheme}`);
    await fitsSmallPhone(page, 'a trace');
  }
  for (const view of views) {
    await page.emulateMedia({ colorScheme: 'light' });
    await page.setViewportSize(viewports.phone);
    await open(page, view);
    assert.deepEqual(await seriousFaults(page), [], `${view} on a phone`);
    await fitsSmallPhone(page, view);
    await page.emulateMedia({ colorScheme: 'dark' });
    await page.setViewportSize(desk);
    assert.deepEqual(await seriousFaults(page), [], `${view} at a desk`);
  }
  await page.click('#sign-out');
  await page.locator('#sign-in-form').waitFor();
  assert.deepEqual(await seriousFaults(page), [], 'signed out');
});

test('a client is found, shown, cut and explained', async (t) => {
  const stage = await startStage(t);
  const page = await signIn(t, stage, 'desktop');
  await reads(page.locator('#threads'), /Worker 0.*\d+% busy.*Worker 1.*Main thread/s);
  const curve = page.locator('.curve').first();
  await curve.hover({ position: { x: ((await curve.boundingBox())?.width ?? 0) - 1, y: 20 } }); // what is newest
  await reads(page.locator('#plots'), /Clients\d+ at \d.*Memory.* at \d/s); // one moment in all of them
  await reads(page.locator('#threads'), /Worker 0\d+% at \d/);
  await page.click('nav a[href="#clients"]');
  await page.fill('#clients-search', 'COURT/2');
  await reads(page.locator('#clients-rows a'), 'court/2');
  await page.selectOption('#clients-state', 'disconnected');
  await page.locator('#clients-none').waitFor();
  await page.selectOption('#clients-state', '');
  await page.selectOption('#clients-by', 'ip_address');
  await page.fill('#clients-search', '192.0.2.1');
  await page.locator('#clients-none').waitFor();
  await page.fill('#clients-search', ' 127.0.0.1');
  await reads(page.locator('#clients-rows a'), /^court\/0\ncourt\/1\ncourt\/2\ndashboard-\w{16}$/);
  const { client: formula } = await openConnected(t, 'tcp', stage, { clientId: '=cmd"1' });
  const download = page.waitForEvent('download');
  await page.click('#clients-export');
  await reads(page.locator('#clients-said'), '5 clients exported.');
  const csv = readFileSync(await (await download).path(), 'utf8').split('\r\n');
  assert.match(csv[0] ?? '', /^"clientid","node","connected","username","ip_address",/);
  assert.match(csv[1] ?? '', /^"court\/0","","true","","127\.0\.0\.1","ws","false","5","20/);
  assert.match(csv[4] ?? '', /^"dashboard-/);
  assert.match(csv[5] ?? '', /^"'=cmd""1",/, 'no formula');
  formula.destroy();
  await page.selectOption('#clients-by', 'like_clientid');
  await page.fill('#clients-search', 'COURT/2');
  await reads(page.locator('#clients-rows a'), 'court/2');
  // The list is asked for again while the keyboard is in it, and a text of it selected.
  await page.locator('#clients-rows a').focus();
  await page.evaluate("getSelection().selectAllChildren(document.querySelector('#clients-rows .mono'))");
  const answer = page.waitForResponse(/api\/v1\/clients/);
  await page.evaluate("document.dispatchEvent(new Event('visibilitychange'))");
  await (await answer).finished();
  await page.evaluate('new Promise(requestAnimationFrame)');
  assert.equal(
    await page.evaluate("document.activeElement.hash + ' ' + getSelection()"),
    '#client/court%2F2 court/2',
  );
  await page.click('#clients-rows a');
  await reads(page.locator('#client-title'), 'court/2');
  assert.equal(await page.evaluate('document.activeElement.id'), 'client-title');
  assert.equal(await page.title(), 'court/2 · RallyMQ dashboard');
  await reads(page.locator('#client-events'), /^.*Connected.*MQTT 5\.0 over WebSocket from 127\.0\.0\.1\.$/);
  await stage.broker.publish('scores/1', '40-30', { qos: 1 });
  await reads(
    page.locator('#client-facts'),
    /messages from it0 \(\d+ B in all\).*messages to it2 \(.*dropped messages0/,
  );
  await page.fill('#client-subscribe-topic', 'news/#');
  await page.click('#client-subscribe button');
  await reads(page.locator('#client-said'), 'Subscribed to news/# with QoS 1.');
  await page.click('#client-subscriptions button[aria-label="End the subscription to scores/+"]');
  await reads(page.locator('#client-subscriptions th'), 'news/#');
  await page.click('#client-disconnect');
  await reads(page.locator('#client-events'), /administrativeAction/);
  await reads(page.locator('#client-facts'), /away for/);
  page.once('dialog', (dialog) => void dialog.accept());
  await page.click('#client-end');
  await reads(page.locator('#client-facts'), /has no session/);
});

test('while the broker cannot answer the sign-in waits, and is not forgotten', async (t) => {
  const page = await signIn(t, await startStage(t), 'desktop', true);
  await page.route(/api\/v1\/overview/, (route) =>
    route.fulfill({ status: 503, body: 'The broker is busy.\n' }),
  );
  await page.reload();
  await reads(page.locator('#outage'), 'The broker is busy.');
  await page.unrouteAll();
  await reads(page.locator('#link-state'), 'Live');
  await reads(page.locator('#clients-title, #overview-title').first(), 'Overview');
});

test('who gets a topic, what is retained, and a message to all of them', async (t) => {
  const stage = await startStage(t);
  const page = await signIn(t, stage, 'desktop');
  await page.click('nav a[href="#topics"]');
  await page.fill('#match-topic', 'scores/9');
  await page.press('#match-topic', 'Enter');
  await reads(page.locator('#match-said'), '3 subscriptions:');
  await page.click('#retained-rows button');
  await reads(page.locator('#retained-payload'), '40-30');
  page.once('dialog', (dialog) => void dialog.accept());
  await page.click('#retained-delete');
  await reads(page.locator('#retained-said'), 'Deleted.');
  const kept = Array.from({ length: 120 }, (_, index) => `kept/${index}`);
  await Promise.all(kept.map((topic) => stage.broker.publish(topic, 'x', { retain: true })));
  await page.fill('#retained-filter', 'kept/+');
  await page.press('#retained-filter', 'Enter');
  await reads(page.locator('#retained-said'), 'The first 100:');
  await page.click('#retained-more');
  await reads(page.locator('#retained-said'), '120 messages:');
  assert.equal(new Set(await page.locator('#retained-rows button').allTextContents()).size, 120);
  await page.locator('#retained-more').waitFor({ state: 'hidden' });
  await page.click('nav a[href="#publish"]');
  await page.fill('#publish-topic', 'nobody/listens');
  await page.click('#publish-form button');
  await reads(page.locator('#publish-said'), 'Published. The topic has no subscribers.');
  await page.fill('#subscribe-filter', 'scores/#');
  await page.press('#subscribe-filter', 'Enter');
  await reads(page.locator('#subscribe-said'), 'Waiting for messages…');
  const watcher = await connectRally(t, stage.wsUrl);
  const heard = new Promise<string>((resolve) => {
    watcher.subscribe('scores/9', (message) => resolve(message.text()));
  });
  await page.fill('#publish-topic', 'scores/9');
  await page.fill('#publish-payload', 'game');
  await page.check('#publish-retain');
  await page.click('#publish-form button');
  await reads(page.locator('#publish-said'), 'Published.');
  assert.equal(await heard, 'game');
  await reads(page.locator('#subscribe-messages'), /scores\/9QoS 1 · 4 Bgame$/);
  await page.click('#subscribe-stop');
  await reads(page.locator('#subscribe-said'), 'Stopped. One message.');
  await page.click('nav a[href="#settings"]');
  await page.selectOption('#log-level', 'error');
  await page.click('#log-level-form button');
  await reads(page.locator('#reload-said'), /^The log level is error until/);
  await reads(page.locator('#options'), /logLevelerror/);
  await page.click('#reload');
  await reads(page.locator('#reload-said'), 'The files are in force.');
});

test('a client is traced: seen live, cut short, taken as a file, and gone', async (t) => {
  const stage = await startStage(t);
  const page = await signIn(t, stage, 'desktop');
  await page.evaluate("location.hash = '#client/court%2F1'");
  await page.click('#client-trace[href$="court%2F1"]'); // the page shows another client until it is there
  await untilAsync(
    'what is to be traced',
    async () => (await page.inputValue('#trace-target')) === 'court/1',
  );
  await startTrace(page, 'clientid', 'court/1');
  await stage.broker.publish('scores/1', '15-0', { qos: 1 });
  await reads(page.locator('#trace-lines'), /deliveredcourt\/1scores\/1QoS 1 · 4 B15-0/);
  await reads(page.locator('#trace-live-state'), 'One event.');
  await page.click('#trace-stop');
  await reads(page.locator('#trace-live-state'), 'Stopped. One event.');
  await stage.broker.publish('scores/1', '30-0', { qos: 1 });
  const download = page.waitForEvent('download');
  await page.click('#trace-download');
  const file = readFileSync(await (await download).path(), 'utf8');
  const lines = file.trimEnd().split('\n');
  assert.deepEqual(
    lines.map((line) => (JSON.parse(line) as { payload: string }).payload),
    ['15-0'],
  );
  await page.click('#trace-close');
  await reads(page.locator('#traces-rows'), /client court\/1stopped1 event/);
  await page.click('#traces-rows button:text-is("Delete")');
  await page.locator('#traces-none').waitFor();
});

test('the overview is asked for where it cannot come by itself, and comes again after files were reloaded', async (t) => {
  const stage = await startStage(t);
  const page = await visit(t, `http://127.0.0.1:${stage.port}/dashboard/`, { isBrokerBusy: true });
  await page.routeWebSocket(/\/mqtt$/, (socket) => socket.close());
  await page.fill('#key', stage.key);
  await page.click('#sign-in-form button');
  await reads(page.locator('#link-state'), 'Polling');
  await reads(page.locator('.plot strong').first(), '3');
  await reads(page.locator('#threads'), /Worker 0.*\d+% busy.*Worker 1.*Main thread/s);
  const other = await signIn(t, stage, 'desktop', true);
  await reads(page.locator('.plot strong').first(), '4');
  const { connectionsOpened: before } = stage.broker.statistics();
  await stage.broker.reload();
  await untilAsync('it has come again', () =>
    Promise.resolve(stage.broker.statistics().connectionsOpened > before),
  );
  await reads(other.locator('#link-state'), 'Live');
});

test('a client and a topic are called by the dots that browsers take out of paths', async (t) => {
  const stage = await startStage(t);
  const page = await signIn(t, stage, 'desktop');
  await stage.broker.publish('.', '40-30', { retain: true });
  const clientId = '..';
  const client = await connectRally(t, stage.wsUrl, { clientId, reconnect: false });
  await client.subscribe('dots', () => {}).ready;
  await page.evaluate("location.hash = '#clients'");
  await page.click(`#clients-rows a:text-is("${clientId}")`);
  await reads(page.locator('#client-title'), clientId);
  await reads(page.locator('#client-events'), /Connected/);
  await page.click('#client-subscriptions button[aria-label="End the subscription to dots"]');
  await reads(page.locator('#client-said'), 'The subscription to dots is ended.');
  await page.click('#client-ban');
  await page.click('#ban-form button');
  await reads(page.locator('#bans-said'), `${clientId} can no longer connect.`);
  await page.click(`#bans-rows button[aria-label="Lift the ban on ${clientId}"]`);
  await reads(page.locator('#bans-said'), `${clientId} can connect again.`);
  await page.evaluate(`location.hash = '#client/${clientId}'`);
  await reads(page.locator('#client-title'), clientId);
  await reads(page.locator('#client-events'), /administrativeAction/);
  await page.evaluate("location.hash = '#topics'");
  await page.click('#retained-rows button:text-is(".")');
  await reads(page.locator('#retained-payload'), '40-30');
  page.once('dialog', (dialog) => void dialog.accept());
  await page.click('#retained-delete');
  await reads(page.locator('#retained-said'), 'Deleted.');
});

test('open topics that have gone are not asked for any more, and are closed when they come back', async (t) => {
  const page = await signIn(t, await startStage(t), 'desktop');
  let topics = ['a', 'a/b', 'a/b/c'];
  const asked: string[] = [];
  await page.route(/\/api\/v1\/topics\?/, (route) => {
    const prefix = new URL(route.request().url()).searchParams.get('prefix') ?? '';
    asked.push(prefix);
    const below = prefix === '' ? '' : `${prefix}/`;
    const shown = topics.filter(
      (topic) => topic.startsWith(below) && !topic.slice(below.length).includes('/'),
    );
    const data = shown.map((topic) => {
      const figures = { messages: 1, messages_per_second: 0, bytes_per_second: 0 };
      return { topic, level: topic.slice(below.length), children: topic !== 'a/b/c', ...figures };
    });
    return route.fulfill({ json: { data, meta: { hasnext: false } } });
  });
  await page.click('nav a[href="#topics"]');
  const branch = (name: string) => page.locator('#topic-tree button.branch').getByText(name, { exact: true });
  await branch('a').click();
  await branch('b').click();
  await reads(page.locator('#topic-tree .leaf'), 'c');
  topics = [];
  await untilAsync('they have gone', async () => (await branch('a').count()) === 0);
  await untilAsync('nothing is asked for', async () => asked.slice(-3).join() === ',,');
  topics = ['a', 'a/b'];
  await branch('a').click();
  await reads(branch('b'), 'b');
  assert.equal(await branch('b').getAttribute('aria-expanded'), 'false');
});

test('a user signs in with its password or a token, does what its scopes let it, and signs out', async (t) => {
  const folder = accessFolder(t);
  const secret = 'a secret of more than thirty-two bytes';
  const scopes = new Set(['read'] as const);
  const running = await startBroker(t, {
    passwordFile: folder.write('users', passwordLines({ ada: 'sésame', kim: 'sesame' })),
    tokenSecretFile: folder.write('secret', secret),
    apiKeysFile: folder.write('keys', `${apiUserLine({ name: 'ada', scopes })}\n`),
  });
  const exp = Math.floor(Date.now() / 1_000) + 60;
  const token = await new SignJWT({ sub: 'ada', exp })
    .setProtectedHeader({ alg: 'HS256' })
    .sign(Buffer.from(secret));
  const page = await visit(t, `http://127.0.0.1:${running.port}/dashboard/`);
  const tryAs = async (user: string, key: string): Promise<void> => {
    await page.fill('#user', user);
    await page.fill('#key', key);
    await page.click('#sign-in-form button');
  };
  const said = page.locator('#sign-in-said');
  await tryAs('ada', 'guess');
  await reads(said, 'The user name, password or token is wrong.');
  await tryAs('kim', 'sesame');
  await reads(said, /^The user 'kim' lacks the scope read/);
  await tryAs('', `${token}x`);
  await reads(said, 'The user name, password or token is wrong.');
  for (const [user, key] of [
    ['ada', 'sésame'],
    ['', token],
  ] as const) {
    await tryAs(user, key);
    await reads(page.locator('#link-state'), 'Live');
    await page.evaluate("location.hash = '#publish'");
    await page.fill('#publish-topic', 'a');
    await page.click('#publish-form button');
    await reads(page.locator('#publish-said'), /^The user 'ada' lacks the scope publish/);
    await page.click('#sign-out');
    await page.locator('#sign-in-form').waitFor();
    assert.equal(await page.evaluate('sessionStorage.length'), 0);
    assert.equal(await page.locator('#publish-said').textContent(), '');
  }
});

test('nodes of a cluster and the lanes between them; clients of another node are listed, shown and cut', async (t) => {
  const cluster = await BrokerCluster.start(t, 2, { hasData: true, replicas: 3 });
  const { port } = cluster.broker(0).ports;
  const { client } = await openConnected(t, 'tcp', cluster.broker(1).ports, { clientId: 'there' });
  const page = await signIn(t, { port, key: cluster.apiKey }, 'phone');
  await page.click('nav a[href="#nodes"]');
  await reads(page.locator('#nodes-rows tr:nth-child(1)'), /node-0 this one\s*serving/);
  await reads(page.locator('#nodes-rows tr:nth-child(2)'), /node-1\s*serving/);
  await reads(page.locator('#nodes-said'), /All nodes have applied it\. JetStream has the log of this node/);
  assert.deepEqual(await seriousFaults(page), []);
  await fitsSmallPhone(page, 'nodes');
  await page.setViewportSize(viewports.desktop);
  await page.emulateMedia({ colorScheme: 'dark' });
  assert.deepEqual(await seriousFaults(page), [], 'at a desk');
  await page.click('nav a[href="#clients"]');
  await page.selectOption('#clients-node', 'node-1');
  await reads(page.locator('#clients-rows a'), 'there');
  await page.click('#clients-rows a');
  await reads(page.locator('#client-facts'), /node-1/);
  await page.click('#client-disconnect');
  await client.closed();
  await reads(page.locator('#client-events'), /administrativeAction/);
  await page.click('nav a[href="#clients"]');
  await page.selectOption('#clients-node', 'node-1');
  await cluster.add('node-2');
  await reads(page.locator('#clients-node'), 'node-0node-1node-2');
  assert.equal(await page.inputValue('#clients-node'), 'node-1', 'the choice stays');
  cluster.broker(1).command.kill('SIGTERM');
  await reads(page.locator('#clients-node'), 'node-0node-2');
  assert.equal(await page.inputValue('#clients-node'), '', 'the node that has left is not chosen any more');
});
