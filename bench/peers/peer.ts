/** The name of this broker with one worker; with several, its name begins like this. */
export const ours = 'rallymq';

/** A broker that takes part, and where it listens once it runs. */

export interface Endpoint {
  /** A numeric IPv4 address. */
  readonly host: string;
  readonly port: number;
  /** Of WebSocket connections. */
  readonly path?: string;
}

export interface RunningPeer {
  /** Of its process, to see its CPU and memory; missing where that is not known. */
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
  /** What it is, in which version and with which settings, for the report. */
  readonly description: string;
  /** It was already running: it is not restarted, and its memory has seen earlier loads. */
  readonly isExternal?: true;
  /** It speaks MQTT 3.1.1 but not 5.0, whatever was asked for. */
  readonly isVersion4?: boolean;
  /** Errors: BenchError if it does not start. */
  start(): Promise<RunningPeer>;
}

/** It is this broker, with any number of workers. */
export function isOurs(name: string): boolean {
  return name.startsWith(ours);
}
