/**
 * The destination of metrics and spans, from the environment variables of OpenTelemetry. Without an endpoint nothing is sent.
 * Invalid variables are logged and ignored, as the specification demands.
 */

export interface OtlpTarget {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
}

/** The messages that get spans. */
export interface SpanSampler {
  /** A message with a traceparent follows its flag; others follow `ratio`. */
  readonly followsParent: boolean;
  /** For messages without a traceparent. */
  readonly ratio: number;
}

export interface OtlpSettings {
  /** Undefined: they are not sent. */
  readonly metrics: (OtlpTarget & { readonly intervalMs: number }) | undefined;
  readonly traces: (OtlpTarget & { readonly sampler: SpanSampler }) | undefined;
  /** Resource attributes: service.name and further ones. */
  readonly attributes: Readonly<Record<string, string>>;
}

type Environment = Readonly<Record<string, string | undefined>>;
type Warn = (sentence: string) => void;

const timeoutMsDefault = 10_000;
const intervalMsDefault = 60_000;
const intervalMsMin = 100;

/** Undefined: nothing is sent. */
export function otlpSettingsOf(environment: Environment, warn: Warn): OtlpSettings | undefined {
  const read = (name: string): string => environment[name]?.trim() ?? '';
  if (read('OTEL_SDK_DISABLED').toLowerCase() === 'true') return undefined;
  const metrics = targetOf('METRICS', 'v1/metrics', read, warn);
  const traces = targetOf('TRACES', 'v1/traces', read, warn);
  if (metrics === undefined && traces === undefined) return undefined;
  const protocol = read('OTEL_EXPORTER_OTLP_PROTOCOL');
  if (protocol !== '' && protocol !== 'http/json')
    warn(`OTEL_EXPORTER_OTLP_PROTOCOL is ${protocol}, but RallyMQ sends http/json.`);
  const intervalMs = Math.max(
    intervalMsMin,
    milliseconds('OTEL_METRIC_EXPORT_INTERVAL', intervalMsDefault, read, warn),
  );
  const given = pairsOf('OTEL_RESOURCE_ATTRIBUTES', read, warn);
  const name = read('OTEL_SERVICE_NAME');
  return {
    metrics: metrics && { ...metrics, intervalMs },
    traces: traces && { ...traces, sampler: samplerOf(read, warn) },
    attributes: { 'service.name': 'rallymq', ...given, ...(name === '' ? {} : { 'service.name': name }) },
  };
}

type Read = (name: string) => string;

function targetOf(signal: string, path: string, read: Read, warn: Warn): OtlpTarget | undefined {
  const exporter = read(`OTEL_${signal}_EXPORTER`) || 'otlp';
  if (exporter !== 'otlp') {
    if (exporter !== 'none') warn(`OTEL_${signal}_EXPORTER is ${exporter}: RallyMQ knows otlp and none.`);
    return undefined;
  }
  const base = read('OTEL_EXPORTER_OTLP_ENDPOINT');
  const own = read(`OTEL_EXPORTER_OTLP_${signal}_ENDPOINT`);
  const url = own || (base === '' ? '' : `${base.replace(/\/$/, '')}/${path}`);
  if (url === '') return undefined;
  if (!/^https?:\/\//.test(url) || !URL.canParse(url)) {
    warn(
      `${own === '' ? 'OTEL_EXPORTER_OTLP_ENDPOINT' : `OTEL_EXPORTER_OTLP_${signal}_ENDPOINT`} is not an HTTP address.`,
    );
    return undefined;
  }
  const ownHeaders = `OTEL_EXPORTER_OTLP_${signal}_HEADERS`;
  const headers = pairsOf(read(ownHeaders) === '' ? 'OTEL_EXPORTER_OTLP_HEADERS' : ownHeaders, read, warn);
  const timeoutMs = milliseconds('OTEL_EXPORTER_OTLP_TIMEOUT', timeoutMsDefault, read, warn);
  const ownTimeout = `OTEL_EXPORTER_OTLP_${signal}_TIMEOUT`;
  return { ...withoutUser(url, headers), timeoutMs: milliseconds(ownTimeout, timeoutMs, read, warn) };
}

/** The user and password of an address as a header: fetch() refuses such an address, with an error that shows it. */
function withoutUser(text: string, headers: OtlpTarget['headers']): Pick<OtlpTarget, 'url' | 'headers'> {
  const url = new URL(text);
  const { username, password } = url;
  if (username === '' && password === '') return { url: text, headers };
  url.username = url.password = '';
  const isGiven = Object.keys(headers).some((name) => name.toLowerCase() === 'authorization');
  if (isGiven) return { url: url.href, headers };
  const credentials = [username, password].map((each) => decoded(each) ?? each).join(':');
  const authorization = `Basic ${Buffer.from(credentials).toString('base64')}`;
  return { url: url.href, headers: { authorization, ...headers } };
}

function milliseconds(name: string, otherwise: number, read: Read, warn: Warn): number {
  const text = read(name);
  if (text === '') return otherwise;
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text);
  warn(`${name} must be a number of milliseconds; ${otherwise} is used.`);
  return otherwise;
}

/** `name=value,name=value`, with percent-encoded values. Values may be secrets: none is shown. */
function pairsOf(variable: string, read: Read, warn: Warn): Readonly<Record<string, string>> {
  const pairs: [string, string][] = [];
  for (const pair of read(variable).split(',')) {
    if (pair.trim() === '') continue;
    const at = pair.indexOf('=');
    const name = pair.slice(0, Math.max(0, at)).trim();
    const value = decoded(pair.slice(at + 1).trim());
    const isHeader = variable.endsWith('_HEADERS');
    const isGood = value !== undefined && (!isHeader || isHeaderPair(name, value));
    if (name === '' || !isGood) warn(`${variable} has a pair that is not name=value, percent-encoded.`);
    else pairs.push([name, value]);
  }
  return Object.fromEntries(pairs);
}

function isHeaderPair(name: string, value: string): boolean {
  return /^[\w!#$%&'*+.^`|~-]+$/.test(name) && /^[\x20-\x7e\t]*$/.test(value);
}

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}

/**
 * Without OTEL_TRACES_SAMPLER only messages that belong to a sampled trace get spans: a broker should not begin a trace with
 * every message, as OpenTelemetry does by default.
 */
function samplerOf(read: Read, warn: Warn): SpanSampler {
  const sampler = read('OTEL_TRACES_SAMPLER') || 'parentbased_always_off';
  const followsParent = sampler.startsWith('parentbased_');
  switch (sampler.replace(/^parentbased_/, '')) {
    case 'always_on':
      return { followsParent, ratio: 1 };
    case 'always_off':
      return { followsParent, ratio: 0 };
    case 'traceidratio':
      return { followsParent, ratio: ratioOf(read('OTEL_TRACES_SAMPLER_ARG'), warn) };
    default:
      warn(`OTEL_TRACES_SAMPLER is ${sampler}, which is not known: parents alone decide.`);
      return { followsParent: true, ratio: 0 };
  }
}

function ratioOf(text: string, warn: Warn): number {
  const ratio = text === '' ? 1 : Number(text);
  if (ratio >= 0 && ratio <= 1) return ratio;
  warn('OTEL_TRACES_SAMPLER_ARG must be from 0 to 1; 1 is used.');
  return 1;
}
