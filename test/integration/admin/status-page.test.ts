/** The status page at work, in a real browser before a made-up gateway. */
import '../../harness/no-outside.ts';
import assert from 'node:assert/strict';
import test, { type TestContext } from 'node:test';
import * as sites from '../../fakes/page-sites.ts';
import { holds, type Page } from '../../harness/browser.ts';
import { type PageSite, pageSite } from '../../harness/page-site.ts';
import { waitFor } from '../../harness/wait-for.ts';

const textOf = async (page: Page, selector: string) => {
  // biome-ignore lint/performance/useDomNodeTextContent: what a reader sees is asked for
  const text = await page.locator(selector).first().innerText();
  return text.replaceAll('\u202f', ' ');
};

test('the status page', async (t) => {
  const site = await pageSite(t);
  if (site === undefined) return;
  await t.test('a person logs in, and a wrong password is said in words', (tt) => logIn(tt, site));
  await t.test('a claim makes the first administrator, who is then logged in', (tt) => claim(tt, site));
  await t.test('an operator acknowledges and shelves, with the token of the session', (tt) => act(tt, site));
  await t.test('an operator takes an alarm out of service with a reason and a time, in both languages', (tt) => serve(tt, site));
  await t.test('actions of rules stand there with their errors, what failed first', (tt) => acts(tt, site));
  await t.test('a configuration on trial, its sender and why one was rolled back stand there', (tt) => configured(tt, site));
  await t.test('what waits for a forwarder, the clock, the disk and the memory stand there', (tt) => machine(tt, site));
  await t.test('a page in English does not load the font of Bangla', (tt) => font(tt, site));
  await t.test('a viewer gets no button that would be refused', (tt) => look(tt, site));
  await t.test('a lost connection is said, old values look old, and what was missed comes', (tt) => lose(tt, site));
  await t.test('a session that ends leads to the log-in', (tt) => end(tt, site));
  await t.test('another version of the gateway brings its page', (tt) => renew(tt, site));
  await t.test('who logged in meanwhile is shown after a call that was refused', (tt) => swap(tt, site));
  await t.test('a point of a device that no page should name is drawn', (tt) => inherited(tt, site));
  await t.test('values show unit, quality and age, in the language and digits that are chosen', (tt) => words(tt, site));
  await t.test('1,000 points and 200 alarms are drawn in slices', (tt) => slices(tt, site));
  await t.test('a chart shows its range, and its table the same numbers', (tt) => chart(tt, site));
  await t.test('all of it can be done with keys', (tt) => keys(tt, site));
});

async function logIn(_: TestContext, site: PageSite): Promise<void> {
  const server = await site.serve(sites.clinic());
  server.answers.session = 'nobody';
  server.answers.refusal = { status: 401, code: 'unauthorized' };
  const { page, faults } = await site.open(server);
  await page.fill('#name', 'anna');
  await page.fill('#password', 'a wrong one');
  await page.click('button[type=submit]');
  await page.waitForSelector('.fault:not(:empty)');
  assert.equal(await textOf(page, '.fault'), 'The name or the password is wrong.');
  assert.equal(await page.inputValue('#name'), 'anna');
  await page.fill('#password', 'the right one');
  await page.click('button[type=submit]');
  await page.waitForSelector('nav');
  assert.deepEqual(
    server.answers.posted.map(({ path, body }) => [path, body]),
    [
      ['/api/v1/session', { name: 'anna', password: 'a wrong one' }],
      ['/api/v1/session', { name: 'anna', password: 'the right one' }],
    ],
  );
  assert.deepEqual(faults, []);
}

