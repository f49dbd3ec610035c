/** Real bytes on lines at their pace and on sockets: a silent unit among four, the silence before each request, wrong replies on every framing. */
// Takes minutes: it starts before the others.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import test, { suite } from 'node:test';
import { reasonAt, type Sample } from '../../../src/core/point.ts';
import { registerOf, rightPdu } from '../../fakes/modbus-device.ts';
import { type ServedRequest, serveModbus } from '../../fakes/modbus-server.ts';
import { FRAMES, isSerial, TRANSPORTS, type Transport } from '../../fakes/modbus-world.ts';
import { startSite, words } from '../../harness/modbus-site.ts';
import { scratch } from '../../harness/scratch.ts';
import { waitFor } from '../../harness/wait-for.ts';

/** Points are named by their address: no good value may ever be that of another register. */
function assertTrue(samples: readonly Sample[]): void {
  for (const sample of samples)
    for (const [i, point] of sample.shape.points.entries())
      if (reasonAt(sample, i) === 0) assert.equal(sample.values[i], registerOf(Number(point.name.slice(1))), point.name);
}

const silentCases: [transport: Transport, baud: number, how: string][] = [
  ['rtu', 9600, 'says nothing'],
  ['rtu', 19_200, 'says nothing'],
  ['ascii', 19_200, 'says nothing'],
  ['tcp', 0, 'says nothing'],
  ['tcp', 0, 'answers exception 11'],
];
/** The answer to something else: were it taken, its values would be those of other registers. */
const foreign = (r: ServedRequest, other: Partial<ServedRequest>) => rightPdu({ ...r, start: r.start + 1, ...other });
/** What no device should say; each once, between right replies. */
const FAULTS: Record<string, (r: ServedRequest, transport: Transport) => Buffer[]> = {
  doubled: (r) => [r.frame(), r.frame()],
  'doubled at once': (r) => [Buffer.concat([r.frame(), r.frame()])],
  truncated: (r) => [r.frame().subarray(0, -3)],
  'wrong unit': (r, t) => [FRAMES[t].frame(foreign(r, { unit: 9 }), r.transaction)],
  'wrong function': (r, t) => [FRAMES[t].frame(foreign(r, { code: 2 }), r.transaction)],
  'wrong length': (r, t) => [FRAMES[t].frame(foreign(r, { count: r.count + 1 }), r.transaction)],
  'wrong transaction': (r, t) => [FRAMES[t].frame(isSerial(t) ? rightPdu(r) : foreign(r, {}), r.transaction ^ 0x0f0f)],
  'a damaged byte': (r) => [r.frame().fill(0x30, 4, 5)],
  'noise before': (r) => [Buffer.concat([Buffer.of(0, 255, 0), r.frame()])],
  'noise behind': (r) => [Buffer.concat([r.frame(), Buffer.of(0, 255, 0)])],
  noise: () => [Buffer.alloc(40, 0xa5)],
  nothing: () => [],
};

