/** The editor of Node-RED in a real browser: nodes come from the palette with the mouse, as a person does it. */
import { holds, type Page } from './browser.ts';
import { waitFor } from './wait-for.ts';

export interface Spot {
  readonly x: number;
  readonly y: number;
}

/** Node-RED shows a tip after a second, also where its box waits for keymap.json: a slow answer makes this fault of the editor. */
const NODE_RED_TIP = "TypeError: Cannot read properties of undefined (reading 'html')";

/** What the page of the editor threw, without the known fault of Node-RED. */
export const withoutNodeRedTip = (faults: readonly string[]): string[] => faults.filter((one) => one !== NODE_RED_TIP);

export class FlowEditor {
  readonly page: Page;

  private constructor(page: Page) {
    this.page = page;
  }

  /** @param page it shows the editor, or will soon */
  static async of(page: Page): Promise<FlowEditor> {
    await page.waitForSelector('#red-ui-header-button-deploy');
    // The palette is whole when its categories are.
    await page.waitForSelector('.red-ui-palette-node[data-palette-type="inject"]', { state: 'attached' });
    await page.waitForSelector('#red-ui-loading-progress', { state: 'hidden' });
    return new FlowEditor(page);
  }

  /** The names of the nodes in a category of the palette. */
  category(name: string): Promise<string[]> {
    return this.page
      .locator(`#red-ui-palette-container-${name} .red-ui-palette-node`)
      .evaluateAll((nodes) =>
        nodes.map((node) => (node as unknown as { getAttribute(key: string): string }).getAttribute('data-palette-type')),
      );
  }

  /** Drags a node out of the palette. @param spot in the workspace, px. @returns the id of the node */
  async drag(type: string, spot: Spot): Promise<string> {
    const { page } = this;
    const before = new Set(await this.#ids());
    const entry = page.locator(`.red-ui-palette-node[data-palette-type="${type}"]`);
    await entry.scrollIntoViewIfNeeded();
    const [from, chart] = [await entry.boundingBox(), await page.locator('#red-ui-workspace-chart').boundingBox()];
    if (from === null || chart === null) throw new Error(`${type} cannot be seen in the palette`);
    await page.mouse.move(from.x + from.width / 2, from.y + from.height / 2);
    await page.mouse.down();
    await page.mouse.move(chart.x + spot.x - 20, chart.y + spot.y - 20, { steps: 8 });
    await page.mouse.move(chart.x + spot.x, chart.y + spot.y, { steps: 4 });
    await page.mouse.up();
    // It is drawn with the next picture.
    return waitFor(`${type} in the workspace`, async () => (await this.#ids()).find((one) => !before.has(one)));
  }

  /** Opens the dialog of a node. */
  async open(id: string): Promise<void> {
    await this.page.locator(`[id="${id}"] .red-ui-flow-node`).dblclick();
    await this.page.waitForSelector('#node-dialog-ok');
    // The tray slides in.
    await holds(this.page, `document.querySelector('.red-ui-tray')?.getBoundingClientRect().right <= window.innerWidth + 1`);
  }

  async done(): Promise<void> {
    await this.page.click('#node-dialog-ok');
    await this.page.waitForSelector('#node-dialog-ok', { state: 'detached' });
  }

  /** Clicks into a field and takes a suggestion of the list under it. */
  async pick(field: string, suggestion: string): Promise<void> {
    const { page } = this;
    const entry = page.locator('.red-ui-autoComplete-container a', { hasText: suggestion }).first();
    // The names come from the gateway; a click before they are there opens no list.
    await waitFor(`the suggestion ${suggestion}`, async () => {
      await page.locator(field).first().click();
      return entry.isVisible();
    });
    await entry.click();
  }

  async wire(from: string, to: string): Promise<void> {
    const { page } = this;
    const [output, input] = await Promise.all([
      page.locator(`[id="${from}"] .red-ui-flow-port-output .red-ui-flow-port`).boundingBox(),
      page.locator(`[id="${to}"] .red-ui-flow-port-input .red-ui-flow-port`).boundingBox(),
    ]);
    if (output === null || input === null) throw new Error('no ports');
    await page.mouse.move(output.x + output.width / 2, output.y + output.height / 2);
    await page.mouse.down();
    await page.mouse.move(input.x - 30, input.y + input.height / 2, { steps: 6 });
    await page.mouse.move(input.x + input.width / 2, input.y + input.height / 2, { steps: 4 });
    await page.mouse.up();
  }

  /** Presses Deploy, and waits until Node-RED has the flows and the editor has nothing that is not deployed. */
  async deploy(): Promise<void> {
    const { page } = this;
    // The button is grey from the click on, not from the answer on.
    const answer = page.waitForResponse((one) => one.request().method() === 'POST' && new URL(one.url()).pathname === '/flows');
    // Together: an answer that does not come while the click still waits is no rejection that nobody handles.
    await Promise.all([answer, page.click('#red-ui-header-button-deploy')]).catch(async (thrown: unknown) => {
      throw new Error(`Deploy sent nothing; the editor shows: ${await this.#shown()}`, { cause: thrown });
    });
    await page.waitForSelector('#red-ui-header-button-deploy.disabled');
    // The page is grey until the flows have started, and says so for some seconds.
    for (const over of ['.red-ui-shade', '.red-ui-notification']) await page.waitForSelector(over, { state: 'detached' });
  }

  /** The words beside the dot of a node, and the class of the dot. */
  async status(id: string): Promise<{ text: string; dot: string }> {
    const group = this.page.locator(`[id="${id}"] .red-ui-flow-node-status-group`);
    const text = (await group.locator('.red-ui-flow-node-status-label').textContent()) ?? '';
    const dot = (await group.locator('.red-ui-flow-node-status').getAttribute('class')) ?? '';
    return { text, dot };
  }

  /** What may stand in the way of a person: the state of the button, open dialogs and notes, what greys the page out. */
  #shown(): Promise<string> {
    return this.page
      .locator(
        '#red-ui-header-button-deploy, .red-ui-notification, .red-ui-tray, .ui-dialog, .red-ui-shade, #red-ui-header-shade',
      )
      .evaluateAll((found) =>
        found
          .map((one) => one as unknown as { className: string; id: string; textContent: string; offsetHeight: number })
          .filter(({ offsetHeight }) => offsetHeight > 0)
          .map(({ id, className, textContent }) => `${id || className} "${textContent.slice(0, 200)}"`)
          .join('; '),
      );
  }

  #ids(): Promise<string[]> {
    return this.page
      .locator('.red-ui-flow-node-group')
      .evaluateAll((nodes) => nodes.map((node) => (node as unknown as { id: string }).id));
  }
}