async function machine(_: TestContext, site: PageSite): Promise<void> {
  const expected = {
    en: {
      delivery: [
        'waits and tries again',
        'Readings that wait\nabout 48211',
        'Oldest unsent reading\n5 h ago',
        'Last acknowledgement\n5 h ago',
      ],
      system: [
        'the system clock',
        'Free on the disk\n8.7 GB of 14.9 GB',
        'Free memory\n200 MB of 488 MB',
        'Memory of the gateway\n91.6 MB',
      ],
    },
    bn: {
      delivery: ['আবার চেষ্টা করবে', 'অপেক্ষায় থাকা মান\nপ্রায় ৪৮২১১', 'সবচেয়ে পুরোনো না-পাঠানো মান\n৫ ঘণ্টা আগে', 'শেষ প্রাপ্তি স্বীকার\n৫ ঘণ্টা আগে'],
      system: [
        'the system clock',
        'ডিস্কে খালি\n১৪.৯ GB-এর মধ্যে ৮.৭ GB',
        'খালি মেমরি\n৪৮৮ MB-এর মধ্যে ২০০ MB',
        'গেটওয়ের মেমরি\n৯১.৬ MB',
      ],
    },
  };
  for (const language of ['en', 'bn'] as const) {
    const { page, faults } = await site.open(await site.serve(sites.clinic()), { language, digits: language === 'bn' });
    for (const [view, last] of [
      ['delivery', '.card:has-text("ministry")'],
      ['system', '.cards'],
    ] as const) {
      await page.evaluate(`location.hash = '#/${view}'`);
      await page.waitForSelector(last);
      const parts = expected[language][view];
      const lacks = async () => {
        const text = await textOf(page, last);
        return parts.filter((part) => !text.includes(part));
      };
      await waitFor(`all parts of ${view}`, async () => (await lacks()).length === 0).catch(async () =>
        assert.fail(`${await lacks()} in ${await textOf(page, last)}`),
      );
    }
    assert.deepEqual(faults, []);
  }
}

/** The page is as wide as a small phone. */
async function configured(_: TestContext, site: PageSite): Promise<void> {
  // The browser is in Dhaka.
  const until = (digits: Intl.NumberFormat) => '15:31:40'.replace(/\d/g, (digit) => digits.format(Number(digit)));
  for (const language of ['en', 'bn'] as const) {
    const digits = language === 'bn';
    const numbers = new Intl.NumberFormat(digits ? 'bn' : 'en');
    const server = await site.serve(sites.onTrial());
    const { page, faults } = await site.open(server, { language, digits });
    await page.setViewportSize({ width: 360, height: 740 });
    await page.waitForSelector('.card.trial');
    const banner = await textOf(page, '.card.trial');
    for (const part of [numbers.format(9), until(numbers), 'cloud']) assert.ok(banner.includes(part), `${part} in ${banner}`);
    await page.evaluate(`location.hash = '#/system'`);
    await page.waitForSelector('.configuration');
    const card = await textOf(page, '.configuration');
    for (const part of [
      '9f86d081884c7d65',
      'cloud',
      until(numbers),
      numbers.format(8),
      'the device pump does not answer any more',
    ])
      assert.ok(card.includes(part), `${part} in ${card}`);
    // It proves itself, and the page says so by itself.
    const { live } = server.answers;
    const last = {
      version: 9,
      id: 'configure-9',
      forwarder: 'cloud',
      outcome: 'confirmed',
      message: 'Runs.',
      time: sites.NOW,
    } as const;
    const sender = { forwarder: 'cloud', key: '9f86d081884c7d65', time: sites.NOW };
    live.nowState = { ...live.nowState, inForce: { origin: 'upstream', version: 9, sender, last } };
    await page.waitForSelector('.card.trial', { state: 'detached' });
    assert.equal(await page.locator('.configuration .last, .configuration .badge').count(), 0);
    // The next one does not.
    live.nowState = sites.rolledBack().nowState;
    await page.waitForSelector('.configuration .last');
    assert.match(await textOf(page, '.configuration .last'), /the forwarder cloud is not connected/);
    await page.evaluate(`location.hash = '#/'`);
    await page.waitForSelector('.attention a[href="#/system"]');
    const line = await textOf(page, '.attention a[href="#/system"]');
    assert.ok(line.includes(numbers.format(8)), line);
    assert.equal(await page.evaluate('document.documentElement.scrollWidth'), 360);
    assert.deepEqual(faults, []);
    await page.context().close();
  }
}

