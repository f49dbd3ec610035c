/** Each view and state of the status page, in each language and theme, in a real browser: for everybody, on a small phone. */
// Needs a quiet machine: a browser beside Node-RED takes both of its cores.
import '../../harness/no-outside.ts';
import assert from 'node:assert/strict';
import test from 'node:test';
import * as sites from '../../fakes/page-sites.ts';
import { accessibilityFaults, holds, type Page } from '../../harness/browser.ts';
import { pageSite } from '../../harness/page-site.ts';
import { OPERATOR, STATES } from '../../harness/page-states.ts';

for (const language of ['en', 'bn'] as const)
  test(`every view for everybody: ${language}`, async (t) => {
    const site = await pageSite(t);
    if (site === undefined) return;
    const faults: string[] = [];
    for (const state of STATES) {
      const server = await site.serve((state.live ?? sites.clinic)());
      server.answers.session = state.session ?? OPERATOR;
      const { page, faults: thrown } = await site.open(server, { language, digits: language === 'bn' });
      // Once it stands, so that the address is another view and not another page.
      await page.waitForSelector('main h1:not(.loading)');
      if (state.view !== undefined) {
        await page.evaluate(`location.hash = '#/${state.view}'`);
        await holds(page, `document.querySelector('main h1:not(.loading)') === document.activeElement`);
      }
      await state.act?.(page, server);
      const found = [...(await accessibilityFaults(page)), ...(await layoutFaults(page))];
      await page.emulateMedia({ colorScheme: 'dark' });
      // All else is the same in the dark.
      const dark = await accessibilityFaults(page, ['color-contrast']);
      faults.push(...[...found, ...dark, ...thrown].map((fault) => `${state.name}: ${fault}`));
      await page.context().close();
    }
    assert.deepEqual(faults, []);
  });

/** At 360 px, and at 320 px, which is a desktop at 400 %. */
async function layoutFaults(page: Page): Promise<string[]> {
  const faults: string[] = [];
  for (const width of [320, 360]) {
    await page.setViewportSize({ width, height: 740 });
    const wide = await page.evaluate('document.documentElement.scrollWidth');
    if (wide !== width) faults.push(`${wide} px wide on ${width} px`);
  }
  const title = await page.title();
  // What odd names bring would show itself here.
  if (title === 'broken' || (await page.locator('main img').count()) > 0) faults.push('markup of a name came alive');
  return faults;
}
