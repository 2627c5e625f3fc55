/** A thread whose clients log in repeatedly, each as a different user. */
import { constants, setPriority } from 'node:os';
import { parentPort, workerData } from 'node:worker_threads';
import { ReasonCode } from '../../core/wire/reason-code.ts';
import { BenchError } from '../bench-error.ts';
import { inLoops, LoginClient } from './login-client.ts';
import type { StormOfClients } from './storm.ts';

const loops = 32;

const { broker, seconds, firstUser, users, password } = workerData as StormOfClients;
setPriority(constants.priority.PRIORITY_LOW); // of this thread alone, on Linux
let next = firstUser;
let verified = 0;
await inLoops(loops, seconds, async () => {
  const client = await LoginClient.open(broker);
  const reasonCode = await client.logIn({ username: `user-${next++ % users}`, password });
  client.end();
  if (reasonCode === ReasonCode.success) verified++;
  // It was not verified within connectTimeoutMs: the machine had no time left for it.
  else if (reasonCode !== ReasonCode.serverBusy)
    throw new BenchError(`A right password was refused with 0x${reasonCode.toString(16)}.`);
});
parentPort?.postMessage(verified);
