/**
 * Whether an address is free. The workers share their ports (SO_REUSEPORT), so they would not notice another
 * broker on the same port. So before they start, the port is bound exclusively, once; and a claim keeps
 * other RallyMQs away from it for as long as the broker runs.
 */
import { lookup } from 'node:dns/promises';
import { createServer, type Server } from 'node:net';
import { BrokerError } from '../broker-error.ts';
import { loadAddon } from '../data-plane/addon.ts';
import { systemReason } from '../system-reason.ts';

/** The numeric address of a host name. Errors: ADDRESS_NOT_AVAILABLE. */
export async function numericAddress(host: string): Promise<string> {
  try {
    return (await lookup(host)).address;
  } catch (cause) {
    throw new BrokerError(
      'ADDRESS_NOT_AVAILABLE',
      `The host ${host} is not known here; give an address of this machine.`,
      { cause },
    );
  }
}

/**
 * On a numeric address. Nobody can connect to the port meanwhile: a program that waits for the broker would take it as
 * ready. Errors: ADDRESS_IN_USE, ADDRESS_NOT_AVAILABLE, ADDRESS_NOT_PERMITTED, with `option` named in the message.
 */
export function assertPortIsFree(host: string, port: number, option: string): void {
  const addon = loadAddon();
  try {
    const [descriptor] = addon.bindPort(host, port, false);
    addon.releasePort(descriptor);
  } catch (cause) {
    throw portError(cause as NodeJS.ErrnoException, host, port, option);
  }
}

/** Held while a broker uses a port. */
export interface PortClaim {
  release(): void;
}

/**
 * Claims a port among the RallyMQs of this machine, by a name in Linux's abstract socket namespace, which
 * disappears with the process. Errors: ADDRESS_IN_USE.
 */
export function claimPort(host: string, port: number, option: string): Promise<PortClaim> {
  return new Promise((resolve, reject) => {
    const claim: Server = createServer((socket) => socket.destroy());
    claim.once('error', (cause: NodeJS.ErrnoException) => reject(portError(cause, host, port, option)));
    claim.listen({ path: `\0rallymq/${host}/${port}` }, () => {
      claim.unref();
      resolve({ release: () => claim.close() });
    });
  });
}

export function portError(
  cause: NodeJS.ErrnoException,
  host: string,
  port: number,
  option: string,
): BrokerError {
  if (cause.code === 'EADDRINUSE') {
    const message = `Port ${port} on ${host} is in use; stop the program that has it, or choose another with the option ${option}.`;
    return new BrokerError('ADDRESS_IN_USE', message, { cause });
  }
  if (cause.code === 'EACCES') {
    const message = `Port ${port} on ${host} needs more rights; choose one above 1023 with the option ${option}.`;
    return new BrokerError('ADDRESS_NOT_PERMITTED', message, { cause });
  }
  const message = `Cannot listen on ${host}:${port} (${systemReason(cause)}); choose an address of this machine with the option host.`;
  return new BrokerError('ADDRESS_NOT_AVAILABLE', message, { cause });
}
