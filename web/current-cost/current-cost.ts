/**
 * The home energy monitor: the current reading of each meter, the last minutes as a chart, the last day by hours, a threshold
 * that alerts, and switches that send commands and show what the appliance reports.
 */
import 'uplot/dist/uPlot.min.css';
import './current-cost.css';
import type { Message } from '../../client/rally.ts';
import { byId, numberFormat, setText } from '../shared/dom.ts';
import { errorText, noteWhenEmpty, openRally, subscribe as subscribeOnPage } from '../shared/page.ts';
import { ApplianceList } from './appliance-list.ts';
import { History } from './history.ts';
import { readAppliances, readHour, readRecent, readWatts, root } from './topics.ts';

/** In cents. */
const pricePerKilowattHour = 28;

const rally = openRally();
const history = new History();
const list = new ApplianceList((id, isOn) => void command(id, isOn));
/** The charts are loaded after the first paint. */
const charts = import('./charts.ts').then(
  ({ Charts }) => new Charts(byId('live-chart'), byId('hours-chart')),
);
/** Readings older than this are outdated. */
const staleSeconds = 5;
let threshold: number | undefined;
let lastMs = 0;
const noteIfEmpty = noteWhenEmpty(rally, byId('no-meters'), () => history.names.length === 0);

subscribe('appliances', (message) => {
  const appliances = readAppliances(message);
  if (appliances === undefined) return;
  list.show(appliances);
  history.names = appliances;
  noteIfEmpty();
  void drawAll();
});
subscribe('+/watts', (message) => onWatts(message.topic.split('/')[2] ?? '', readWatts(message.text())), 0);
subscribe('+/switch', (message) => list.showSwitch(message.topic.split('/')[2] ?? '', message.text()));
subscribe('hours/+', (message) => {
  const hour = readHour(message);
  if (hour === undefined) return;
  history.addHour(hour);
  setText(byId('today'), kilowattHours(history.lastDay()));
  setText(byId('money'), ((history.lastDay() * pricePerKilowattHour) / 100_000).toFixed(2));
  void drawHours();
});
subscribe('recent', (message) => {
  const recent = readRecent(message);
  if (recent !== undefined && history.addRecent(recent)) void drawLive();
});
subscribe('threshold', (message) => {
  const watts = readWatts(message.text());
  threshold = message.bytes.length === 0 || watts === undefined ? undefined : watts;
  const input = byId<HTMLInputElement>('threshold');
  if (document.activeElement !== input) input.value = threshold === undefined ? '' : `${threshold}`;
  showTotal();
  void drawLive();
});

byId('threshold-form').addEventListener('submit', (event) => {
  event.preventDefault();
  const text = byId<HTMLInputElement>('threshold').value.trim();
  rally.publish(`${root}/threshold`, text, { qos: 1, retain: true }).then(
    () => setText(byId('threshold-state'), text === '' ? 'No alert.' : 'Set, for all viewers.'),
    (error: Error) => setText(byId('threshold-state'), `Not set: ${errorText(error)}.`),
  );
});
setInterval(showSilence, 1_000);

function subscribe(topic: string, listener: (message: Message) => void, qos: 0 | 1 = 1): void {
  subscribeOnPage(rally, `${root}/${topic}`, listener, { qos });
}

function onWatts(id: string, watts: number | undefined): void {
  if (watts === undefined || !list.has(id)) return;
  lastMs = Date.now();
  list.showWatts(id, watts);
  history.addReading(id, watts, lastMs);
  showTotal();
  scheduleLive();
}

function showTotal(): void {
  const total = list.total();
  setText(byId('total'), numberFormat.format(total));
  const isOver = threshold !== undefined && total > threshold;
  byId('now').classList.toggle('over', isOver);
  // The text is changed only with the state, so that screen readers do not repeat it each second.
  setText(
    byId('alert'),
    isOver ? `More than ${numberFormat.format(threshold ?? 0)} W. Switch something off?` : '',
  );
}

/** Figures without a recent reading are shown as outdated, whether the meters or the broker are silent. */
function showSilence(): void {
  const silentSeconds = Math.round((Date.now() - lastMs) / 1_000);
  const isStale = lastMs !== 0 && silentSeconds > staleSeconds;
  byId('now').classList.toggle('stale', isStale);
  byId('appliances').classList.toggle('stale', isStale);
  setText(byId('now-label'), isStale ? `${silentSeconds} s ago` : 'now');
  const isSilent = isStale && rally.status === 'connected';
  setText(byId('silence'), isSilent ? 'No data from the meters. Start them with npm run demo.' : '');
}

async function command(id: string, isOn: boolean): Promise<void> {
  try {
    await rally.publish(`${root}/${id}/switch/set`, isOn ? 'on' : 'off', { qos: 1 });
  } catch (error) {
    list.refused(id, errorText(error));
  }
}

let isScheduled = false;
/** All readings of a second are drawn together. */
function scheduleLive(): void {
  if (isScheduled) return;
  isScheduled = true;
  setTimeout(() => {
    isScheduled = false;
    void drawLive();
  }, 250);
}

async function drawLive(): Promise<void> {
  (await charts).showLive(history, threshold);
}

async function drawHours(): Promise<void> {
  (await charts).showHours(history);
}

async function drawAll(): Promise<void> {
  await drawLive();
  await drawHours();
}

function kilowattHours(wattHours: number): string {
  return (wattHours / 1_000).toFixed(1);
}
