/** The attacked broker, and the attacking clients. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { resolve } from 'node:path';
import type { BrokerOptions, Statistics } from '../../core/broker.ts';
import type { ConnectPacket } from '../../core/wire/packets.ts';
import { RawClient, type TransportName } from '../support/raw-client.ts';
import { until, within } from '../support/wait.ts';
import type { Attack } from './attack.ts';
import { Attacker } from './attacker.ts';
import type { Question, Start } from './broker-process.ts';

const program = resolve(import.meta.dirname, 'broker-process.js');
const quietOptions: BrokerOptions = { workers: 1, sysIntervalSeconds: 0 };

interface Ports {
  readonly port: number;
  readonly tcpPort: number;
  readonly tlsPort: number | false;
}

export class Target {
  readonly port: number;
  readonly tcpPort: number;
  /** 0: there is none. */
  readonly tlsPort: number;
  readonly #process: ChildProcess;
  readonly #log: { text: string };
  readonly #attackers: Attacker[] = [];
  readonly #sockets: Socket[] = [];

  private constructor(process: ChildProcess, log: { text: string }, ports: Ports) {
    this.#process = process;
    this.#log = log;
    this.port = ports.port;
    this.tcpPort = ports.tcpPort;
    this.tlsPort = ports.tlsPort || 0;
  }

  static async start({ options = {}, host, descriptors = 4_096 }: Attack): Promise<Target> {
    const chosen = typeof options === 'function' ? options() : options;
    const command = `ulimit -n ${descriptors} && exec "$0" --max-semi-space-size=1 "$1"`;
    const child = spawn('sh', ['-c', command, process.execPath, program], {
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    const log = { text: '' };
    for (const stream of [child.stdout, child.stderr])
      stream?.setEncoding('utf8').on('data', (text: string) => (log.text += text));
    child.send({ options: { ...quietOptions, ...chosen }, host } satisfies Start);
    const [ports] = await within('the broker to start', once(child, 'message'), 30_000);
    return new Target(child, log, ports as Ports);
  }

  /** What it has printed. */
  get log(): string {
    return this.#log.text;
  }

  async statistics(): Promise<Statistics> {
    return (await this.#ask('statistics')) as Statistics;
  }

  /** Bytes of the messages that its host program was given. */
  async heardBytes(): Promise<number> {
    return (await this.#ask('heard')) as number;
  }

  /** Its host program is done with all that it was given, and will be at once with what comes. */
  letHostGoOn(): void {
    this.#process.send('goOn' satisfies Question);
  }

  /** Waits until what it has counted is so. */
  async untilCounted(what: string, condition: (counted: Statistics) => boolean): Promise<void> {
    await until(what, async () => condition(await this.statistics()), 30_000);
  }

  get residentBytes(): number {
    return this.#memory('VmRSS');
  }
  /** The most since notePeak(). */
  get peakBytes(): number {
    return this.#memory('VmHWM');
  }
  notePeak(): void {
    writeFileSync(`/proc/${this.#process.pid}/clear_refs`, '5');
  }

  /** A connection that has sent nothing. */
  async open(transport: TransportName = 'tcp'): Promise<Attacker> {
    return this.#keep(new Attacker(await RawClient.open(transport, this)));
  }
  /** A client whose CONNECT was answered, whatever the answer. */
  async connect(packet: Partial<ConnectPacket> = {}, transport: TransportName = 'tcp'): Promise<Attacker> {
    const attacker = await this.open(transport);
    await attacker.connect(packet);
    return attacker;
  }
  /** Many clients, some of them at once. */
  async connectMany(
    count: number,
    packetOf: (index: number) => Partial<ConnectPacket> = () => ({}),
  ): Promise<Attacker[]> {
    const all: Attacker[] = [];
    for (let index = 0; index < count; index += 50) {
      const some = Array.from({ length: Math.min(50, count - index) }, (_, more) =>
        this.connect(packetOf(index + more)),
      );
      all.push(...(await Promise.all(some)));
    }
    return all;
  }
  /** A socket of the port of HTTP that reads nothing until it is told to. */
  async socket(port: number = this.port): Promise<Socket> {
    const socket = connect({ host: '127.0.0.1', port, noDelay: true, allowHalfOpen: true });
    socket.on('error', () => {}); // 'close' follows
    this.keep(socket);
    await within('a TCP connection', once(socket, 'connect'));
    return socket;
  }
  /** It is ended with the attackers. */
  keep(socket: Socket): void {
    this.#sockets.push(socket);
  }

  /** Ends all clients that attack, without a word. */
  withdraw(): void {
    for (const attacker of this.#attackers.splice(0)) attacker.raw.destroy();
    for (const socket of this.#sockets.splice(0)) socket.destroy();
  }

  /** Stops it in order; gives its exit code, undefined if a signal ended it. */
  async stop(): Promise<number | undefined> {
    this.#process.send('stop' satisfies Question);
    const [code] = await within('the end of the broker', once(this.#process, 'exit'), 30_000);
    return typeof code === 'number' ? code : undefined;
  }
  kill(): void {
    this.withdraw();
    this.#process.kill('SIGKILL');
  }

  #keep(attacker: Attacker): Attacker {
    this.#attackers.push(attacker);
    return attacker;
  }

  /** One question at a time. */
  async #ask(question: Question): Promise<unknown> {
    assert.equal(this.#process.exitCode, null, `the broker has ended:\n${this.log}`);
    const answer = once(this.#process, 'message');
    this.#process.send(question);
    return (await within(`the broker to answer (${question})`, answer, 30_000))[0];
  }

  #memory(name: string): number {
    const status = readFileSync(`/proc/${this.#process.pid}/status`, 'utf8');
    return Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1]) * 1_024;
  }
}
