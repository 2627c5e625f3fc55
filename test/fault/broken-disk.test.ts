/** A disk that rejects writes: nothing more is acknowledged, and the broker ends with a line that states the reason. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { publishFrame } from '../support/frames.ts';
import { killableBroker } from '../support/killable-broker.ts';
import { MqttSession } from '../support/mqtt-session.ts';
import { openConnected } from '../support/raw-client.ts';

test('a write that fails: no PUBACK, exit status 1 and a sentence; what was acknowledged is there again', async (t) => {
  const broker = await killableBroker(t);
  await broker.start(2);
  const session = new MqttSession(t, broker.ports, 'session');
  await session.connect('tcp');
  await session.subscribe('kept', 1);
  session.disconnect();
  await session.client?.closed(); // or it may still get the message that is published now
  const { client } = await openConnected(t, 'tcp', broker.ports, { clientId: 'source' });
  client.send(publishFrame('kept', 'safe', { qos: 1 }));
  await client.nextPacket();

  // From now on the system refuses every byte that the log has to write (EFBIG), as a broken disk would (EIO).
  const { command } = broker;
  execFileSync('prlimit', ['--pid', `${command.pid}`, '--fsize=4096']);
  client.send(publishFrame('kept', 'lost', { qos: 1 }));
  await client.closed();
  assert.deepEqual(
    client.packets.filter(({ type }) => type === 4),
    [],
  );
  const { code, stderr } = await command.exited();
  assert.equal(code, 1);
  const lines = stderr.trimEnd().split('\n');
  const said = lines.filter((line) => line.startsWith('rallymq: '));
  assert.equal(said.length, 1, stderr);
  assert.match(said[0] ?? '', /^rallymq: The disk of \S+ has failed, nothing more is acknowledged: .+\.$/);

  await broker.start(1);
  await session.connect('tcp');
  assert.ok(session.isSessionPresent);
  await session.roundTrip();
  assert.deepEqual(
    session.handed.map(({ text }) => text),
    ['safe'],
  );
});
