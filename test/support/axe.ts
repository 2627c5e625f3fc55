/** Accessibility of a page: axe-core finds nothing serious, and a small phone shows all of it. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Page } from 'playwright-core';

// Through the debugger's protocol, to which the Content-Security-Policy does not apply.
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

interface Violation {
  readonly id: string;
  readonly impact: string;
  readonly nodes: readonly { readonly html: string; readonly failureSummary: string }[];
}

export async function seriousFaults(page: Page): Promise<string[]> {
  await page.evaluate(axe);
  const violations = (await page.evaluate(`axe.run().then(({ violations }) => violations)`)) as Violation[];
  return violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .flatMap(({ id, nodes }) => nodes.map(({ html, failureSummary }) => `${id}: ${html}\n${failureSummary}`));
}

export async function fitsSmallPhone(page: Page, path: string): Promise<void> {
  const width = 360;
  await page.setViewportSize({ width, height: 740 });
  const needed = Number(await page.evaluate('document.documentElement.scrollWidth')); // innerWidth grows with its content
  assert.ok(needed <= width, `${path} is ${needed - width} pixels wider than a small phone`);
  // Touch targets need 44 pixels; browsers zoom into an input with a font smaller than 16 pixels.
  const small = await page.evaluate(`[...document.querySelectorAll('button, select, input, textarea')]
    .filter((one) => one.checkVisibility() && one.type !== 'checkbox')
    .filter((one) => one.getBoundingClientRect().height < 38 ||
      (!one.matches('button') && parseFloat(getComputedStyle(one).fontSize) < 16))
    .map((one) => one.outerHTML)`);
  assert.deepEqual(small, [], path);
}
