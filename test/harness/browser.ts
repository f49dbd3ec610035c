/** A real browser for the pages: Debian's chromium, led by playwright-core. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { TestContext } from 'node:test';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { peer } from '../peers/peers.ts';
import { DEADLINE_MS, waitFor } from './wait-for.ts';

export type { Page } from 'playwright-core';

/** undefined after a skip, when there is no chromium. It ends with the test. */
export async function browser(t: TestContext): Promise<Browser | undefined> {
  const executablePath = peer(t, 'chromium', 'sudo apt-get install -y chromium');
  if (executablePath === undefined) return undefined;
  const running = await launch(executablePath);
  t.after(() => running.close());
  return running;
}

export function launch(executablePath: string): Promise<Browser> {
  return chromium.launch({
    executablePath,
    timeout: DEADLINE_MS,
    // Pages of the gateway are local: nothing of the network is wanted, and containers have little /dev/shm and no sandbox.
    args: ['--no-sandbox', '--disable-dev-shm-usage', '--disable-gpu', '--disable-background-networking'],
  });
}

export interface Look {
  readonly language?: 'en' | 'bn';
  readonly digits?: boolean;
  readonly theme?: 'light' | 'dark';
  readonly width?: number;
  readonly height?: number;
  readonly options?: BrowserContextOptions;
}

/** A page in a profile of its own. What its scripts throw, or the browser refuses them, is in `faults`. */
export async function openPage(running: Browser, url: string, look: Look = {}): Promise<{ page: Page; faults: string[] }> {
  const { language = 'en', digits = false, theme = 'light', width = 360, height = 740 } = look;
  const context = await running.newContext({
    ...{ viewport: { width, height }, colorScheme: theme, locale: language === 'bn' ? 'bn-BD' : 'en-GB' },
    ...{ timezoneId: 'Asia/Dhaka', reducedMotion: 'reduce', ...look.options },
  });
  context.setDefaultTimeout(DEADLINE_MS);
  const faults: string[] = [];
  const settings = JSON.stringify({ language, bengaliDigits: digits });
  await context.addInitScript(
    `localStorage.getItem('sluice-page') ?? localStorage.setItem('sluice-page', ${JSON.stringify(settings)});`,
  );
  const page = await context.newPage();
  page.on('pageerror', (error) => faults.push(String(error)));
  page.on('console', (message) => {
    // A refused call is shown by the page itself.
    if (message.type() === 'error' && !/Failed to load resource/.test(message.text())) faults.push(message.text());
  });
  await page.goto(url);
  return { page, faults };
}

/** Waits until an expression is true in the page. The page's own rules forbid it to evaluate texts, so the browser is asked. */
export function holds(page: Page, expression: string): Promise<unknown> {
  return waitFor(expression, () => page.evaluate(expression));
}

/**
 * Names of the fonts in which the text of an element is drawn.
 * @param sent only those that the page brought with it, and none of this machine
 */
export async function fontsOf(page: Page, selector: string, sent = false): Promise<string[]> {
  const devtools = await page.context().newCDPSession(page);
  await devtools.send('DOM.enable');
  await devtools.send('CSS.enable');
  const { root } = await devtools.send('DOM.getDocument');
  const { nodeId } = await devtools.send('DOM.querySelector', { nodeId: root.nodeId, selector });
  const { fonts } = await devtools.send('CSS.getPlatformFontsForNode', { nodeId });
  await devtools.detach();
  return fonts.filter(({ isCustomFont }) => !sent || isCustomFont).map(({ familyName }) => familyName);
}

const TAGS = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/**
 * What axe-core finds against WCAG 2.2 A and AA, one line each: rule, element, words.
 * @param rules only these
 * @param within a selector: only this part of the page. It is an error when there is none
 */
export async function accessibilityFaults(page: Page, rules?: readonly string[], within?: string): Promise<string[]> {
  await page.evaluate(AXE);
  const asked = { only: rules ?? TAGS, within };
  return page.evaluate(async ({ only, within: part }) => {
    const { axe } = globalThis as unknown as { axe: { run(root: unknown, options: object): Promise<AxeResult> } };
    const { violations } = await axe.run(part ?? (globalThis as unknown as { document: unknown }).document, {
      runOnly: only,
      resultTypes: ['violations'],
    });
    return violations.flatMap(({ id, nodes }) => nodes.map((node) => `${id}: ${node.target.join(' ')}: ${node.failureSummary}`));
  }, asked);
}
interface AxeResult {
  readonly violations: readonly {
    readonly id: string;
    readonly nodes: readonly { readonly target: readonly string[]; readonly failureSummary: string }[];
  }[];
}
