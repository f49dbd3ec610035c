/** The status page of a running gateway over HTTPS, in a real browser: claim, live values, an alarm, log-out, log-in, a restart. */
import '../../harness/no-outside.ts';
import assert from 'node:assert/strict';
import { get } from 'node:https';
import test, { type TestContext } from 'node:test';
import { request } from '../../../src/admin/client.ts';
import { browser, holds, openPage, type Page } from '../../harness/browser.ts';
import { site } from '../../harness/site.ts';
import { type Gateway, makeGateway } from '../../harness/start-gateway.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { SettableDevice } from '../../peers/settable-device.ts';

const PASSWORD = 'reef-lantern-47';
const LOOK = { options: { ignoreHTTPSErrors: true } };

async function urlOf(gateway: Gateway): Promise<string> {
  const { port } = await waitFor('an address of HTTPS', async () => (await gateway.status()).http?.address);
  return `https://127.0.0.1:${port}/`;
}

function bare(t: TestContext): Gateway {
  return makeGateway(t, ({ section }) => `${section}\ndashboard: {listen: [{host: 127.0.0.1, port: 0, tls: true}]}\n`);
}

async function logIn(page: Page, name: string, password: string): Promise<void> {
  await page.fill('#name', name);
  await page.fill('#password', password);
  await page.click('button[type=submit]');
}

test('a browser claims a gateway over HTTPS, and shows and acknowledges what comes', async (t) => {
  const running = await browser(t);
  if (running === undefined) return;
  const s = await site(t, {
    device: SettableDevice.start,
    devices:
      '  fridge: {bus: plant, unit: 1, interval: 100ms, points: {temperature: {table: holding, address: 5, type: int16, unit: Cel}}}',
    rules: '  warm: {point: fridge.temperature, above: 8, severity: critical, acknowledge: required, message: "<b>too warm</b>"}',
    more: 'dashboard: {listen: [{host: 127.0.0.1, port: 0, tls: true}]}',
  });
  if (s === undefined) return;
  const { device, gateway } = s;
  await device.set(5, 4);
  await gateway.up();
  const { port } = await waitFor('an address of HTTPS', async () => (await gateway.status()).http?.address);
  const url = `https://127.0.0.1:${port}/`;
  const { page, faults } = await openPage(running, url, { options: { ignoreHTTPSErrors: true } });
  const { code } = (await request(gateway.socket, 'GET', '/api/v1/claim')) as { code: string };
  await page.fill('#code', code);
  await page.fill('#name', 'anna');
  await page.fill('#password', PASSWORD);
  await page.click('button[type=submit]');
  await page.waitForSelector('.link.live');
  await page.getByText('Everything works.').waitFor();
  await holds(page, `document.querySelector('.points td').textContent.startsWith('4')`);

  await device.set(5, 9);
  await page.waitForSelector('.alarm');
  assert.ok((await page.locator('.alarm .message').textContent())?.includes('<b>too warm</b>'), 'a message is text');
  await page.click('button[aria-label="Acknowledge warm"]');
  await page.getByText('active, acknowledged').waitFor();
  assert.equal((await gateway.status()).alarms[0]?.state, 'active-acknowledged');

  await page.click('main a[href="#/point/fridge.temperature"]');
  await page.waitForSelector('.plot canvas, .wide table');
  await page.waitForSelector('.changes li');
  await page.evaluate(`location.hash = '#/system'`);
  await page.getByText('Who is logged in').waitFor();
  await page.getByText('1 session').waitFor();

  // Sessions end with the process, so the page asks for a log-in when the gateway is back.
  await gateway.stop();
  await page.waitForSelector('.link.lost');
  gateway.write(s.yaml().replace('port: 0, tls', `port: ${port}, tls`));
  await gateway.up();
  await page.fill('#name', 'anna');
  await page.fill('#password', PASSWORD);
  await page.click('button[type=submit]');
  await page.waitForSelector('.link.live');
  await page.evaluate(`location.hash = '#/you'`);
  await page.getByRole('button', { name: 'Log out' }).click();
  await page.waitForSelector('#password');
  assert.deepEqual(faults, []);

  // Files have one spelling, and none leads out of the table.
  const status = (path: string) =>
    new Promise<number | undefined>((resolve, reject) => {
      get({ host: '127.0.0.1', port, path, rejectUnauthorized: false }, (res) => {
        res.resume();
        resolve(res.statusCode);
      }).on('error', reject);
    });
  for (const path of ['/index.html', '//', '/./', '/../package.json', '/%2e%2e/package.json', '/LICENSES.txt', '/index.html.gz'])
    assert.equal(await status(path), 404, path);
});

