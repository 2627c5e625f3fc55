/** The command with a data directory, killed and restarted by a test; its ports change each time. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Limits } from '../../core/broker.ts';
import { atEnd, type Ends } from './at-end.ts';
import { Command, type Exit } from './command.ts';
import type { PowerCutDisk } from './power-cut-disk.ts';

export class KillableBroker {
  /** Its current addresses: the same object until the broker is restarted. */
  readonly ports = { port: 0, tcpPort: 0 };
  readonly folder: string;
  readonly #args: readonly string[];
  readonly #disk: PowerCutDisk | undefined;
  #command: Command | undefined;

  private constructor(folder: string, args: readonly string[], disk: PowerCutDisk | undefined) {
    this.folder = folder;
    this.#args = args;
    this.#disk = disk;
  }

  /**
   * With a new data directory below the temporary folder; remove() deletes it. With a disk the directory is on it,
   * and the power is cut whenever the broker is killed.
   */
  static async create(limits: Partial<Limits> = {}, disk?: PowerCutDisk): Promise<KillableBroker> {
    const folder = await mkdtemp(join(tmpdir(), 'rallymq-data-'));
    const file = join(folder, 'rallymq.json');
    const small = { logSegmentBytes: 1_048_576 }; // each start fills some segments
    await writeFile(file, JSON.stringify({ limits: { ...small, ...limits } }));
    return new KillableBroker(folder, ['--config', file], disk);
  }

  get command(): Command {
    if (this.#command === undefined) throw new Error('the broker does not run');
    return this.#command;
  }

  get dataDirectory(): string {
    return join(this.#disk?.folder ?? this.folder, 'data');
  }

  /** Resolves when clients can connect. */
  async start(workers = 1, args: readonly string[] = []): Promise<void> {
    const data = ['--data', this.dataDirectory];
    const ports = ['--port', '0', '--tcp-port', '0'];
    this.#command = new Command([...ports, ...data, '--workers', `${workers}`, ...this.#args, ...args]);
    Object.assign(this.ports, await this.#command.ready());
  }

  /** kill -9. */
  async kill(): Promise<Exit> {
    await this.#disk?.cut(this.command.pid);
    const exit = await this.#end('SIGKILL');
    this.#disk?.comeBack();
    return exit;
  }

  /** In order. */
  async stop(): Promise<Exit> {
    return await this.#end('SIGTERM');
  }

  async remove(): Promise<void> {
    if (this.#command !== undefined) await this.kill();
    await rm(this.folder, { recursive: true, force: true });
  }

  async #end(signal: NodeJS.Signals): Promise<Exit> {
    const { command } = this;
    this.#command = undefined;
    command.kill(signal);
    return await command.exited();
  }
}

/** For one test: removed when it ends. */
export async function killableBroker(test: Ends, limits: Partial<Limits> = {}): Promise<KillableBroker> {
  const broker = await KillableBroker.create(limits);
  atEnd(test, () => broker.remove());
  return broker;
}