/** It has 44 kB: more than all the rest of a first page. */
async function font(_: TestContext, site: PageSite): Promise<void> {
  const server = await site.serve(sites.clinic());
  const { page } = await site.open(server);
  await page.waitForSelector('.points .number');
  const asked: string[] = await page.evaluate(`performance.getEntriesByType('resource').map(({ name }) => name)`);
  assert.deepEqual(
    asked.filter((one) => one.endsWith('.woff2')),
    [],
  );
  assert.ok(
    asked.some((one) => one.endsWith('.js')),
    asked.join(' '),
  );
}

async function claim(_: TestContext, site: PageSite): Promise<void> {
  const server = await site.serve(sites.empty());
  server.answers.session = 'unclaimed';
  const { page } = await site.open(server);
  await page.fill('#code', ' 7K3M-Q2XV-9TRD ');
  // The keyboard of a phone puts a space behind a word.
  await page.fill('#name', 'anna ');
  await page.fill('#password', 'a long enough one');
  await page.click('button[type=submit]');
  await page.waitForSelector('nav');
  assert.deepEqual(
    server.answers.posted.map(({ path, body }) => [path, body]),
    [
      ['/api/v1/claim', { code: '7K3M-Q2XV-9TRD', name: 'anna', password: 'a long enough one' }],
      ['/api/v1/session', { name: 'anna', password: 'a long enough one' }],
    ],
  );
}

async function act(_: TestContext, site: PageSite): Promise<void> {
  const server = await site.serve(sites.clinic());
  const { page } = await site.open(server);
  await page.click('nav a[href="#/alarms"]');
  await page.click('button[aria-label="Acknowledge fridge-warm"]');
  // The button goes with the next state, and the focus would go with it.
  await holds(page, `document.activeElement.tagName === 'H2' && document.activeElement.innerText === 'fridge-warm'`);
  await page.click('button[aria-label="Shelve fridge-warm"]');
  await page.selectOption('form.shelve select', { label: '8 h' });
  await page.fill('form.shelve input', 'new door seal ordered');
  await page.click('form.shelve button[type=submit]');
  await page.waitForSelector('form.shelve', { state: 'detached' });
  await page.click('button[aria-label="End shelving of pump-pressure"]');
  await waitFor('three calls', () => server.answers.posted.length === 3);
  assert.deepEqual(server.answers.posted, [
    { path: '/api/v1/acknowledge', body: { rule: 'fridge-warm', occurrence: 3 }, csrf: 'secret' },
    {
      ...{ path: '/api/v1/shelve', csrf: 'secret' },
      body: { rule: 'fridge-warm', for: 8 * 3_600_000, reason: 'new door seal ordered' },
    },
    { path: '/api/v1/shelve', body: { rule: 'pump-pressure', for: null }, csrf: 'secret' },
  ]);
  // The state comes from the gateway, and not from what was clicked.
  assert.equal(await page.locator('button[aria-label="Acknowledge fridge-warm"]').count(), 1);
  const { nowState } = server.answers.live;
  server.answers.live.nowState = {
    ...nowState,
    alarms: nowState.alarms.map((alarm) =>
      alarm.rule === 'fridge-warm' ? { ...alarm, state: 'active-acknowledged' as const } : alarm,
    ),
  };
  await page.waitForSelector('button[aria-label="Acknowledge fridge-warm"]', { state: 'detached' });
}

