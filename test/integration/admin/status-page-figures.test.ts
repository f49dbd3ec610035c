/** The figures of alarms in the status page: a flood, what chatters, what stands, and the most frequent alarms. */
import '../../harness/no-outside.ts';
import assert from 'node:assert/strict';
import test from 'node:test';
import type { LiveFigures } from '../../../src/admin/live/live-types.ts';
import * as sites from '../../fakes/page-sites.ts';
import type { Page } from '../../harness/browser.ts';
import { pageSite } from '../../harness/page-site.ts';

const BUSY: LiveFigures = {
  ...{ annunciated: 412, perHour: 1.3, perDay: 17, flood: 31 },
  ...{ chattering: ['door-open', 'pump-pressure'], standing: ['meter-stale'] },
  worst: [
    { rule: 'door-open', count: 300 },
    { rule: 'pump-pressure', count: 112 },
  ],
};
const NONE: LiveFigures = { annunciated: 0, perHour: 0, perDay: 0, chattering: [], standing: [], worst: [] };

const LINES = {
  en: {
    busy: [
      'Average: 1.3 an hour (24 hours), 17 a day (30 days)',
      'Alarm flood: 31 alarms so far',
      'Begins and ends again and again: door-open, pump-pressure',
      'Active for more than 24 hours: meter-stale',
      'Most frequent in 30 days: door-open (300), pump-pressure (112)',
    ],
    standing: 'Active for more than 24 hours: meter-stale',
  },
  bn: {
    busy: [
      'গড়: ঘণ্টায় ১.৩টি (২৪ ঘণ্টা), দিনে ১৭টি (৩০ দিন)',
      'অ্যালার্মের বন্যা: এ পর্যন্ত ৩১টি',
      'বারবার শুরু ও শেষ হচ্ছে: door-open, pump-pressure',
      '২৪ ঘণ্টার বেশি চালু: meter-stale',
      '৩০ দিনে সবচেয়ে বেশি: door-open (৩০০), pump-pressure (১১২)',
    ],
    standing: '২৪ ঘণ্টার বেশি চালু: meter-stale',
  },
} as const;

async function linesOf(page: Page): Promise<string[]> {
  const texts: string[] = await page.locator('.figures li').allInnerTexts();
  return texts.map((text) => text.replaceAll(/\s+/g, ' '));
}

test('the figures of alarms stand in the page, in both languages', async (t) => {
  const site = await pageSite(t);
  if (site === undefined) return;
  for (const language of ['en', 'bn'] as const) {
    const live = sites.clinic();
    const shows = (alarmFigures: LiveFigures) => {
      live.nowState = { ...live.nowState, alarmFigures };
    };
    shows(BUSY);
    const { page, faults } = await site.open(await site.serve(live), { language, digits: language === 'bn' });
    await page.evaluate(`location.hash = '#/alarms'`);
    await page.waitForSelector('.figures li.bad');
    assert.deepEqual(await linesOf(page), LINES[language].busy);
    // An alarm that stands is shown, although no alarm was counted since the figures began anew.
    shows({ ...NONE, standing: ['meter-stale'] });
    await page.waitForSelector('.figures li.bad', { state: 'detached' });
    assert.equal((await linesOf(page)).at(-1), LINES[language].standing);
    shows(NONE);
    await page.waitForSelector('.figures', { state: 'detached' });
    assert.deepEqual(faults, []);
    await page.context().close();
  }
});
