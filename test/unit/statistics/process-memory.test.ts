/** The memory of the process, also while it may open no file. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { memoryOfProcess, residentBytes } from '../../../core/statistics/process-memory.ts';

test('while no file can be opened the memory is what it was, and nothing else is hidden', () => {
  const before = memoryOfProcess().usedBytes;
  assert.ok(before > 0);
  const noFiles = Object.assign(new Error('EMFILE: too many open files'), { code: 'EMFILE' });
  const failing = (error: Error) => () => {
    throw error;
  };
  assert.equal(residentBytes(failing(noFiles)), before);
  assert.throws(() => residentBytes(failing(new Error('a bug'))), /a bug/);
});
