/**
 * The dialogs of the palette in the real editor and a real browser: for everybody, in both languages, in a narrow window, with keys.
 * Node-RED's own parts of a dialog are not looked at: its title, its buttons and its tabs.
 */
// Takes minutes: it starts before the others.
import '../../../harness/no-outside.ts';
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { SHEETS } from '../../../../src/node-red/palette/sheets/all.ts';
import { accessibilityFaults, browser, fontsOf, openPage, type Page } from '../../../harness/browser.ts';
import { FlowEditor, withoutNodeRedTip } from '../../../harness/flow-editor.ts';
import { type FrontSite, frontSite, PASSWORD } from '../../../harness/front-site.ts';
import { waitFor } from '../../../harness/wait-for.ts';
import { nodeRedPeer } from '../../../peers/peers.ts';

/** What Node-RED puts into every dialog: fields that keep browsers from filling in passwords, and names on what is no control. */
const NODE_RED =
  /^label: #red-ui-trap-|^aria-prohibited-attr: [^:]*(\.red-ui-typedInput-input-wrap|#node-input-btn-gateway-(add|edit)):/;
/** What the description of a node fills, and that of a configuration node, whose dialog slides over the one of a node. */
const OURS = '#dialog-form';
const OURS_CONFIG = '#node-config-dialog-edit-form';
/** Where pictures go, for people who look at them. */
const PICTURES = process.env.SLUICE_PICTURES;

const idOf = (type: string): string => type.replaceAll(' ', '-');
const NODES = SHEETS.filter(({ config }) => config !== true).map(({ type }) => type);

/** One of each, in a column, so that a narrow window shows them all. Lists have two lines, and what may be hidden is shown. */
function flow(): object[] {
  const keys: Readonly<Record<string, object>> = {
    'sluice reading in': { points: ['d1.n', 'fridge.*'] },
    'sluice alarm in': { rules: ['*', 'fridge-warm'] },
    'sluice alarm action': { action: 'shelve', for: '1', forUnit: 'h' },
    'sluice history': { from: '24', fromType: 'ago', fromUnit: 'h', to: '1', toType: 'ago', toUnit: 'h' },
  };
  return [
    { id: 'tab', type: 'tab', label: 'one of each' },
    ...NODES.map((type, i) => ({ id: idOf(type), type, z: 'tab', name: '', x: 120, y: 50 + i * 50, wires: [[]], ...keys[type] })),
  ];
}

async function openEditor(site: FrontSite, running: Parameters<typeof openPage>[0], look: Parameters<typeof openPage>[2]) {
  const { page, faults } = await openPage(running, `${site.origin('editor')}/`, {
    ...{ height: 760, ...look },
    options: { ignoreHTTPSErrors: true },
  });
  await page.fill('#name', 'finn');
  await page.fill('#password', PASSWORD);
  await page.click('main button');
  return { editor: await FlowEditor.of(page), page, faults };
}

/** Fields and buttons of a dialog that are not whole in the window, and texts that lie over others. */
function cutOff(page: Page, within: string): Promise<string[]> {
  return page.evaluate(`(() => {
    const body = document.querySelector('${within}').closest('.red-ui-tray-body-wrapper').getBoundingClientRect();
    const right = Math.min(body.right, innerWidth);
    const faults = [];
    for (const one of document.querySelectorAll('${within} :is(input, select, button, a, label, .form-tips, ol, li)')) {
      const box = one.getBoundingClientRect();
      if (box.width === 0 || getComputedStyle(one).visibility === 'hidden') continue;
      if (box.right > right + 0.5 || box.left < body.left - 0.5)
        faults.push((one.id || one.className || one.tagName) + ': ' + Math.round(box.left) + ' to ' + Math.round(box.right) + ' of ' + Math.round(body.left) + ' to ' + Math.round(right));
    }
    return faults;
  })()`);
}

/** Choices that show nothing: the nodes of the flow lack most keys, as nodes of an earlier version do. */
function emptyChoices(page: Page, within: string): Promise<string[]> {
  return page
    .locator(`${within} select:visible`)
    .evaluateAll((all) =>
      (all as unknown as { id: string; selectedIndex: number }[])
        .filter(({ selectedIndex }) => selectedIndex < 0)
        .map(({ id }) => `${id} shows nothing`),
    );
}

/** The dialog has slid in. One that did not move between two looks may not have begun. */
async function stands(page: Page): Promise<void> {
  await waitFor('the dialog', async () => {
    const box = await page.locator('.red-ui-tray').last().boundingBox();
    return box !== null && box.x + box.width <= (page.viewportSize()?.width ?? 0) + 1;
  });
}