// Each has its own device and line, and waits for its pace most of the time.
suite('a master on lines and sockets', { concurrency: 4 }, () => {
  for (const [transport, baud, how] of silentCases)
    test(`a silent unit rests, delays no other, is seen again: ${transport}${baud > 0 ? ` at ${baud} baud` : ''}, ${how}`, async (t) => {
      let dead = false;
      const device = await serveModbus(
        t,
        transport,
        (r) => {
          if (r.unit !== 2 || !dead) r.send(r.frame());
          else if (how !== 'says nothing') r.send(r.frame(Buffer.of(r.unit, r.code | 0x80, 11)));
        },
        { baud },
      );
      if (!device) return;
      const unit = (n: number) => ({ unit: n, interval: '250ms', points: words(1, 2, 3) });
      // Generous: on a machine that is busy a reply may be long in coming. What was measured decides how long is waited.
      const site = startSite(
        t,
        { ...device.bus, timeout: '2s', retries: 1 },
        { one: unit(1), two: unit(2), three: unit(3), four: unit(4) },
      );
      await Promise.all(['one', 'two', 'three', 'four'].map((name) => site.until(name, 6)));
      dead = true;
      await waitFor('it to be known as silent', () => site.bus.status().devices[1]?.state === 'silent');
      const from = site.samples.length;
      const asked = () => [1, 2, 3, 4].map((n) => device.requests.filter((r) => r.unit === n).length);
      const before = asked();
      const count = (name: string) => site.samples.slice(from).filter((s) => s.shape.device === name).length;
      await waitFor('24 polls of each', () => ['one', 'two', 'three', 'four'].every((name) => count(name) >= 24));
      const [one = 0, two = 0, three = 0, four = 0] = asked().map((n, i) => n - (before[i] as number));
      // Every poll was a request; one that was on its way at either end may count or not, a repeat on a busy machine as well.
      for (const n of [one, three, four]) assert.ok(n >= 22 && Math.abs(n - one) <= 5, `${one} ${three} ${four}`);
      for (const name of ['one', 'three', 'four']) assert.ok(count(name) >= 24);
      assert.ok(two <= 8, `the silent one was asked ${two} times in the time of ${one} polls`);
      for (const name of ['one', 'three', 'four']) assert.deepEqual([...new Set(site.outcomes(name))], ['good']);
      assert.deepEqual([...new Set(site.outcomes('two').slice(-5))], [how === 'says nothing' ? 'timeout' : 'exception']);
      const good = (name: string) =>
        site
          .outcomes(name)
          .slice(-3)
          .every((o) => o === 'good');
      dead = false;
      // Its rest may have grown to half a minute where the machine was slow.
      await waitFor('it to be read again', () => good('two'));
      assert.equal(site.bus.status().devices[1]?.state, 'answering');
      assertTrue(site.samples);
      // Told when it begins, not at every poll; a machine that stalls may make it begin more than once.
      const warnings = site.log.filter((l) => l.startsWith('warn') && l.includes('unit 2'));
      assert.ok(warnings.length >= 1 && warnings.length <= 4, site.log.join('\n'));
    });

  for (const baud of [9600, 19_200])
    test(`at ${baud} baud no request leaves before 3.5 characters of silence`, async (t) => {
      const log = path.join(scratch(t, 'wire'), 'log');
      let n = 0;
      const device = await serveModbus(
        t,
        'rtu',
        (r) => {
          const frame = r.frame();
          // Sometimes with noise before it, sometimes damaged. No master can foresee what comes after a pause of the pty's own.
          if (++n % 5 === 0) r.send(Buffer.concat([Buffer.of(0, 255), frame]));
          else r.send(n % 7 === 0 ? frame.fill(0, 3, 4) : frame);
        },
        { baud, log },
      );
      if (!device) return;
      const points = words(1, 2, 3, 100, 200);
      const site = startSite(
        t,
        { ...device.bus, timeout: '5s', retries: 1 },
        { a: { unit: 1, interval: '10ms', points }, b: { unit: 2, interval: '10ms', points } },
      );
      await waitFor('120 requests', () => device.requests.length >= 120);
      await site.bus.stop();
      assertTrue(site.samples);
      // The times of the pty are on the safe side: a pause looks longer there than it was, never shorter.
      const silence = 3.5 * (10 / baud);
      let gave: number | undefined;
      let pauses = 0;
      const early: string[] = [];
      for (const line of readFileSync(log, 'utf8').split('\n')) {
        const [word, at] = line.split(' ');
        if (word === 'gave') gave = Number(at);
        if (word !== 'took' || gave === undefined) continue;
        if (Number(at) - gave < silence - 1e-6)
          early.push(`${(Number(at) - gave) * 1000} ms of silence, ${silence * 1000} are due`);
        pauses++;
        gave = undefined;
      }
      assert.ok(pauses >= 60, `${pauses} pauses`);
      // A reply that was given up may come in the very moment of the next request: no master can foresee that either.
      const timeouts = site.bus.status().devices.reduce((sum, { counters }) => sum + counters.timeouts, 0);
      assert.ok(early.length <= timeouts, `${timeouts} time-outs, ${early.join('; ')}`);
    });

  for (const transport of TRANSPORTS)
    test(`wrong replies of every kind over ${transport}: no wrong value, and it goes on`, async (t) => {
      const names = Object.keys(FAULTS);
      let next = 0;
      const device = await serveModbus(t, transport, (r) => {
        const fault = r.n % 6 === 0 ? FAULTS[names[next++] ?? ''] : undefined;
        // Late, but not later than twice the time-out.
        if (r.n % 31 === 0) setTimeout(() => r.send(r.frame()), 700);
        else for (const bytes of fault?.(r, transport) ?? [r.frame()]) r.send(bytes);
      });
      if (!device) return;
      const site = startSite(
        t,
        { ...device.bus, timeout: '500ms', retries: 1 },
        {
          a: { unit: 1, interval: '20ms', limits: { maxGap: 8 }, points: words(1, 100, 200) },
          b: { unit: 2, interval: '20ms', limits: { maxGap: 8 }, points: words(1, 100, 200) },
        },
      );
      await waitFor('all faults', () => next > names.length + 2);
      const from = site.samples.length;
      const good = (name: string) =>
        site.samples.slice(from).filter((s) => s.shape.device === name && reasonAt(s, 0) === 0).length;
      await waitFor('good readings of both', () => good('a') >= 12 && good('b') >= 12);
      assertTrue(site.samples);
    });
});
