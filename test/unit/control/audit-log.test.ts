/** The lines of the audit, and how many of them strangers can bring about. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AuditLog } from '../../../core/control/audit-log.ts';
import { FakeClock } from '../../support/fake-clock.ts';

test('of each kind so many a second, and then how many there were beside them', () => {
  const clock = new FakeClock();
  const lines: string[] = [];
  const audit = new AuditLog({
    clock,
    limits: { auditLinesPerSecondMax: 2 },
    write: (level, fields) => lines.push(`${level} ${JSON.stringify(fields)}`),
  });
  for (let each = 1; each <= 5; each++) audit.add('loginRefused', { each });
  audit.add('banned', { value: 'a' });
  assert.deepEqual(lines.splice(0), [
    'warn {"audit":"loginRefused","each":1}',
    'warn {"audit":"loginRefused","each":2}',
    'warn {"audit":"banned","value":"a"}',
  ]);
  clock.advance(1_000);
  audit.add('loginRefused', { each: 6 });
  audit.add('reloaded', {});
  assert.deepEqual(lines, [
    'warn {"audit":"loginRefused","each":6,"withheld":3}',
    'info {"audit":"reloaded"}',
  ]);
});