/** The font comes after the page. */
async function drawnInOurs(page: Page, selector: string): Promise<void> {
  await page.locator(selector).first().waitFor();
  await waitFor(`Bangla letters in ${selector}`, async () => (await fontsOf(page, selector, true)).includes('Noto Sans Bengali'));
}

test('the dialogs of the palette', async (t) => {
  const running = await browser(t);
  if (running === undefined || !nodeRedPeer(t)) return;
  const site = await frontSite(t);
  assert.equal(await site.deploy(flow()), 204);
  for (const language of ['en', 'bn'] as const)
    await t.test(`are for everybody, and nothing is cut off in a narrow window: ${language}`, async () => {
      const { editor, page, faults } = await openEditor(site, running, { language, width: 700 });
      const found: string[] = [];
      const look = async (type: string, within: string) => {
        await stands(page);
        if (PICTURES !== undefined) {
          mkdirSync(PICTURES, { recursive: true });
          await page.screenshot({ path: path.join(PICTURES, `dialog-${idOf(type)}-${language}.png`) });
        }
        const ours = (await accessibilityFaults(page, undefined, within)).filter((one) => !NODE_RED.test(one));
        const words = [
          ...ours.map((one) => one.split('\n', 1)[0]),
          ...(await cutOff(page, within)),
          ...(await emptyChoices(page, within)),
        ];
        found.push(...words.map((one) => `${type}: ${one}`));
      };
      for (const type of NODES) {
        await editor.open(idOf(type));
        await look(type, OURS);
        await editor.done();
      }
      await editor.open(idOf('sluice status'));
      await page.click('#node-input-btn-gateway-add');
      await page.selectOption(`${OURS_CONFIG} #node-config-input-way`, 'socket');
      await page.locator(`${OURS_CONFIG} #node-config-input-token`).waitFor({ state: 'visible' });
      await look('sluice-gateway', OURS_CONFIG);
      await page.click('#node-config-dialog-cancel');
      await editor.done();
      assert.deepEqual(found, []);
      assert.deepEqual(withoutNodeRedTip(faults), []);
      await page.context().close();
    });
  await t.test('Bangla words of the editor are drawn in the font that the gateway sends', async () => {
    const { editor, page, faults } = await openEditor(site, running, { language: 'bn', width: 1280 });
    const palette = '.red-ui-palette-node[data-palette-type="sluice reading in"] .red-ui-palette-label';
    await drawnInOurs(page, palette);
    await editor.open(idOf('sluice write'));
    await drawnInOurs(page, `${OURS} [data-sluice-row="point"] label span`);
    await editor.done();
    await page.locator(`[id="${idOf('sluice write')}"] .red-ui-flow-node`).click();
    await page.keyboard.press('Control+g');
    await page.keyboard.press('h');
    await drawnInOurs(page, '.red-ui-help p');
    assert.deepEqual(withoutNodeRedTip(faults), []);
    await page.context().close();
  });
  await t.test('Tab leaves a field as it was typed, and goes to the next one', async () => {
    const { editor, page } = await openEditor(site, running, { width: 1280 });
    for (const [type, field] of [
      ['sluice reading in', '.red-ui-editableList-container input[type=text]'],
      ['sluice latest', '#node-input-point + .red-ui-typedInput-container input[type=text]'],
    ] as const) {
      await editor.open(idOf(type));
      await stands(page);
      const input = page.locator(field).first();
      const list = page.locator('.red-ui-autoComplete-container');
      // The list has the point d1.n.
      await input.fill('d');
      await waitFor(`the list of ${type}`, async () => {
        await input.click();
        return list.first().isVisible();
      });
      await input.press('1');
      await waitFor(`the list of ${type} for what is typed`, () => list.first().isVisible());
      await input.press('Tab');
      assert.equal(await input.inputValue(), 'd1', type);
      await waitFor(`the end of the list of ${type}`, async () => (await list.count()) === 0);
      assert.equal(await input.inputValue(), 'd1', `${type}, behind its list`);
      assert.equal(
        await input.evaluate((one) => (one as unknown as { matches(css: string): boolean }).matches(':focus')),
        false,
        type,
      );
      await editor.done();
    }
    await editor.deploy();
    const stored = JSON.parse((await site.ask('GET', '/flows')).body) as Record<string, unknown>[];
    const of = (type: string) => stored.find(({ id }) => id === idOf(type));
    assert.deepEqual(of('sluice reading in')?.points, ['d1', 'fridge.*']);
    assert.equal(of('sluice latest')?.point, 'd1');
  });
});
