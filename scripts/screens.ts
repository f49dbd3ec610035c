/** Takes the pictures of docs/how-to/use-the-status-page.md: `npm run docs:screens`. It needs chromium. */
import path from 'node:path';
import type { TestContext } from 'node:test';
import { PageServer } from '../test/fakes/page-server.ts';
import * as sites from '../test/fakes/page-sites.ts';
import { launch, openPage } from '../test/harness/browser.ts';
import { alarmBegan, chart } from '../test/harness/page-site.ts';
import { findProgram } from '../test/peers/peers.ts';

const ROOT = path.join(import.meta.dirname, '..');
/** Behind `#/`; what has to stand there first. */
const PICTURES = [
  { name: 'overview', view: 'overview', ready: '.alarm', language: 'en', theme: 'light' },
  { name: 'overview-bn', view: 'overview', ready: '.alarm', language: 'bn', theme: 'dark' },
  { name: 'chart', view: 'point/fridge.temperature', ready: '.plot canvas', language: 'en', theme: 'light' },
  { name: 'delivery', view: 'delivery', ready: '.card', language: 'en', theme: 'light' },
] as const;

const program = findProgram('chromium');
if (program === undefined) throw new Error('needs chromium: sudo apt-get install -y chromium');
const running = await launch(program);
const ends: (() => void)[] = [];
const test: Pick<TestContext, 'after'> = { after: (end) => void ends.push(end as () => void) };
for (const { name, view, ready, language, theme } of PICTURES) {
  const server = await PageServer.start(test, path.join(ROOT, 'dist', 'pages'), sites.clinic());
  server.answers.history = chart;
  server.answers.changes = { changes: [alarmBegan], cut: false };
  const { page } = await openPage(running, `${server.url}#/${view}`, { language, theme, digits: language === 'bn' });
  await page.waitForSelector(ready);
  await page.waitForSelector('.link.live');
  await page.screenshot({ path: path.join(ROOT, 'docs', 'pictures', `status-${name}.png`) });
  await page.context().close();
}
await running.close();
for (const end of ends) end();
