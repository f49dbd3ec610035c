/** The page's side of the open answer over days: clocks that go apart, a link that recovers, a clock that is set. */
import assert from 'node:assert/strict';
import test, { type TestContext } from 'node:test';

const START = Date.UTC(2026, 10, 27);
const HOUR = 3_600_000;
const STATE = `event: state\ndata: {}\n\n`;

interface Seen {
  readonly link: string;
}

/** The link of a page whose clocks the test sets. */
async function pageLink(t: TestContext) {
  t.mock.timers.enable({ apis: ['setTimeout', 'setInterval'] });
  const { Live } = await import(new URL('../../../../src/admin/pages/gateway/live.ts', import.meta.url).href);
  let now = 1000;
  let wall = START;
  t.mock.method(performance, 'now', () => now);
  t.mock.method(Date, 'now', () => wall);
  const paces: string[] = [];
  const arrive: ((text: string) => Promise<void>)[] = [];
  const refusals: { status: number; code: string }[] = [];
  const fetched = async (url: string): Promise<unknown> => {
    paces.push(/every=(\d+)/.exec(url)?.[1] ?? '');
    const refusal = refusals.shift();
    if (refusal !== undefined)
      return { ok: false, status: refusal.status, text: async () => JSON.stringify({ error: { ...refusal, message: '' } }) };
    let give: ((part: { value: Uint8Array; done: boolean }) => void) | undefined;
    arrive.push(async (text) => {
      give?.({ value: new TextEncoder().encode(text), done: false });
      await settled();
    });
    const read = () => new Promise((resolve) => (give = resolve));
    return { ok: true, body: { getReader: () => ({ read }) } };
  };
  const page = { hidden: false, addEventListener: () => {}, removeEventListener: () => {} };
  for (const [name, value] of Object.entries({ document: page, fetch: fetched })) {
    const before = Object.getOwnPropertyDescriptor(globalThis, name);
    Object.defineProperty(globalThis, name, { value, configurable: true });
    t.after(() => before && Object.defineProperty(globalThis, name, before));
  }
  const links: string[] = [];
  const live = new Live(
    (model: Seen) => links.push(model.link),
    () => {},
  );
  live.start();
  t.after(() => live.stop());
  await settled();
  return {
    ...{ paces, links, refusals },
    /** A beat `late` milliseconds after it was said. */
    async beat(late = 0): Promise<void> {
      const beat = { time: START, up: now - late, every: Number(paces.at(-1)) };
      await arrive.at(-1)?.(`${STATE}event: beat\ndata: ${JSON.stringify(beat)}\n\n`);
    },
    /** Time goes on without timers. */
    pass(ms: number): void {
      now += ms;
      wall += ms;
    },
    setBack(ms: number): void {
      wall -= ms;
    },
    async timers(ms: number): Promise<void> {
      t.mock.timers.tick(ms);
      await settled();
    },
  };
}

const settled = async (): Promise<void> => {
  for (let i = 0; i < 8; i++) await Promise.resolve();
};

test('a week in which two clocks go apart is no slow link', async (t) => {
  const page = await pageLink(t);
  // 100 of a million: what two cheap crystals may differ by.
  for (let minutes = 0; minutes < 7 * 24 * 60; minutes += 10) {
    page.pass(10 * 60_000);
    await page.beat(minutes * 6);
  }
  await page.timers(0);
  assert.deepEqual(page.paces, ['2000']);
});

test('a link that was slow for a while is asked for all rounds again, ever less often in vain', async (t) => {
  const page = await pageLink(t);
  const beats = async (hours: number, late: number): Promise<void> => {
    for (let ms = 0; ms < hours * HOUR; ms += 60_000) {
      page.pass(60_000);
      await page.beat(late);
      await page.timers(0);
    }
  };
  await beats(0.1, 100);
  await beats(0.01, 6000);
  assert.deepEqual(page.paces, ['2000', '4000']);
  await beats(0.1, 100);
  assert.equal(page.paces.length, 2, 'it is not asked for at once');
  await beats(0.1, 100);
  assert.deepEqual(page.paces, ['2000', '4000', '2000']);
  // The link carries the rounds of 4 s only.
  const before = page.paces.length;
  for (let hour = 0; hour < 24; hour++) {
    await beats(1, 100);
    if (page.paces.at(-1) === '2000') await beats(0.01, 6000);
  }
  const tries = page.paces.slice(before).filter((pace) => pace === '2000').length;
  assert.ok(tries >= 5 && tries <= 16, `${tries} tries in a day`);
});

test('a link that says nothing is lost, also where the clock of the device was set back', async (t) => {
  const page = await pageLink(t);
  await page.beat();
  page.setBack(HOUR);
  page.pass(20_000);
  await page.timers(1000);
  assert.equal(page.links.at(-1), 'lost');
});

test('a gateway that starts is not called one with too many pages', async (t) => {
  const page = await pageLink(t);
  page.refusals.push({ status: 503, code: 'not-running' }, { status: 503, code: 'busy' });
  await page.beat();
  page.pass(20_000);
  await page.timers(20_000);
  await page.timers(1000);
  assert.equal(page.links.at(-1), 'lost');
  await page.timers(15_000);
  assert.equal(page.links.at(-1), 'busy');
});