async function serve(_: TestContext, site: PageSite): Promise<void> {
  const server = await site.serve(sites.clinic());
  const { page } = await site.open(server);
  await page.click('nav a[href="#/alarms"]');
  await page.click('button[aria-label="Take out of service: fridge-warm"]');
  await page.selectOption('form.shelve select', { label: '8 h' });
  await page.fill('form.shelve input', '   ');
  await page.click('form.shelve button[type=submit]');
  assert.equal(server.answers.posted.length, 0, 'it needs a reason');
  await page.fill('form.shelve input', 'the sensor is being replaced');
  await page.click('form.shelve button[type=submit]');
  await waitFor('the call', () => server.answers.posted.length === 1);
  await page.waitForSelector('form.shelve', { state: 'detached' });
  await page.click('nav a[href="#/you"]');
  await page.selectOption('#language', 'bn');
  await page.click('nav a[href="#/alarms"]');
  await page.click('button[aria-label="ব্যবহার বন্ধ করুন: pump-pressure"]');
  await page.selectOption('form.shelve select', { label: 'কেউ আবার চালু না করা পর্যন্ত' });
  await page.fill('form.shelve input', 'পাম্প মেরামত');
  await page.click('form.shelve button[type=submit]');
  await waitFor('the second call', () => server.answers.posted.length === 2);
  assert.deepEqual(server.answers.posted, [
    {
      ...{ path: '/api/v1/out-of-service', csrf: 'secret' },
      body: { rule: 'fridge-warm', reason: 'the sensor is being replaced', for: 8 * 3_600_000 },
    },
    { path: '/api/v1/out-of-service', csrf: 'secret', body: { rule: 'pump-pressure', reason: 'পাম্প মেরামত' } },
  ]);
  const { nowState } = server.answers.live;
  const away = { state: 'out-of-service' as const, shelvedUntil: sites.NOW + 8 * 3_600_000 };
  server.answers.live.nowState = {
    ...nowState,
    alarms: nowState.alarms.map((alarm) => (alarm.rule === 'fridge-warm' ? { ...alarm, ...away } : alarm)),
  };
  await page.waitForSelector('button[aria-label="আবার চালু করুন: fridge-warm"]');
  assert.match(await textOf(page, '.alarm:has-text("fridge-warm")'), /পর্যন্ত ব্যবহারে নেই/);
}

async function acts(_: TestContext, site: PageSite): Promise<void> {
  const server = await site.serve(sites.clinic());
  const { page } = await site.open(server);
  await page.click('a:has-text("1 action of a rule failed")');
  await page.waitForSelector('.acts li');
  const told = (await page.locator('.acts li').allInnerTexts()).map((text) => text.replaceAll(/\s+/g, ' ').trim());
  assert.equal(told.length, 3);
  assert.match(
    told[0] ?? '',
    /^Program sms failed .*3 done, 2 failed Rule fridge-warm Last error: \/etc\/sluice\/hooks\/sms ended with 1: the modem has no network$/,
  );
  assert.match(told[1] ?? '', /^Output station\.siren done .*36 done, 0 failed Rule fridge-warm$/);
  assert.match(told[2] ?? '', /^Message pump\/state not finished 2 done, 0 failed Rule pump-pressure$/);
  assert.match(await textOf(page, '.acts .quiet'), /^Since the start: 41 done, 2 failed\. 1 waiting now\.$/);
  server.answers.live.nowState = { ...server.answers.live.nowState, actions: null };
  await page.waitForSelector('.acts', { state: 'detached' });
}

async function look(_: TestContext, site: PageSite): Promise<void> {
  for (const session of [{ name: 'rahim', role: 'viewer' }, { name: 'f', role: 'flow-editor' }, 'looks'] as const) {
    const server = await site.serve(sites.clinic());
    server.answers.session = session;
    const { page } = await site.open(server);
    await page.click('nav a[href="#/alarms"]');
    await page.waitForSelector('.alarm');
    assert.equal(await page.locator('main button').count(), 0);
    await page.click('nav a[href="#/system"]');
    await page.waitForSelector('main h2');
    assert.equal(await page.getByText('Who is logged in').count(), 0);
    await page.context().close();
  }
}

async function lose(_: TestContext, site: PageSite): Promise<void> {
  const server = await site.serve(sites.clinic());
  const { live } = server.answers;
  const { page } = await site.open(server);
  await page.waitForSelector('.link.live');
  server.answers.refuse = 500;
  server.drop();
  await page.waitForSelector('.link.lost');
  assert.match(await textOf(page, '.link'), /^Connection lost, trying again\. The values below are from 15:30:0\d\.$/);
  assert.equal(await page.locator('main.old').count(), 1);
  assert.equal(await page.evaluate(`getComputedStyle(document.querySelector('main .value .number')).fontStyle`), 'italic');
  assert.equal(await page.locator('.alarm button:enabled').count(), 0);
  live.take({ device: 'fridge', point: 'temperature', type: 'int16', time: sites.NOW, value: 7.1, reason: 0, unit: 'Cel' });
  const { length } = server.answers.asked;
  server.answers.refuse = undefined;
  await page.waitForSelector('.link.live');
  await page.getByText('7.1').first().waitFor();
  assert.equal(await page.locator('main.old').count(), 0);
  // It goes on where it was: everything it had is not sent again.
  const again = server.answers.asked.slice(length).map((asked) => asked.get('after'));
  assert.match(again.at(-1) ?? '', /^b1-\d+$/);
}

