// A network namespace of our own, with all ports free. It lives until `close()`.

import { spawn, spawnSync } from 'node:child_process';

const isRoot = process.getuid?.() === 0;

/** Undefined if not available: it needs root, or user namespaces. */
export async function ownNetwork() {
  const flags = isRoot ? ['--net'] : ['--map-root-user', '--net'];
  if (spawnSync('unshare', [...flags, 'true']).status !== 0) return undefined;
  const holder = spawn(
    'unshare',
    [...flags, 'sh', '-c', 'ip link set lo up && echo up && exec sleep infinity'],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  await new Promise((done, fail) =>
    holder.stdout.once('data', done).once('close', () => fail(new Error('no network'))),
  );
  const enter = isRoot ? ['--net'] : ['--user', '--preserve-credentials', '--net'];
  return {
    /** A command with this prefix runs inside. */
    command: ['nsenter', '--target', `${holder.pid}`, ...enter, '--'],
    close: () => holder.kill('SIGKILL'),
  };
}
