/**
 * The live counter: the broker's figures, requested once a second while the page is visible and the client
 * connected.
 */
import type { Rally } from '../../client/rally.ts';
import { byId, numberFormat, setText } from '../shared/dom.ts';
import { isForbidden, readStatistics, type Statistics } from '../shared/statistics.ts';

const periodMs = 1_000;
/** Of the curve. */
const samplesMax = 60;
/** The minimum scale, so that a few messages are not a peak. */
const peakMin = 10;
const curveHeight = 20;

export function showPulse(rally: Rally): void {
  let last: Statistics | undefined;
  let isAsking = false;
  const ask = async (): Promise<void> => {
    if (document.hidden || rally.status !== 'connected' || isAsking) return;
    isAsking = true;
    try {
      const statistics = await readStatistics();
      if (last !== undefined && statistics.uptimeMs < last.uptimeMs) last = undefined; // another broker
      show(statistics, last);
      last = statistics;
    } catch (error) {
      if (isForbidden(error)) end();
    } finally {
      isAsking = false;
    }
  };
  const timer = setInterval(ask, periodMs);
  const end = (): void => {
    clearInterval(timer);
    setText(byId('pulse-note'), 'Figures are public only if everyone may connect.');
  };
  rally.on('connected', ask);
  document.addEventListener('visibilitychange', ask);
}

function show(now: Statistics, before: Statistics | undefined): void {
  setText(byId('delivered'), numberFormat.format(now.publishSent));
  setText(byId('clients'), numberFormat.format(now.connections));
  setText(byId('retained'), numberFormat.format(now.retained));
  setText(byId('uptime'), `up ${durationOf(now.uptimeMs)}`);
  if (before === undefined) return;
  const seconds = (now.uptimeMs - before.uptimeMs) / 1_000;
  if (seconds <= 0) return;
  const rate = Math.round((now.publishSent - before.publishSent) / seconds);
  setText(byId('rate'), numberFormat.format(rate));
  drawCurve(rate);
}

const rates: number[] = [];

/** Deliveries per second, the newest at the right. */
function drawCurve(rate: number): void {
  rates.push(rate);
  if (rates.length > samplesMax) rates.shift();
  const peak = Math.max(peakMin, ...rates) * 1.1;
  // Over the full width, even if there are few.
  const step = (samplesMax - 1) / Math.max(1, rates.length - 1);
  const shown = rates.length === 1 ? [rate, rate] : rates;
  const points = shown.map((value, index) => {
    return `${(index * step).toFixed(2)} ${(curveHeight * (1 - value / peak)).toFixed(2)}`;
  });
  const line = `M${points.join('L')}`;
  byId('spark-line').setAttribute('d', line);
  byId('spark-area').setAttribute('d', `${line}V${curveHeight}H0Z`);
}

function durationOf(ms: number): string {
  const seconds = Math.floor(ms / 1_000);
  const parts = [
    Math.floor(seconds / 86_400),
    Math.floor(seconds / 3_600) % 24,
    Math.floor(seconds / 60) % 60,
    seconds % 60,
  ];
  const units = ['d', 'h', 'm', 's'];
  const first = Math.max(
    0,
    parts.findIndex((part) => part > 0),
  );
  const start = parts.some((part) => part > 0) ? first : 3;
  return parts
    .slice(start, start + 2)
    .map((part, index) => `${part} ${units[start + index]}`)
    .join(' ');
}
