/** The editor of Node-RED in a real browser: its log-in page, a deploy with a name, the ticket of the status page, the log-out. */
// Needs a quiet machine: a browser beside Node-RED takes both of its cores.
import '../../harness/no-outside.ts';
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { accessibilityFaults, browser, fontsOf, holds, openPage, type Page } from '../../harness/browser.ts';
import { withoutNodeRedTip } from '../../harness/flow-editor.ts';
import { frontSite, PASSWORD } from '../../harness/front-site.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { nodeRedPeer } from '../../peers/peers.ts';

const LOOK = { width: 1280, height: 800, options: { ignoreHTTPSErrors: true } } as const;
/** Where pictures go, for people who look at them. */
const PICTURES = process.env.SLUICE_PICTURES;

async function picture(page: Page, name: string): Promise<void> {
  if (PICTURES === undefined) return;
  mkdirSync(PICTURES, { recursive: true });
  await page.screenshot({ path: path.join(PICTURES, `${name}.png`) });
}

async function logIn(page: Page, name: string, password = PASSWORD): Promise<void> {
  await page.fill('#name', name);
  await page.fill('#password', password);
  await page.click('main button');
}

/** In a wide window and on a phone, light and dark. */
async function forEverybody(page: Page, language: string): Promise<void> {
  assert.equal(await page.getAttribute('html', 'lang'), language);
  for (const colorScheme of ['dark', 'light'] as const) {
    await page.emulateMedia({ colorScheme });
    assert.deepEqual(await accessibilityFaults(page), [], `${language}, ${colorScheme}`);
  }
  const size = page.viewportSize();
  await page.setViewportSize({ width: 320, height: 740 });
  assert.equal(await page.evaluate('document.documentElement.scrollWidth'), 320, language);
  if (size !== null) await page.setViewportSize(size);
}

/** The editor has loaded its nodes and its flows. */
async function editorOpens(page: Page): Promise<void> {
  await page.waitForSelector('#red-ui-palette-container .red-ui-palette-node');
  await holds(
    page,
    `document.querySelector('#red-ui-loading-progress') === null || getComputedStyle(document.querySelector('#red-ui-loading-progress')).display === 'none'`,
  );
}

test('a person logs in at the editor, drags a node and deploys it under the own name', async (t) => {
  const running = await browser(t);
  if (running === undefined || !nodeRedPeer(t)) return;
  const site = await frontSite(t);
  const url = `${site.origin('editor')}/`;
  for (const [language, theme, title] of [
    ['en', 'light', 'Log in'],
    ['bn', 'dark', 'লগ ইন'],
  ] as const) {
    const look = { language, theme, width: 360, height: 740, options: { ignoreHTTPSErrors: true } };
    const { page, faults } = await openPage(running, url, look);
    assert.equal(await page.textContent('h1'), title);
    assert.equal(new URL(page.url()).pathname, '/-/log-in');
    // The font comes after the page. Each word is then drawn in it, also those that were drawn without it.
    if (language === 'bn')
      for (const selector of ['h1', 'label[for=name]', 'label[for=password]'])
        await waitFor(`Bangla letters in ${selector}`, async () => (await fontsOf(page, selector)).includes('Noto Sans Bengali'));
    await logIn(page, 'finn', 'a wrong password');
    await page.waitForSelector('[role=alert]');
    await picture(page, `front-log-in-${language}`);
    assert.deepEqual(await accessibilityFaults(page), [], language);
    assert.ok(await page.evaluate('document.documentElement.scrollWidth <= 360'), 'it fits a phone');
    assert.deepEqual(faults, []);
    await page.context().close();
  }

  const { page, faults } = await openPage(running, url, LOOK);
  await logIn(page, 'finn');
  await editorOpens(page);
  const node = page.locator('.red-ui-palette-node[data-palette-type=inject]');
  await node.dragTo(page.locator('#red-ui-workspace-chart'), { targetPosition: { x: 300, y: 200 } });
  await page.waitForSelector('.red-ui-flow-node-group');
  await page.click('#red-ui-header-button-deploy');
  await site.gateway.waitForLog(/^finn deployed flows over HTTPS from 127\.0\.0\.1\.$/);
  await picture(page, 'front-editor');
  assert.match((await site.ask('GET', '/flows')).body, /"type":"inject"/);
  await waitFor('the WebSocket of the editor', async () => (await site.door('editor')).sockets === 1);
  assert.deepEqual(withoutNodeRedTip(faults), []);

  // The title of the editor leads to the log-out.
  await page.goto(`${url}-/session`);
  for (const [language, text] of [
    ['bn', 'আপনি finn নামে লগ ইন করেছেন।'],
    ['en', 'You are logged in as finn.'],
  ] as const) {
    await page.goto(`${url}-/session?lang=${language}`);
    await page.getByText(text).waitFor();
    await forEverybody(page, language);
    await picture(page, `front-session-${language}`);
  }
  await page.click('main button');
  await page.waitForURL(/log-in/);
  await waitFor('no WebSocket', async () => (await site.door('editor')).sockets === 0);
  await page.goto(url);
  assert.equal(await page.textContent('h1'), 'Log in');
  assert.equal(await site.gateway.stop(), 0);
});

