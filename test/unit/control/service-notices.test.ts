/** What a service manager is told. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ServiceNotices } from '../../../core/control/service-notices.ts';
import { FakeClock } from '../../support/fake-clock.ts';

function played(variables: Record<string, string>, isHeard: () => boolean = () => true) {
  const clock = new FakeClock();
  const sent: string[] = [];
  const warned: string[] = [];
  const environment: Record<string, string | undefined> = { ...variables };
  const notices = new ServiceNotices({
    environment,
    pid: 7,
    clock,
    monotonicUs: () => 123n,
    send: (socket, text) => {
      sent.push(`${socket} ${text.split('\n')[0]}`);
      return isHeard();
    },
    warn: (sentence) => void warned.push(sentence),
  });
  return { notices, clock, sent, warned, environment };
}

test('it is told that the broker starts, is ready, lives, reads files again and stops', () => {
  const variables = { NOTIFY_SOCKET: '/run/n', WATCHDOG_USEC: '4000000', WATCHDOG_PID: '7', OTHER: 'x' };
  const { notices, clock, sent, environment } = played(variables);
  assert.deepEqual(environment, { OTHER: 'x' }, 'no other process speaks for this one');
  clock.advance(20_000);
  notices.ready();
  clock.advance(4_000);
  notices.reloading();
  notices.reloaded(false);
  notices.draining();
  notices.stopping();
  assert.deepEqual(
    sent.map((each) => each.replace('/run/n ', '')),
    [
      'EXTEND_TIMEOUT_USEC=60000000',
      'EXTEND_TIMEOUT_USEC=60000000',
      'READY=1',
      'WATCHDOG=1',
      'WATCHDOG=1',
      'WATCHDOG=1',
      'RELOADING=1',
      'READY=1',
      'STATUS=Disconnecting clients.',
      'STOPPING=1',
    ],
  );
});

test('without a socket nothing is sent, a watchdog of another process is not fed, and silence is warned of once', () => {
  const nobody = played({ WATCHDOG_USEC: '4000000' });
  nobody.notices.ready();
  nobody.notices.stopping();
  assert.deepEqual([nobody.sent, nobody.clock.timers], [[], 0]);
  const other = played({ NOTIFY_SOCKET: '@n', WATCHDOG_USEC: '4000000', WATCHDOG_PID: '8' });
  other.notices.ready();
  other.clock.advance(60_000);
  assert.ok(!other.sent.some((each) => each.includes('WATCHDOG')));
  const deaf = played({ NOTIFY_SOCKET: '/run/n' }, () => false);
  deaf.notices.ready();
  deaf.notices.stopping();
  assert.deepEqual([deaf.sent.length, deaf.warned.length, deaf.clock.timers], [3, 1, 0]);
});

test('a service manager that does not take a notice gets the next ones: its watchdog would end the broker', () => {
  let isHeard = true;
  const { notices, clock, sent, warned } = played(
    { NOTIFY_SOCKET: '/run/n', WATCHDOG_USEC: '4000000' },
    () => isHeard,
  );
  isHeard = false;
  clock.advance(20_000);
  notices.ready();
  clock.advance(2_000);
  sent.length = 0;
  isHeard = true;
  clock.advance(4_000);
  notices.stopping();
  assert.deepEqual(sent, ['/run/n WATCHDOG=1', '/run/n WATCHDOG=1', '/run/n STOPPING=1']);
  assert.equal(warned.length, 1);
});