async function renew(_: TestContext, site: PageSite): Promise<void> {
  const server = await site.serve(sites.clinic());
  const { page, faults } = await site.open(server);
  await page.waitForSelector('.link.live');
  const loaded = page.waitForEvent('load');
  const { live } = server.answers;
  live.nowState = { ...live.nowState, gateway: { ...live.nowState.gateway, version: '9.0.0' } };
  await loaded;
  await page.waitForSelector('.link.live');
  assert.equal(await page.evaluate(`performance.getEntriesByType('navigation')[0].type`), 'reload');
  assert.deepEqual(faults, []);
}

async function swap(_: TestContext, site: PageSite): Promise<void> {
  const server = await site.serve(sites.clinic());
  const { page } = await site.open(server);
  await page.click('nav a[href="#/you"]');
  await page.waitForSelector('dd:has-text("anna")');
  server.answers.session = { name: 'rahim', role: 'viewer' };
  server.answers.refusal = { status: 403, code: 'csrf' };
  await page.fill('#now', 'a wrong one');
  await page.fill('#next', 'a long enough one');
  await page.click('form button[type=submit]');
  await page.waitForSelector('dd:has-text("rahim")');
}

async function inherited(_: TestContext, site: PageSite): Promise<void> {
  const { page, faults } = await site.open(await site.serve(sites.clinic()));
  await page.waitForSelector('.link.live');
  await page.evaluate(`location.hash = '#/point/constructor.name'`);
  await page.waitForSelector('.plot canvas');
  assert.deepEqual(faults, []);
}

async function end(_: TestContext, site: PageSite): Promise<void> {
  const server = await site.serve(sites.clinic());
  const { page } = await site.open(server);
  await page.waitForSelector('.link.live');
  server.answers.session = 'nobody';
  server.answers.refuse = 401;
  server.drop();
  await page.waitForSelector('#password');
  assert.ok((await textOf(page, 'form')).includes('Your session is over. Log in again.'));
  assert.equal(await page.locator('nav').count(), 0);
}

async function words(_: TestContext, site: PageSite): Promise<void> {
  const server = await site.serve(sites.clinic());
  const { page } = await site.open(server);
  const row = async (point: string) => (await textOf(page, `tr:has-text("${point}")`)).replaceAll(/\s+/g, ' ').trim();
  // The rows stand there before their values come.
  await page.waitForSelector('tr:has-text("pressure"):has-text("ago")');
  assert.equal(await row('pressure'), 'pressure bad: no answer 3 min ago');
  assert.match(await row('humidity'), /^humidity 61\.5 % uncertain: outside its range (now|\d s ago)$/);
  assert.match(await row('door'), /^door on good (now|\d s ago)$/);
  await page.click('nav a[href="#/you"]');
  await page.selectOption('#language', 'bn');
  await page.check('main input[type=checkbox] >> nth=-1');
  assert.equal(await page.evaluate('document.documentElement.lang'), 'bn');
  await page.click('nav a[href="#/overview"]');
  await page.waitForSelector('tr:has-text("pressure"):has-text("আগে")');
  assert.equal(await row('pressure'), 'pressure খারাপ: উত্তর নেই ৩ মিনিট আগে');
  assert.match(await row('humidity'), /^humidity ৬১\.৫ % অনিশ্চিত: সীমার বাইরে /);
  await page.reload();
  await page.waitForSelector('tr:has-text("pressure")');
  assert.equal(await page.evaluate('document.title'), 'সারসংক্ষেপ – Clinic');
}

