/**
 * Damage of every kind to any of the files, after a stop and after a kill. Whatever it is: the log opens at once, what is
 * whole is delivered, nothing that is delivered is wrong, and what comes of it is whole. SLUICE_DAMAGE_RUNS (7), SLUICE_SEED (1).
 */
// Takes minutes: it starts before the others.
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test, { after } from 'node:test';
import { KINDS } from '../../harness/damage.ts';
import { damageRun, type Fault, RunFailed } from '../../harness/damage-run.ts';
import { DamageSite, ENDS, type End } from '../../harness/damage-site.ts';

const RUNS = Number(process.env.SLUICE_DAMAGE_RUNS ?? 7);
const SEED = Number(process.env.SLUICE_SEED ?? 1);
/** Runs at a time: each waits for its threads now and then. */
const AT_ONCE = 3;
/** A set of more runs says on stderr how far it is, once for so many. */
const TELL_EVERY = 25;

const folder = mkdtempSync(path.join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'sluice-damage-'));
after(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));
const sites = new Map<End, Promise<DamageSite>>();
function siteOf(end: End): Promise<DamageSite> {
  const known = sites.get(end) ?? make(end);
  sites.set(end, known);
  return known;
}
async function make(end: End): Promise<DamageSite> {
  const site = new DamageSite(path.join(folder, `${ENDS.indexOf(end)}`));
  await site.make(end);
  return site;
}

for (const kind of KINDS)
  test(`${kind}, ${RUNS} seeds: it starts, and delivers what is whole and nothing wrong`, async (t) => {
    const failed: { seed: number; fault: Fault; text: string }[] = [];
    const sum = { done: 0, repaired: 0, whole: 0, gone: 0, slowest: 0 };
    let next = SEED;
    const work = async (place: number): Promise<void> => {
      while (next < SEED + RUNS) {
        const seed = next++;
        const end = ENDS[seed % ENDS.length] as End;
        try {
          const site = (await siteOf(end)).at(path.join(folder, `run-${place}`));
          const { repaired, whole, gone, start } = await damageRun(site, kind, seed);
          sum.repaired += repaired ? 1 : 0;
          sum.whole += whole;
          sum.gone += gone;
          sum.slowest = Math.max(sum.slowest, start);
        } catch (thrown) {
          const fault = thrown instanceof RunFailed ? thrown.fault : 'other';
          failed.push({ seed, fault, text: `${end}: ${thrown instanceof Error ? (thrown.stack ?? thrown.message) : thrown}` });
        }
        if (++sum.done % TELL_EVERY === 0)
          process.stderr.write(
            `${kind}: ${sum.done} of ${RUNS} runs, slowest start ${(sum.slowest / 1000).toFixed(1)} s${failed.length === 0 ? '' : `, failed: ${failed.map((f) => `${f.seed} (${f.fault})`).join(', ')}`}\n`,
          );
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, (_, place) => work(place)));
    const of = (fault: Fault): number => failed.filter((f) => f.fault === fault).length;
    t.diagnostic(
      `${sum.done} runs, ${sum.repaired} with a repair: ${sum.whole} records whole and delivered, ${sum.gone} damaged and not delivered; slowest start ${(sum.slowest / 1000).toFixed(1)} s`,
    );
    t.diagnostic(
      `${failed.length} failed: ${of('slow start')} starts over 10 s, ${of('wrong')} with wrong records, ${of('missing')} with missing ones, ${of('other')} others`,
    );
    assert.equal(failed.length, 0, `${failed.length} of ${RUNS} failed:\n${failed.map((f) => f.text.slice(0, 1500)).join('\n')}`);
  });
