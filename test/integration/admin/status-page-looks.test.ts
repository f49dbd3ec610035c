/** Each view and state of the status page, in each language and theme, in a real browser: for everybody, on a small phone. */
import assert from 'node:assert/strict';
import test from 'node:test';
import * as sites from '../../fakes/page-sites.ts';
import { accessibilityFaults, holds, type Page } from '../../harness/browser.ts';
import { type PageSite, pageSite } from '../../harness/page-site.ts';

type PageServer = Awaited<ReturnType<PageSite['serve']>>;

interface State {
  readonly name: string;
  readonly live?: () => ReturnType<typeof sites.clinic>;
  /** Behind `#/`. */
  readonly view?: string;
  readonly session?: PageServer['answers']['session'];
  readonly act?: (page: Page, server: PageServer) => Promise<unknown>;
}

const OPERATOR = { name: 'anna', role: 'operator' };
const ADMINISTRATOR = { name: 'anna', role: 'administrator' };
const POINT = 'point/fridge.temperature';

const STATES: readonly State[] = [
  { name: 'claim', session: 'unclaimed' },
  { name: 'log-in', session: 'nobody' },
  {
    ...{ name: 'log-in refused', session: 'nobody' },
    act: async (page, server) => {
      server.answers.refusal = { status: 401, code: 'unauthorized' };
      await page.fill('#name', 'anna');
      await page.fill('#password', 'wrong');
      await page.click('button[type=submit]');
      await page.waitForSelector('.fault:not(:empty)');
    },
  },
  { name: 'overview' },
  { name: 'overview of nothing', live: sites.empty },
  { name: 'overview of odd names', live: sites.odd },
  { name: 'devices', view: 'devices' },
  { name: 'devices, 1,000 points', live: sites.full, view: 'devices' },
  { name: 'devices of odd names', live: sites.odd, view: 'devices' },
  { name: 'a device', view: 'device/pump' },
  { name: 'a device that is gone', view: 'device/nobody' },
  { name: 'a chart', view: POINT, act: (page) => page.waitForSelector('.plot canvas') },
  {
    ...{ name: 'a table', view: POINT },
    act: async (page) => {
      await page.click('fieldset .second');
      await page.waitForSelector('.wide tbody tr');
    },
  },
  {
    ...{ name: 'a chart of nothing', view: 'point/fridge.door' },
    act: async (page, server) => {
      server.answers.history = () => undefined;
      await page.click('fieldset button');
      await page.waitForSelector('.fault:not(:empty)');
    },
  },
  { name: 'alarms', view: 'alarms' },
  { name: 'alarms, 200 of them', live: sites.full, view: 'alarms' },
  { name: 'alarms of odd names', live: sites.odd, view: 'alarms' },
  { name: 'no alarms', live: sites.empty, view: 'alarms' },
  { name: 'alarms for a viewer', view: 'alarms', session: { name: 'rahim', role: 'viewer' } },
  { name: 'an alarm to be shelved', view: 'alarms', act: (page) => page.click('.alarm .second') },
  {
    ...{ name: 'an acknowledgement refused', view: 'alarms' },
    act: async (page, server) => {
      server.answers.refusal = { status: 403, code: 'forbidden' };
      await page.click('.alarm button');
      await page.waitForSelector('.actions .fault');
    },
  },
  { name: 'delivery', view: 'delivery' },
  { name: 'delivery of odd names', live: sites.odd, view: 'delivery' },
  { name: 'no delivery', live: sites.empty, view: 'delivery' },
  { name: 'system', view: 'system', session: ADMINISTRATOR },
  { name: 'system of odd names', live: sites.odd, view: 'system' },
  { name: 'you', view: 'you' },
  { name: 'you, without a session', view: 'you', session: 'looks' },
  {
    name: 'connection lost',
    act: async (page, server) => {
      server.answers.refuse = 500;
      server.drop();
      await page.waitForSelector('.link.lost');
    },
  },
  {
    name: 'too many pages',
    act: async (page, server) => {
      server.answers.refuse = 503;
      server.drop();
      await page.waitForSelector('.link.busy');
    },
  },
];

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
