/** A configuration lets a forwarder have more than the one before: what it is given of the values that are there already. */
import assert from 'node:assert/strict';
import test from 'node:test';
import type { GatewayConfig, ResolvedForwarder } from '../../../src/config/kinds.ts';
import { resolvePrivacy } from '../../../src/config/privacy.ts';
import type { PrivacySettings } from '../../../src/config/privacy-keys.ts';
import type { Shape } from '../../../src/core/point.ts';
import type { Forwarder, LatestValues } from '../../../src/core/ports.ts';
import type { PrivacyClass } from '../../../src/core/privacy.ts';
import { type ForwarderSurroundings, Forwarders } from '../../../src/gateway/forwarders.ts';
import { Latest } from '../../../src/pipeline/latest.ts';
import type { Log } from '../../../src/store/log.ts';

const shape: Shape = {
  device: 'home',
  points: ['power', 'pump'].map((name) => ({ name, type: 'float64', storage: 'number' })),
};

interface Side {
  /** The class of `home.power`. */
  readonly of?: PrivacyClass;
  readonly rules?: PrivacySettings;
  /** By the name of the forwarder. */
  readonly forwarders?: Readonly<Record<string, object>>;
}

const PURPOSE = { purpose: 'billing by the utility' };
const UTILITY = { utility: PURPOSE };

function configOf({ of, rules, forwarders = UTILITY }: Side): GatewayConfig {
  return {
    ...{ gateway: { id: 'g1' }, rules: new Map() },
    privacy: resolvePrivacy(rules, of === undefined ? {} : { 'home.power': of }),
    forwarders: new Map(
      Object.entries(forwarders).map(([name, settings]) => [name, { name, settings } as unknown as ResolvedForwarder]),
    ),
  } as unknown as GatewayConfig;
}

/** A gateway with one reading of each point, and what each forwarder is given of them. */
function bench(first: Side) {
  const latest = new Latest(() => 0);
  const given = new Map<string, LatestValues>();
  const forwarders = new Forwarders(
    { latest, inventory: () => '{}', site: {} } as unknown as ForwarderSurroundings,
    () => ({ add() {}, remove() {} }),
    ({ name }, context) => {
      given.set(name, context.latest);
      return { name, attach() {}, start() {}, stop: async () => {} } as unknown as Forwarder;
    },
  );
  const log = { opened: { savedStates: [], lastAlarms: [], shapes: [] }, release: async () => {} } as unknown as Log;
  const classify = ({ privacy }: GatewayConfig) => latest.classify(privacy?.points ?? {});
  let at = 0;
  const read = (power: number) => latest.take({ shape, at: ++at, values: [power, 1], reasons: null });
  const config = configOf(first);
  classify(config);
  forwarders.begin(config, log);
  latest.setShapes([shape]);
  forwarders.start();
  return {
    read,
    reload: async (side: Side) => {
      const next = configOf(side);
      const prepared = forwarders.prepare(next, log);
      classify(next);
      await prepared.apply(1);
    },
    /** As the forwarder gets it one by one and with all others; undefined: it does not. */
    power: (name = 'utility') => {
      const values = given.get(name);
      const all = new Map(Array.from(values?.all() ?? [], ({ point, value }) => [point, value]));
      assert.equal(values?.get('home', 'power')?.value, all.get('power'));
      assert.equal(all.get('pump'), 1, 'a point that says nothing about people');
      return all.get('power');
    },
  };
}

const CASES: Readonly<Record<string, { readonly before: Side; readonly after: Side; readonly held?: number }>> = {
  'the class of a point is another one': {
    before: { of: 'health', rules: { health: { upstream: 'never' } } },
    after: { of: 'technical', rules: { health: { upstream: 'never' } } },
  },
  'a point has no class any more, and no section is left': {
    before: { of: 'household', rules: { household: { upstream: 'never' } } },
    after: {},
  },
  'a class that did not leave leaves': {
    before: { of: 'household', rules: { household: { upstream: 'never' } } },
    after: { of: 'household' },
  },
  'a class that left as means leaves reading by reading': {
    before: {
      ...{ of: 'household', rules: { household: { upstream: { aggregate: 900_000 } } } },
      forwarders: { utility: { ...PURPOSE, filter: { every: 900_000 } } },
    },
    after: { of: 'household' },
  },
  'a class that was rounded leaves as it is': {
    before: { of: 'household', rules: { household: { upstream: { round: 100 } } } },
    after: { of: 'household' },
    held: 1200,
  },
  'a purpose is added': {
    before: { of: 'household', forwarders: { utility: {} } },
    after: { of: 'household' },
  },
};

for (const [what, { before, after, held }] of Object.entries(CASES))
  test(`${what}: the next reading is the first one`, async () => {
    const b = bench(before);
    b.read(1234);
    assert.equal(b.power(), held);
    await b.reload(after);
    assert.equal(b.power(), held);
    // Another reload has nothing to do with it.
    await b.reload({ ...after, forwarders: { utility: { ...PURPOSE, n: 2 } } });
    assert.equal(b.power(), held);
    b.read(1235);
    assert.equal(b.power(), 1235);
    await b.reload({ ...after, forwarders: { utility: { ...PURPOSE, n: 3 } } });
    assert.equal(b.power(), 1235);
  });

test('a forwarder that is added later gets no value of the stricter class either', async () => {
  const b = bench({ of: 'health', rules: { health: { upstream: 'never' } } });
  b.read(1234);
  await b.reload({ rules: { health: { upstream: 'never' } } });
  await b.reload({ rules: { health: { upstream: 'never' } }, forwarders: { ...UTILITY, other: PURPOSE } });
  assert.equal(b.power('other'), undefined);
  b.read(1235);
  assert.deepEqual([b.power('utility'), b.power('other')], [1235, 1235]);
});

test('a forwarder that comes with the relaxed rule gets nothing from before it', async () => {
  const b = bench({ of: 'household', rules: { household: { upstream: 'never' } }, forwarders: {} });
  b.read(1234);
  await b.reload({ of: 'household' });
  assert.equal(b.power(), undefined);
  b.read(1235);
  assert.equal(b.power(), 1235);
});

test('a configuration that is taken back gives no value that came while it was in force', async () => {
  const strict: Side = { of: 'household', rules: { household: { upstream: 'never' } } };
  const b = bench({ of: 'household' });
  b.read(1);
  assert.equal(b.power(), 1);
  await b.reload(strict);
  assert.equal(b.power(), undefined, 'the rule of now holds for what is there');
  await b.reload({ of: 'household' });
  assert.equal(b.power(), 1, 'it was taken under the rule that is back');
  await b.reload(strict);
  b.read(2);
  await b.reload({ of: 'household' });
  assert.equal(b.power(), undefined);
  b.read(3);
  assert.equal(b.power(), 3);
});
