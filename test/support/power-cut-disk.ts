/**
 * A disk whose power can be cut at any moment: what was not synced is lost. For root, with `xfsprogs` and loop devices:
 *
 *   xfs image, mounted  >  disk.img with ext4, mounted  >  the data directory
 *
 * Data that the broker has written but not synced is in the system's memory above the inner file system, so a copy of
 * disk.img (a reflink, in milliseconds) has the contents of a disk after a loss of power. It neither tears sectors nor
 * reorders them: the simulated disk of test/native does.
 */
import { execFileSync } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { until } from './wait.ts';

const outerBytes = 2 * 1_024 ** 3;
const innerBytes = 512 * 1_024 ** 2;

export class PowerCutDisk {
  readonly #folder = mkdtempSync(join(tmpdir(), 'rallymq-power-'));
  readonly #outer = join(this.#folder, 'outer');
  readonly #image = join(this.#outer, 'disk.img');
  /** Where the disk is mounted. */
  readonly folder = join(this.#folder, 'disk');

  constructor() {
    try {
      const outerImage = join(this.#folder, 'outer.img');
      writeSparse(outerImage, outerBytes);
      run('mkfs.xfs', '-q', '-m', 'reflink=1', outerImage);
      mkdirSync(this.#outer);
      mkdirSync(this.folder);
      run('mount', '-o', 'loop', outerImage, this.#outer);
      writeSparse(this.#image, innerBytes);
      run('mkfs.ext4', '-q', '-F', this.#image);
      this.#mount();
    } catch (cause) {
      this.remove();
      throw new Error('A power cut needs root, loop devices, mkfs.xfs (Debian: xfsprogs) and mkfs.ext4.', {
        cause,
      });
    }
  }

  /** Cuts the power under the suspended process: everything it has told clients so far must hold. */
  async cut(pid: number): Promise<void> {
    process.kill(pid, 'SIGSTOP');
    await until('the broker is suspended', () => hasStopped(pid));
    run('cp', '--reflink=always', this.#image, this.#cutImage);
  }

  /** The process has ended. The disk returns to its state when the power was cut. */
  comeBack(): void {
    run('umount', this.folder);
    renameSync(this.#cutImage, this.#image);
    this.#mount();
  }

  remove(): void {
    for (const mounted of [this.folder, this.#outer]) {
      try {
        run('umount', '--lazy', mounted);
      } catch {
        // it never was
      }
    }
    rmSync(this.#folder, { recursive: true, force: true });
  }

  get #cutImage(): string {
    return join(this.#outer, 'cut.img');
  }

  #mount(): void {
    run('mount', '-o', 'loop', this.#image, this.folder);
  }
}

function writeSparse(path: string, bytes: number): void {
  writeFileSync(path, '');
  truncateSync(path, bytes);
}

function run(program: string, ...args: readonly string[]): void {
  execFileSync(program, args, { stdio: ['ignore', 'ignore', 'pipe'] });
}

/** Every thread: a thread waiting for the disk stops afterwards. */
function hasStopped(pid: number): boolean {
  return readdirSync(`/proc/${pid}/task`).every((task) => {
    const stat = readFileSync(`/proc/${pid}/task/${task}/stat`, 'latin1');
    return stat.slice(stat.lastIndexOf(')') + 2).startsWith('T');
  });
}
