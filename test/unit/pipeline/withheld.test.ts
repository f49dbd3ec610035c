/** Events and texts on their way out: no value of a point that is withheld, and no name of one that does not leave. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { outwardOf, type ResolvedPrivacy } from '../../../src/config/privacy.ts';
import { withoutNames } from '../../../src/core/privacy.ts';
import { eventWithoutValue, isUnnamed, isWithheld } from '../../../src/pipeline/withheld.ts';

const privacy: ResolvedPrivacy = {
  points: { 'band.pulse': 'health', 'band.air': 'environmental', 'band.place': 'location', 'cuff.*': 'household' },
  keep: {},
  upstream: { environmental: 'never', location: { round: 0.01 }, technical: { round: 10 } },
};
const site = { privacy };
const event = (message: string, data: Record<string, string | number> = {}, bare?: string) => ({
  ...{ event: 'write', severity: 'info' as const, message, data },
  ...(bare === undefined ? {} : { bare }),
});

test('values of personal and of coarser classes are withheld, names of some', () => {
  const of = (point: string) => [isWithheld(site, point), isUnnamed(site, point)];
  assert.deepEqual(of('band.pulse'), [true, true]);
  assert.deepEqual(of('cuff.anything'), [true, true]);
  assert.deepEqual(of('band.air'), [true, true]);
  assert.deepEqual(of('band.load'), [true, false], 'a point without a class is technical');
  assert.deepEqual(
    [isWithheld({ privacy: { ...privacy, upstream: {} } }, 'band.load'), isWithheld({} as never, 'band.pulse')],
    [false, false],
  );
});

test('an event about such a point has its bare words and no key that may be a value', () => {
  const made = event(
    'band.pulse was set to 48613.',
    { point: 'band.pulse', value: 48_613, other: '48613', result: 'done' },
    'band.pulse was set.',
  );
  assert.deepEqual(eventWithoutValue(site, made), {
    ...made,
    message: 'band.pulse was set.',
    data: { point: 'band.pulse', result: 'done' },
  });
  const failed = eventWithoutValue(
    site,
    event('The action failed: the device shows 48613', { of: 'write cuff.x', result: 'failed', code: 'write-failed' }),
  );
  assert.equal(failed.message, 'write of cuff.x: failed: write-failed. Values of this point are not shown.');
  const other = event('history.db was mended after 48613 rows', { file: 'history.db', value: 3 });
  assert.equal(eventWithoutValue(site, other), other);
  assert.equal(eventWithoutValue({} as never, made), made);
});

test('a text names no point that does not leave there, apart from the one asked for', () => {
  const plain = outwardOf(privacy, {});
  const cleared = outwardOf(privacy, { purpose: 'care by a nurse' });
  const text =
    '{"point":"band.pulse","of":"write cuff.x","file":"gateway.yaml","n":3.25,"message":"devices.band.points.air.privacy: band.load"}';
  assert.equal(
    withoutNames(plain, text),
    '{"point":"a private point","of":"write a private point","file":"gateway.yaml","n":3.25,"message":"a private point.privacy: band.load"}',
  );
  assert.equal(withoutNames(plain, text, 'band.pulse'), withoutNames(plain, text).replace('a private point', 'band.pulse'));
  assert.equal(withoutNames(cleared, text), text.replace('devices.band.points.air', 'a private point'));
  assert.equal(withoutNames(undefined, text), text);
});