test('a browser is shown in its language that Node-RED does not run, and why', async (t) => {
  const running = await browser(t);
  if (running === undefined || !nodeRedPeer(t)) return;
  const site = await frontSite(t);
  for (const [language, title] of [
    ['en', 'Node-RED does not run'],
    ['bn', 'Node-RED চলছে না'],
  ] as const) {
    const { page, faults } = await openPage(running, `${site.origin('editor')}/`, { ...LOOK, language });
    // The page that is shown counts. The editor before it complains of the Node-RED that this test ends, for example of its WebSocket.
    page.on('framenavigated', () => faults.splice(0));
    await logIn(page, 'finn');
    await page.waitForURL(/\/$/);
    // It ends again and again, until a browser comes between an end and the next start.
    await waitFor(title, async () => {
      for (const pid of site.runtimes()) process.kill(pid, 'SIGKILL');
      await page.reload();
      return (await page.locator('h1').count()) > 0 && (await page.textContent('h1')) === title;
    });
    await forEverybody(page, language);
    await picture(page, `front-down-${language}`);
    assert.deepEqual(withoutNodeRedTip(faults), []);
    await page.context().close();
  }
  assert.equal(await site.gateway.stop(), 0);
});

test('the button of the status page opens the editor without a second password', async (t) => {
  const running = await browser(t);
  if (running === undefined || !nodeRedPeer(t)) return;
  const site = await frontSite(t);
  const { page, faults } = await openPage(running, `${site.origin('dashboard')}/#/flows`, LOOK);
  await page.fill('#name', 'finn');
  await page.fill('#password', PASSWORD);
  await page.click('button[type=submit]');
  // The way to another page ends a log-in that is still on its way.
  await page.waitForSelector('#password', { state: 'detached' });
  await page.goto(`${site.origin('dashboard')}/#/flows`);
  const button = page.getByRole('button', { name: 'Open the flow editor' });
  await button.waitFor();
  await picture(page, 'front-button');
  await button.click();
  await page.waitForURL(`${site.origin('editor')}/`);
  await editorOpens(page);
  await holds(page, `document.title.includes('g1')`);
  assert.deepEqual(withoutNodeRedTip(faults), []);
  assert.equal(await site.gateway.stop(), 0);
});

/** A page of a flow, which forbids itself nothing: on another port of the same host, so the browser sends the cookie along. */
const framing = (url: string): object[] => [
  { id: 'tab', type: 'tab', label: 'frames' },
  { id: 'in', type: 'http in', z: 'tab', url: '/frame', method: 'get', wires: [['make']] },
  {
    ...{ id: 'make', type: 'function', z: 'tab', outputs: 1, libs: [], wires: [['out']] },
    func: `msg.payload = '<!doctype html><title>frames</title><iframe src="${url}"></iframe>'; msg.headers = { 'content-type': 'text/html' }; return msg;`,
  },
  { id: 'out', type: 'http response', z: 'tab', statusCode: '', headers: {}, wires: [] },
];

test('a page of a flow cannot show the editor, its log-in or itself in a frame', async (t) => {
  const running = await browser(t);
  if (running === undefined || !nodeRedPeer(t)) return;
  const site = await frontSite(t, ', logIn: open');
  const url = `${site.origin('editor')}/`;
  const { page } = await openPage(running, url, LOOK);
  await logIn(page, 'finn');
  await editorOpens(page);
  const frames = `${site.origin('http-in')}/frame`;
  for (const framed of [url, `${url}-/log-in`, frames]) {
    assert.equal(await site.deploy(framing(framed)), 204);
    await waitFor('the page of the flow', async () => (await site.ask1('http-in', 'GET', '/frame')).text.includes(`"${framed}"`));
    // It has come, and what the browser shows in place of it belongs to nobody.
    const came = page.waitForEvent('response', (one) => one.url() === framed && one.frame() !== page.mainFrame());
    await page.goto(frames);
    assert.equal(await page.title(), 'frames', 'the page around it is there');
    await came;
    const frame = await waitFor('the frame', () => page.frames()[1]);
    await waitFor(
      () => `a refusal in place of ${framed}; the frame has ${frame.url()}`,
      () => frame.url().startsWith('chrome-error:'),
    );
  }
  assert.equal(await site.gateway.stop(), 0);
});
