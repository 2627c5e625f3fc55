/** The cost of keeping viewers up to date, pushed and polled: arithmetic on measured values. */

/** The cost of one step: a delivery of a push, or a poll with its answer. */
export interface StepCost {
  /** HTTP, or MQTT and WebSocket, with their headers; without those of TCP and IP. */
  readonly bytes: number;
  /** CPU time of the broker, in microseconds; undefined before it is measured. */
  readonly cpuUs: number | undefined;
}

/** The cost of a number of viewers per second. */
export interface Load {
  readonly requests: number;
  readonly bytes: number;
  /** Busy cores of the broker: 1 is one core all the time. */
  readonly cores: number | undefined;
}

/** `changesPerSecond`: how often the score changes. */
export function pushLoad(viewers: number, changesPerSecond: number, { bytes, cpuUs }: StepCost): Load {
  const deliveries = viewers * changesPerSecond;
  return { requests: 0, bytes: deliveries * bytes, cores: coresOf(deliveries, cpuUs) };
}

export function pollLoad(viewers: number, periodSeconds: number, { bytes, cpuUs }: StepCost): Load {
  const polls = viewers / periodSeconds;
  return { requests: polls, bytes: polls * bytes, cores: coresOf(polls, cpuUs) };
}

function coresOf(steps: number, cpuUs: number | undefined): number | undefined {
  return cpuUs === undefined ? undefined : (steps * cpuUs) / 1_000_000;
}

/** Bytes of a PUBLISH with QoS 0 or 1 in MQTT 5 without properties, in one WebSocket frame of a server. */
export function pushBytes(topicBytes: number, payloadBytes: number, qos: number): number {
  const remaining = 2 + topicBytes + (qos > 0 ? 2 : 0) + 1 + payloadBytes;
  const packet = 1 + varintBytes(remaining) + remaining;
  const frameHeader = packet < 126 ? 2 : packet < 65_536 ? 4 : 10;
  return frameHeader + packet;
}

function varintBytes(value: number): number {
  return value < 128 ? 1 : value < 16_384 ? 2 : value < 2_097_152 ? 3 : 4;
}

export function showBytes(bytes: number): string {
  const units = ['B', 'KB', 'MB', 'GB'];
  let value = bytes;
  let unit = 0;
  // A value that rounds to 1,000 is 1 of the next unit.
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1_000;
    unit += 1;
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toPrecision(2)}\u00a0${units[unit]}`;
}

export function showCores(cores: number | undefined): string {
  if (cores === undefined) return '–';
  if (cores >= 1) return `${cores.toFixed(1)}\u00a0cores`;
  const percent = cores * 100;
  return percent < 0.01
    ? '<\u00a00.01\u00a0%'
    : `${percent >= 10 ? Math.round(percent) : percent.toPrecision(2)}\u00a0%`;
}

export function showDuration(ms: number): string {
  if (ms < 10) return `${ms.toFixed(1)}\u00a0ms`;
  return ms < 1_000 ? `${Math.round(ms)}\u00a0ms` : `${(ms / 1_000).toFixed(1)}\u00a0s`;
}