async function slices(_: TestContext, site: PageSite): Promise<void> {
  const server = await site.serve(sites.full());
  const { page } = await site.open(server);
  await page.click('nav a[href="#/devices"]');
  await page.waitForSelector('.bus');
  assert.equal(await page.locator('tbody tr').count(), 12 * 12);
  await page.click('.bus > .more');
  assert.equal(await page.locator('tbody tr').count(), 24 * 12);
  await page.fill('#search', 'meter-07');
  await waitFor('one device', async () => (await page.locator('.card').count()) === 1);
  assert.equal(await page.locator('tbody tr').count(), 12);
  await page.fill('#search', 'nothing has this');
  await page.getByText('No device or point has this in its name.').waitFor();
  await page.click('nav a[href="#/alarms"]');
  await page.waitForSelector('.alarm');
  assert.equal(await page.locator('.alarm').count(), 20);
  // Not acknowledged and critical ones come first, the newest before the older.
  assert.deepEqual(await page.locator('.alarm h2').evaluateAll((all) => all.slice(0, 3).map(({ textContent }) => textContent)), [
    'rule-1',
    'rule-4',
    'rule-7',
  ]);
}

async function chart(_: TestContext, site: PageSite): Promise<void> {
  const server = await site.serve(sites.clinic());
  const { page } = await site.open(server);
  await page.evaluate(`location.hash = '#/point/fridge.temperature'`);
  await page.waitForSelector('.plot canvas');
  const label = await page.getAttribute('.plot', 'aria-label');
  assert.match(
    label ?? '',
    /^Chart of fridge\.temperature, from 2026-11-25 15:30 to 2026-11-26 15:30\. Lowest 1\.7\d*\u202f°C, mean /,
  );
  await page.click('button:has-text("Hour")');
  await holds(page, `document.querySelector('.plot')?.getAttribute('aria-label').includes('from 2026-11-26 14:30')`);
  await page.click('button:has-text("Month")');
  await holds(page, `document.querySelector('.plot')?.getAttribute('aria-label').includes('from 2026-10-27')`);
  assert.equal(await page.getAttribute('button:has-text("Month")', 'aria-pressed'), 'true');
  assert.equal(await page.locator('.legend .gap').count(), 1);
  assert.equal(await page.locator('.legend .mark').count(), 1);
  assert.ok((await textOf(page, '.changes')).includes('fridge-warm'));
  await page.click('button:has-text("Show as a table")');
  assert.equal(await page.locator('.wide tbody tr').count(), 40);
  assert.deepEqual(await page.locator('.wide thead th').allInnerTexts(), [
    'Time',
    'Lowest',
    'Mean',
    'Highest',
    'Readings',
    'Bad',
  ]);
}

async function keys(_: TestContext, site: PageSite): Promise<void> {
  const server = await site.serve(sites.clinic());
  const { page } = await site.open(server);
  await page.waitForSelector('.alarm');
  const focused = () =>
    page.evaluate<string>('(document.activeElement.getAttribute("aria-label") ?? document.activeElement.textContent)');
  const order: string[] = [];
  for (let i = 0; i < 16; i++) {
    await page.keyboard.press('Tab');
    order.push(await focused());
  }
  assert.deepEqual(order.slice(0, 14), [
    ...['Skip to content', 'Overview', 'Devices', 'Alarms1', 'Delivery', 'System', 'You'],
    ...['1 alarm needs attention', '1 action of a rule failed', '1 device does not answer', '1 forwarder does not deliver'],
    ...['fridge.temperature', 'Acknowledge fridge-warm', 'Shelve fridge-warm'],
  ]);
  await page.focus('.skip');
  await page.keyboard.press('Enter');
  assert.equal(await focused(), 'Overview');
  await page.focus('button[aria-label="Shelve fridge-warm"]');
  await page.keyboard.press('Enter');
  await page.waitForSelector('form.shelve');
  await page.keyboard.press('Tab');
  await page.keyboard.press('Escape');
  assert.equal(await page.locator('form.shelve').count(), 0);
  assert.equal(await focused(), 'Shelve fridge-warm');
}
