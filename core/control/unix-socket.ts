/**
 * A Unix socket for the workers to listen on (main thread): bound once, with mode 660, and removed when the
 * broker stops. A socket left behind by a process that has ended is removed first.
 */
import { lstatSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { BrokerError } from '../broker-error.ts';
import type { Addon } from '../data-plane/addon.ts';
import { messageOf } from '../system-reason.ts';

export class UnixSocket {
  readonly descriptor: number;
  readonly #addon: Addon;
  readonly #path: string;

  private constructor(addon: Addon, path: string, descriptor: number) {
    this.#addon = addon;
    this.#path = path;
    this.descriptor = descriptor;
  }

  /** Errors: ADDRESS_IN_USE, ADDRESS_NOT_AVAILABLE. */
  static async open(addon: Addon, path: string): Promise<UnixSocket> {
    await removeStale(path);
    try {
      return new UnixSocket(addon, path, addon.openSocket(path));
    } catch (cause) {
      const reason = messageOf(cause);
      throw new BrokerError(
        'ADDRESS_NOT_AVAILABLE',
        `Cannot listen on the Unix socket ${path} (${reason}): name a path in a folder that this user may write.`,
        { cause },
      );
    }
  }

  close(): void {
    this.#addon.releasePort(this.descriptor);
    rmSync(this.#path, { force: true });
  }
}

/** A file that is not a socket, or a socket that somebody listens on, stays. */
async function removeStale(path: string): Promise<void> {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) return;
  if (!found.isSocket())
    throw new BrokerError('ADDRESS_IN_USE', `${path} exists and is not a socket: choose another path.`);
  if (await isListenedOn(path))
    throw new BrokerError(
      'ADDRESS_IN_USE',
      `The Unix socket ${path} is in use: stop the program that has it.`,
    );
  rmSync(path, { force: true });
}

function isListenedOn(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', ({ code }: NodeJS.ErrnoException) => resolve(code !== 'ECONNREFUSED'));
  });
}
