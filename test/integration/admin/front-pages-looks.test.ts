/** Each page that the front of Node-RED draws itself, in each language and theme, in a real browser: for everybody, on a small phone. */
// Needs a quiet machine: a browser beside Node-RED takes both of its cores.
import '../../harness/no-outside.ts';
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import test, { type TestContext } from 'node:test';
import { enterPage, logInPage, type PageFacts, sendPage, sessionPage, textPage } from '../../../src/admin/front/pages.ts';
import { LANGUAGES, words } from '../../../src/admin/front/words.ts';
import { accessibilityFaults, browser, openPage } from '../../harness/browser.ts';

/** A name that nobody chose for a small phone. */
const LONG = `gateway-${'of-the-clinic-in-the-hills-'.repeat(3)}1`;

type Draw = (facts: PageFacts) => string;
const wrong: Draw = (facts) => logInPage(facts, { to: '/', name: 'anna', fault: words(facts.language, 'login.wrong') });
const PAGES: readonly (readonly [name: string, kind: PageFacts['kind'], draw: Draw])[] = [
  ['log-in of the editor', 'editor', (facts) => logInPage(facts, { to: '/' })],
  ['log-in of HTTP-in', 'http-in', (facts) => logInPage(facts, { to: '/report?day=1' })],
  ['log-in of the editor, refused', 'editor', wrong],
  ['log-in of HTTP-in, refused', 'http-in', wrong],
  [
    ...(['a ticket that is used', 'editor'] as const),
    (facts) => logInPage(facts, { to: '/', fault: words(facts.language, 'login.ticket') }),
  ],
  ['the way to the editor', 'editor', enterPage],
  ['a session of the editor', 'editor', (facts) => sessionPage(facts, 'anna')],
  ['a session of HTTP-in', 'http-in', (facts) => sessionPage(facts, LONG)],
  ...(['editor', 'http-in'] as const).map(
    (kind) =>
      [
        `Node-RED does not run, ${kind}`,
        kind,
        (facts: PageFacts) =>
          textPage(facts, 'down.title', [
            words(facts.language, 'down.text', { state: 'backing-off' }),
            words(facts.language, 'down.why', { why: LONG }),
          ]),
      ] as const,
  ),
];

/** Serves one page. The editor has no content here, so the page that leads there at once stays. */
async function served(t: TestContext): Promise<{ readonly url: string; show(html: string): void }> {
  let html = '';
  const server = createServer((req, res) => {
    if (req.url === '/-/page') sendPage(res, 200, html);
    else if (req.url === '/') res.writeHead(204).end();
    // Letters of Bangla come from this machine.
    else res.writeHead(404).end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/-/page`,
    show(next) {
      html = next;
    },
  };
}

for (const language of LANGUAGES)
  test(`every page of the front for everybody: ${language}`, async (t) => {
    const running = await browser(t);
    if (running === undefined) return;
    const { url, show } = await served(t);
    const faults: string[] = [];
    for (const [name, kind, draw] of PAGES) {
      show(draw({ kind, language, gateway: LONG }));
      const { page, faults: thrown } = await openPage(running, url, { language });
      const found: string[] = [...thrown];
      for (const colorScheme of ['light', 'dark'] as const) {
        await page.emulateMedia({ colorScheme });
        found.push(...(await accessibilityFaults(page)).map((fault) => `${colorScheme}: ${fault}`));
      }
      for (const width of [320, 360]) {
        await page.setViewportSize({ width, height: 740 });
        const wide = await page.evaluate('document.documentElement.scrollWidth');
        if (wide !== width) found.push(`${wide} px wide on ${width} px`);
      }
      assert.equal(await page.getAttribute('html', 'lang'), language);
      assert.equal(new URL(page.url()).pathname, '/-/page', 'it is still the page that was drawn');
      faults.push(...found.map((fault) => `${name}: ${fault}`));
      await page.context().close();
    }
    assert.deepEqual(faults, []);
  });