test('of two browsers that claim a gateway at once, one does, and the other says why not', async (t) => {
  const running = await browser(t);
  if (running === undefined) return;
  const gateway = bare(t);
  await gateway.up();
  const url = await urlOf(gateway);
  const { code } = (await request(gateway.socket, 'GET', '/api/v1/claim')) as { code: string };
  const pages: { name: string; page: Page; faults: string[] }[] = [];
  for (const name of ['anna', 'ben']) {
    const opened = await openPage(running, url, LOOK);
    await opened.page.fill('#code', code);
    await opened.page.fill('#name', name);
    await opened.page.fill('#password', PASSWORD);
    pages.push({ name, ...opened });
  }
  await Promise.all(pages.map(({ page }) => page.click('button[type=submit]')));
  await Promise.all(pages.map(({ page }) => page.waitForSelector('nav, .fault:not(:empty)')));
  const isIn = await Promise.all(pages.map(async ({ page }) => (await page.locator('nav').count()) === 1));
  assert.equal(isIn.filter(Boolean).length, 1, `logged in: ${isIn}`);
  const [winner, loser] = isIn[0] ? pages : pages.toReversed();
  assert.ok(winner && loser);
  const { users } = (await request(gateway.socket, 'GET', '/api/v1/users')) as { users: { name: string; role: string }[] };
  assert.deepEqual(
    users.map(({ name, role }) => [name, role]),
    [[winner.name, 'administrator']],
  );
  const why = await loser.page.locator('.fault').textContent();
  assert.equal(why, 'The gateway is claimed already. Reload the page and log in.');
  await loser.page.reload();
  await loser.page.getByRole('heading', { name: 'Log in' }).waitFor();
  await logIn(loser.page, loser.name, PASSWORD);
  await loser.page.waitForSelector('.fault:not(:empty)');
  assert.equal(await loser.page.locator('.fault').textContent(), 'The name or the password is wrong.');
  assert.deepEqual([...winner.faults, ...loser.faults], []);
});

test('a person changes the password in the page, and logs in with the new one', async (t) => {
  const running = await browser(t);
  if (running === undefined) return;
  const gateway = bare(t);
  await gateway.up();
  await request(gateway.socket, 'POST', '/api/v1/users/add', { name: 'anna', role: 'administrator', password: PASSWORD });
  await request(gateway.socket, 'POST', '/api/v1/users/add', { name: 'ben', role: 'viewer', password: PASSWORD });
  const { page, faults } = await openPage(running, await urlOf(gateway), LOOK);
  await logIn(page, 'ben', PASSWORD);
  await page.waitForSelector('nav');
  await page.evaluate(`location.hash = '#/you'`);
  const change = async (now: string, next: string): Promise<void> => {
    await page.fill('#now', now);
    await page.fill('#next', next);
    await page.click('form button[type=submit]');
  };
  const refused = async (words: string): Promise<void> => {
    await page.locator('form .fault').getByText(words).waitFor();
    assert.notEqual(await page.inputValue('#next'), '', 'what was typed stays');
  };
  const sessions = async (): Promise<number | undefined> => {
    const { users } = (await request(gateway.socket, 'GET', '/api/v1/users')) as { users: { name: string; sessions: number }[] };
    return users.find(({ name }) => name === 'ben')?.sessions;
  };
  await change('not the password', `${PASSWORD} 2`);
  await refused('The name or the password is wrong.');
  await change(PASSWORD, 'short');
  await refused('at least 10 characters');
  assert.equal(await sessions(), 1);
  await change(PASSWORD, `${PASSWORD} 2`);
  await page.waitForSelector('#password');
  assert.equal(await sessions(), 0);
  await logIn(page, 'ben', PASSWORD);
  await page.locator('.fault').getByText('The name or the password is wrong.').waitFor();
  await logIn(page, 'ben', `${PASSWORD} 2`);
  await page.waitForSelector('nav');
  assert.deepEqual(faults, []);
});
