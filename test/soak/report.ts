/** What a round prints: a line if all is well, else its faults, the histories behind them and how to see it again. */
import type { RoundResult } from './round.ts';

export function lineOf({ plan, model, counters }: RoundResult): string {
  const { seed, workers, isTight, crashes, delayPercent } = plan;
  const takeovers = model.lives.reduce((sum, { attachments }) => sum + attachments.length, 0);
  const marks = [
    isTight ? 'tight' : '',
    ...crashes.map(({ how, atMs }) => `${how} at ${atMs} ms`),
    delayPercent > 0 ? `lanes late ${delayPercent} %` : '',
  ].filter((mark) => mark !== '');
  const dropped = counters === undefined ? 0 : counters.droppedQos0 + counters.droppedQueueFull;
  return [
    `seed ${seed}`,
    `workers ${workers}`,
    `${model.publications.all.length} published`,
    `${model.publishPackets} delivered`,
    `${takeovers} connections`,
    `${dropped} dropped`,
    ...marks,
    model.broken.size === 0 ? 'ok' : `FAULTS: ${brokenOf(model)}`,
  ].join(', ');
}

function brokenOf({ broken }: RoundResult['model']): string {
  return [...broken].map(([rule, count]) => `${rule} ${count} times`).join(', ');
}

/** All about the faults of a round. */
export function reportOf({ plan, model, log, lateness }: RoundResult, command: string): string {
  const { ownMs, brokerMs } = lateness;
  const lines = [
    `\nSeed ${plan.seed} with ${plan.workers} workers: ${brokenOf(model)}\n`,
    `  The soak was late by ${Math.round(ownMs)} ms at most; the broker answered within ${Math.round(brokerMs)} ms.\n`,
  ];
  for (const { rule, what } of model.faults) lines.push(`  ${rule}: ${what}`);
  const clients = new Set(model.faults.slice(0, 3).flatMap((fault) => fault.clients));
  const moments = model.faults.slice(0, 3).flatMap((fault) => fault.moments);
  const named = /(?:message|will|connection) (\d+)/g;
  const numbers = model.faults.flatMap(({ what }) =>
    [...what.matchAll(named)].map(([, number]) => Number(number)),
  );
  for (const client of [...clients].slice(0, 4)) {
    lines.push(`\n  The last that ${client} did and saw:`, model.history.of(client, numbers, moments));
  }
  if (log !== '') lines.push(`\n  The broker logged:\n${log}`);
  lines.push(`\n  Limits: ${JSON.stringify(plan.limits)}`, `  Again: ${command}`);
  return lines.join('\n');
}
