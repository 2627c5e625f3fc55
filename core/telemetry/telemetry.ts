/**
 * OpenTelemetry (main thread): sends metrics at each interval, and spans of messages as they occur, to a collector. It exists
 * only if the environment names one (otlp-settings.ts).
 */
import type { Clock, Timer } from '../sessions/timers.ts';
import type { Family } from '../statistics/metrics-text.ts';
import { type SpanRecord, wallClockMs } from '../tracing/trace-record.ts';
import { metricsPayload, type NamedSpan, type OtlpSource, spansPayload } from './otlp-payloads.ts';
import { OtlpSender } from './otlp-sender.ts';
import type { OtlpSettings, OtlpTarget, SpanSampler } from './otlp-settings.ts';
import { StartTimes } from './start-times.ts';

export interface TelemetryOptions {
  readonly settings: OtlpSettings;
  readonly version: string;
  readonly clock: Clock;
  /** The wall clock. */
  now(): number;
  post(url: string, init: RequestInit): Promise<Response>;
  /** Undefined: the node is joining its cluster again. */
  families(): readonly Family[] | undefined;
  clientIdOf(session: number): string | undefined;
  log(level: 'info' | 'warn', fields: Readonly<Record<string, unknown>>, sentence: string): void;
}

/** The default of the OpenTelemetry SDKs. */
const spansAtOnce = 512;
const spansPauseMs = 5_000;

export class Telemetry {
  readonly #options: TelemetryOptions;
  readonly #source: OtlpSource;
  readonly #starts: StartTimes;
  readonly #metrics: OtlpSender | undefined;
  readonly #traces: OtlpSender | undefined;
  #spans: NamedSpan[] = [];
  #metricsTimer: Timer | undefined;
  #spansTimer: Timer | undefined;

  constructor(options: TelemetryOptions) {
    const { settings, version } = options;
    this.#options = options;
    this.#source = { version, attributes: settings.attributes };
    this.#starts = new StartTimes(options.now());
    this.#metrics = settings.metrics && this.#senderTo(settings.metrics);
    this.#traces = settings.traces && this.#senderTo(settings.traces);
  }

  /** The messages that get spans; undefined: none. */
  get sampler(): SpanSampler | undefined {
    return this.#options.settings.traces?.sampler;
  }

  start(): void {
    if (this.#metrics !== undefined) this.#metricsLater();
  }

  span(span: SpanRecord): void {
    if (this.#traces === undefined) return;
    const startMs = wallClockMs(span.startNs);
    this.#spans.push({
      span,
      startMs,
      endMs: startMs + Number(span.endNs - span.startNs) / 1e6, // the clock may be set in between
      clientId: this.#options.clientIdOf(span.session),
    });
    if (this.#spans.length >= spansAtOnce) this.#sendSpans();
    else this.#spansTimer ??= this.#options.clock.after(spansPauseMs, () => this.#sendSpans());
  }

  /** Unsent data are dropped. */
  stop(): void {
    this.#metricsTimer?.cancel();
    this.#spansTimer?.cancel();
    this.#metrics?.close();
    this.#traces?.close();
  }

  #senderTo(target: OtlpTarget): OtlpSender {
    const { clock, post, log } = this.#options;
    return new OtlpSender({
      target,
      clock,
      post,
      warn: (fields, sentence) => log('warn', fields, sentence),
      info: (fields, sentence) => log('info', fields, sentence),
    });
  }

  #metricsLater(): void {
    const { clock, settings } = this.#options;
    this.#metricsTimer = clock.after(settings.metrics?.intervalMs ?? 0, () => {
      const families = this.#options.families();
      if (families !== undefined) this.#sendMetrics(families);
      this.#metricsLater();
    });
  }

  #sendMetrics(families: readonly Family[]): void {
    const nowMs = this.#options.now();
    this.#starts.note(families, nowMs);
    this.#metrics?.send(metricsPayload(families, { ...this.#source, starts: this.#starts, nowMs }));
  }

  #sendSpans(): void {
    this.#spansTimer?.cancel();
    this.#spansTimer = undefined;
    const spans = this.#spans;
    this.#spans = [];
    if (spans.length > 0) this.#traces?.send(spansPayload(spans, this.#source));
  }
}
