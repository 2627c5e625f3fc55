/**
 * The live counter: what the broker has counted, asked for once a second while somebody looks and the client is
 * connected.
 */
import type { Rally } from '../../client/rally.ts';
import { byId, numberFormat, setText } from '../shared/dom.ts';
import { isForbidden, readStatistics, type Statistics } from '../shared/statistics.ts';

const periodMs = 1_000;

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
    byId('pulse-note').hidden = false;
    setText(byId('pulse-note'), 'Figures are shown only by a broker that lets everyone connect.');
  };
  rally.on('connected', ask);
  document.addEventListener('visibilitychange', ask);
}

function show(now: Statistics, before: Statistics | undefined): void {
  setText(byId('delivered'), numberFormat.format(now.publishSent));
  setText(byId('clients'), numberFormat.format(now.connections));
  setText(byId('retained'), numberFormat.format(now.retained));
  setText(byId('uptime'), durationOf(now.uptimeMs));
  if (before === undefined) return;
  const seconds = (now.uptimeMs - before.uptimeMs) / 1_000;
  if (seconds > 0)
    setText(byId('rate'), numberFormat.format(Math.round((now.publishSent - before.publishSent) / seconds)));
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
