/** The name of this broker with one worker; with several, its name begins like this. */
export const ours = 'rallymq';

/** A broker that takes part, and its addresses once it runs. */

export interface Endpoint {
  /** A numeric IPv4 address. */
  readonly host: string;
  readonly port: number;
  /** Of WebSocket connections. */
  readonly path?: string;
}

export interface RunningPeer {
  /** The process identifier, to measure its CPU and memory; missing if it is unknown. */
  readonly pid?: number;
  readonly ws?: Endpoint;
  readonly tcp?: Endpoint;
  readonly wss?: Endpoint;
  /** For plain HTTP. */
  readonly http?: Endpoint;
  stop(): Promise<void>;
}

export interface Peer {
  readonly name: string;
  /** Its name, version and settings, for the report. */
  readonly description: string;
  /** It was already running: it is not restarted, and its memory has seen earlier loads. */
  readonly isExternal?: true;
  /** It supports MQTT 3.1.1 but not 5.0, whatever was requested. */
  readonly isVersion4?: boolean;
  /** Errors: BenchError if it does not start. */
  start(): Promise<RunningPeer>;
}

/** It is this broker, with any number of workers. */
export function isOurs(name: string): boolean {
  return name.startsWith(ours);
}
