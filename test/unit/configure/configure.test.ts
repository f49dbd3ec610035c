/** The life of a configuration from upstream, with the process cut at every write: what a start finds is always one that proved itself. */
import assert from 'node:assert/strict';
import { readFileSync, truncateSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import fc from 'fast-check';
import { UnsyncedError, writeOwn } from '../../../src/access/state-file.ts';
import type { GatewayConfig } from '../../../src/config/kinds.ts';
import type { Base } from '../../../src/configure/base.ts';
import { Configure } from '../../../src/configure/configure.ts';
import type { Configured } from '../../../src/configure/configured.ts';
import { missing } from '../../../src/configure/health.ts';
import { digestOf, outcomeOf, PushStore } from '../../../src/configure/record.ts';
import { settle } from '../../../src/configure/settle.ts';
import {
  configureKey,
  configureSecret,
  makeConfigureSecret,
  signConfiguration,
  signedBytes,
  signerOf,
} from '../../../src/core/configure-keys.ts';
import { SluiceError } from '../../../src/core/errors.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';
import { scratch } from '../../harness/scratch.ts';
import { DEADLINE_MS } from '../../harness/wait-for.ts';

const KEY = makeConfigureSecret();
const SECRET = configureSecret(KEY.pem)?.sign;
assert.ok(SECRET !== undefined);
const LATER = { id: 'a', owner: 'forwarder:cloud', topic: 'sluice/g1/result/a' };

/** `good` runs well, `deaf` loses its forwarder, `broken` cannot be put in force. */
type Fate = 'good' | 'deaf' | 'broken';
type Fake = GatewayConfig & { readonly fate: Fate; readonly yaml: string };

function configOf(yaml: string): Fake {
  const fate = (['good', 'deaf', 'broken'] as const).find((word) => yaml.startsWith(word)) ?? 'good';
  const gateway = { id: 'g1', stateDir: '/s', configure: { keys: [KEY.key.text], trial: 10_000 } };
  const forwarders = new Map([['cloud', { name: 'cloud', settings: { commands: { configure: true } } }]]);
  return { gateway, forwarders, hooks: new Map(), devices: new Map(), fate, yaml } as unknown as Fake;
}

const baseOf = (text: string): Base => ({ text, config: configOf(text), references: [], provisioned: false });

/** A process that can end at its n-th write, before or after the disk has it. */
class Life {
  readonly clock = new ManualClock();
  readonly said: string[] = [];
  readonly began: string[] = [];
  readonly codes: string[] = [];
  readonly configure: Configure;
  config: Fake;
  ended = false;
  readonly #cut = Promise.withResolvers<void>();
  /** The last write that the disk was given. */
  #disk: Promise<unknown> = Promise.resolve();
  #writes = 0;

  /**
   * @param full the disk takes nothing from that write on
   * @param hung it does not answer from that write on
   * @param unsynced it does not confirm these writes
   */
  constructor(
    folder: string,
    file: string,
    cut?: { readonly at: number; readonly written: boolean },
    full = Number.POSITIVE_INFINITY,
    hung = Number.POSITIVE_INFINITY,
    unsynced: (write: number) => boolean = () => false,
  ) {
    const put: typeof writeOwn = async (name, text) => {
      if (this.ended) return new Promise(() => {});
      if (this.#writes + 1 >= hung) return new Promise(() => {});
      if (++this.#writes >= full) throw Object.assign(new Error('no space'), { code: 'ENOSPC' });
      const last = this.#writes === cut?.at;
      if (!last || cut.written) {
        const write = writeOwn(name, text);
        this.#disk = write.catch(() => {});
        await write;
      }
      if (unsynced(this.#writes)) throw new UnsyncedError(new Error('EIO: i/o error, fsync'));
      if (!last) return;
      this.ended = true;
      this.#cut.resolve();
      await new Promise(() => {});
    };
    const store = new PushStore(folder, 'self', put);
    const found = store.read();
    assert.notEqual(found, 'damaged');
    const { record, notices } = settle(found as Exclude<typeof found, 'damaged'>, file, 1);
    const text = record.current && store.text(record.current);
    if (record.current !== undefined) assert.ok(text !== undefined, 'the text of a version in force is there');
    this.config = configOf(text ?? file);
    const base = baseOf(file);
    this.configure = new Configure({
      ...{ clock: this.clock, store, record, notices, base, ranWell: () => {} },
      logger: { info: () => {}, warn: () => {}, error: () => {}, debug: () => {} } as never,
      load: ({ yaml }) => ({ config: configOf(yaml), references: [], ran: { file: 'f', text: yaml, profiles: [] } }),
    });
    this.configure.begin(this.#gateway());
  }

  /** Resolves with what the sender hears first. */
  async send(version: number, yaml: string): Promise<'trial' | 'refused' | 'cut'> {
    const signature = signConfiguration({ gateway: 'g1', version, expires: undefined, yaml }, SECRET as never);
    let heard: 'trial' | 'refused' | undefined;
    this.configure.run({ do: 'configure', version, yaml, signature }, { later: { ...LATER, id: `v${version}` } }).then(
      () => {
        heard = 'trial';
      },
      (thrown: unknown) => {
        assert.ok(thrown instanceof SluiceError, String(thrown));
        this.codes.push(thrown.code);
        heard = 'refused';
      },
    );
    await this.#until(() => heard !== undefined);
    return heard ?? 'cut';
  }

  /** Until the trial is over and told, or the process has ended. */
  settled(version: number): Promise<void> {
    return this.#until(
      () => this.configure.report().trial === undefined && this.said.some((one) => one.includes(`"v${version}"`)),
    );
  }

  /** What it began to write is on the disk, and nothing more comes: its folder can go. */
  async end(): Promise<void> {
    this.configure.stop();
    if (!this.ended) await Promise.race([this.configure.written, this.#cut.promise]);
    this.ended = true;
  }

  async #until(is: () => boolean): Promise<void> {
    // The disk is a real one; the clock is not. It stands still while the disk is at work, however slow that is.
    const end = performance.now() + DEADLINE_MS;
    while (!is() && !this.ended && performance.now() < end) {
      await this.#disk;
      await this.clock.advance(500);
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    assert.ok(is() || this.ended, 'it comes to an end');
    await this.clock.advance(0);
    // A process that was cut writes nothing any more; another one is done before the next start.
    if (!this.ended) await Promise.race([this.configure.written, this.#cut.promise]);
  }

  #gateway(): Configured {
    const life = this;
    return {
      get config() {
        return life.config;
      },
      now: () => life.clock.wall(),
      health: () => ({ forwarders: [{ name: 'cloud', connected: life.config.fate === 'good' }], buses: [], log: undefined }),
      commit: async () => {},
      reload: async (config) => {
        const next = config as Fake;
        if (next.fate === 'broken') throw new SluiceError('listen-failed', 'the port is taken');
        if (!life.ended) life.began.push(next.yaml);
        life.config = next;
        return [];
      },
      confirm: () => {},
      republish: () => {},
      say: async (_forwarder, _topic, json) => {
        if (!life.ended) life.said.push(json);
      },
      answered: () => {},
      tell: () => {},
      fatal: (error) => assert.fail(error),
    };
  }
}

const step = fc.record({
  fate: fc.constantFrom<Fate>('good', 'good', 'deaf', 'broken'),
  rise: fc.integer({ min: -1, max: 2 }),
  cut: fc.option(fc.record({ at: fc.integer({ min: 1, max: 7 }), written: fc.boolean() }), { nil: undefined, freq: 2 }),
  hurt: fc.option(fc.constantFrom('upstream.json', 'upstream-copy.json'), { nil: undefined, freq: 4 }),
  edits: fc.boolean(),
});

test('after any cut a start runs what proved itself; versions only grow', async (t) => {
  let confirmed = 0;
  let cuts = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 5 }), async (steps) => {
      const folder = path.join(scratch(t, 'configure'), 'config');
      let file = 'good file 0';
      let editions = 0;
      let highest = 0;
      /** What may be in force; two after a cut in the middle of the decision. */
      let mayRun = new Set([file]);
      for (const { fate, rise, cut, hurt, edits } of steps) {
        const life = new Life(folder, file, cut);
        assert.ok(mayRun.has(life.config.yaml), `${life.config.yaml} runs, of ${[...mayRun].join(', ')}`);
        const before = life.config.yaml;
        const version = Math.max(1, highest + rise);
        const yaml = `${fate} version ${version} of step ${steps.length}`;
        const heard = await life.send(version, yaml);
        if (version <= highest) assert.notEqual(heard, 'trial', `version ${version} began although ${highest} began before`);
        if (heard === 'trial') await life.settled(version);
        if (life.began.includes(yaml) || heard === 'trial') highest = Math.max(highest, version);
        const over = heard === 'trial' && life.said.some((one) => one.includes(`"version":${version},"state":"confirmed"`));
        if (over) confirmed++;
        if (life.ended) cuts++;
        mayRun = new Set(over ? [yaml] : life.ended && fate === 'good' && version > 0 ? [before, yaml] : [before]);
        if (life.ended && heard !== 'trial') mayRun = new Set([before]);
        if (!life.ended) assert.ok(mayRun.has(life.config.yaml), 'what is in force now is in force after a start');
        await life.end();
        if (hurt !== undefined && !cut) damage(path.join(folder, hurt));
        if (edits) {
          file = `good file ${++editions}`;
          mayRun = new Set([file]);
        }
      }
      const last = new Life(folder, file, undefined);
      assert.ok(mayRun.has(last.config.yaml), `${last.config.yaml} runs at last, of ${[...mayRun].join(', ')}`);
      assert.equal(last.configure.report().trial, undefined);
      await last.end();
    }),
    { numRuns: 60, seed: 7 },
  );
  assert.ok(confirmed > 10 && cuts > 10, `${confirmed} were confirmed, ${cuts} lives were cut`);
});

function damage(file: string): void {
  try {
    truncateSync(file, readFileSync(file).length >> 1);
  } catch {
    // It was not written yet.
  }
}

test('the next start tells an outcome that nobody heard', async (t: TestContext) => {
  const folder = path.join(scratch(t, 'configure'), 'config');
  const first = new Life(folder, 'good file', undefined);
  assert.equal(await first.send(1, 'good one'), 'trial');
  const { sender, trial } = first.configure.report();
  assert.deepEqual([sender?.forwarder, sender?.key, trial?.version], ['cloud', KEY.key.fingerprint, 1]);
  first.configure.stop();
  first.ended = true;
  const second = new Life(folder, 'good file', undefined);
  await second.settled(1);
  assert.match(second.said[0] ?? '', /"code":"rolled-back".*ended before it had proven itself/);
  const { last, ...report } = second.configure.report();
  assert.deepEqual([last?.outcome, last?.key, report], ['rolled-back', KEY.key.fingerprint, { origin: 'file' }]);
  await second.end();
  // An earlier version called this key by another name.
  const kept = new PushStore(folder).read();
  const [file, copy] = ['upstream.json', 'upstream-copy.json'].map((name) => path.join(folder, name)) as [string, string];
  for (const name of [file, copy]) writeFileSync(name, readFileSync(name, 'utf8').replace('"received"', '"told"'));
  assert.match(readFileSync(file, 'utf8'), /"told":true/);
  assert.deepEqual(new PushStore(folder).read(), kept);
  for (const name of [file, copy]) writeFileSync(name, '\0random');
  assert.equal(new PushStore(folder).read(), 'damaged');
});

test('a text is kept as it came: marks, ends of lines, half signs', async (t) => {
  const folder = path.join(scratch(t, 'configure'), 'config');
  for (const [i, yaml] of ['\ufeffgood mark', 'good ends\r\n# \r\n', 'good half \ud800 sign'].entries()) {
    const life = new Life(folder, 'good file');
    assert.equal(await life.send(i + 1, yaml), 'trial');
    await life.settled(i + 1);
    await life.end();
    const next = new Life(folder, 'good file');
    assert.deepEqual([next.configure.report().version, next.config.yaml], [i + 1, yaml.toWellFormed()]);
    await next.end();
  }
});

test('where nobody can be told an outcome, the next one is recorded all the same', () => {
  const kept = { version: 1, sha256: digestOf('a'), base: digestOf('good file'), key: 'k', forwarder: 'cloud', time: 1 };
  const last = outcomeOf({ version: 1, forwarder: 'cloud', id: 'a', owner: 'forwarder:cloud' }, 'confirmed', 'Runs.', 1);
  const after = (topic?: string) =>
    settle({ floor: 1, current: kept, last: { ...last, ...(topic && { topic }) } }, 'changed by hand', 2).record.last?.outcome;
  assert.equal(after(), 'replaced');
  assert.equal(after('sluice/g1/result/a'), 'confirmed', 'this one is told first');
});

test('a full disk refuses a configuration, or rolls it back', async (t) => {
  const folder = path.join(scratch(t, 'configure'), 'config');
  const blocked = new Life(folder, 'good file', undefined, 1);
  assert.equal(await blocked.send(1, 'good one'), 'refused');
  assert.deepEqual([blocked.config.yaml, blocked.began], ['good file', []]);
  await blocked.end();
  // The text and both files of the record are written; the decision is not.
  const later = new Life(folder, 'good file', undefined, 4);
  assert.equal(await later.send(1, 'good one'), 'trial');
  await later.settled(1);
  assert.match(later.said[0] ?? '', /rolled back: it could not be kept: the disk is full/);
  assert.deepEqual([later.config.yaml, later.began], ['good file', ['good one', 'good file']]);
  await later.end();
  const next = new Life(folder, 'good file');
  assert.equal(next.config.yaml, 'good file');
  await next.end();
});

test('a start knows nothing of a configuration that was refused as unconfirmed', async (t) => {
  // 1: the text, 2: the record, 3: the record of before, which replaces it.
  for (const unsynced of [[1], [2], [2, 3], [1, 2, 3, 4, 5]]) {
    const folder = path.join(scratch(t, 'configure'), 'config');
    const life = new Life(folder, 'good file', undefined, undefined, undefined, (write) => unsynced.includes(write));
    assert.equal(await life.send(1, 'good one'), 'refused');
    assert.deepEqual([life.began, life.configure.report()], [[], { origin: 'file' }]);
    await life.end();
    const next = new Life(folder, 'good file');
    assert.deepEqual([next.config.yaml, next.configure.report()], ['good file', { origin: 'file' }], `writes ${unsynced}`);
    // It never began, so its version is free.
    assert.equal(await next.send(1, 'good one'), 'trial');
    await next.settled(1);
    assert.equal(next.config.yaml, 'good one');
    await next.end();
  }
});

test('a configuration that loses its upstream gives way while the disk does not answer', async (t) => {
  const life = new Life(path.join(scratch(t, 'configure'), 'config'), 'good file', undefined, undefined, 4);
  assert.equal(await life.send(1, 'deaf one'), 'trial');
  for (let i = 0; i < 200 && life.began.length < 2; i++) await life.clock.advance(500);
  assert.deepEqual([life.config.yaml, life.began], ['good file', ['deaf one', 'good file']]);
  life.configure.stop();
});

test('a person who reads the file again hears of a disk that does not answer', async (t) => {
  const life = new Life(path.join(scratch(t, 'configure'), 'config'), 'good file', undefined, undefined, 4);
  assert.equal(await life.send(1, 'good one'), 'trial');
  // It runs well, and its record waits for the disk.
  for (let i = 0; i < 40; i++) await life.clock.advance(500);
  const reading = assert.rejects(
    life.configure.reading(baseOf('good changed'), async () => assert.fail('read')),
    (thrown: SluiceError) => thrown.code === 'busy' && /does the disk still answer/.test(thrown.message),
  );
  await life.clock.advance(120_000);
  await reading;
  life.configure.stop();
});

test('nothing begins while a person reads the file on the board again', async (t) => {
  const life = new Life(path.join(scratch(t, 'configure'), 'config'), 'good file');
  const { configure } = life;
  const gate = Promise.withResolvers<void>();
  const reload = configure.reading(baseOf('good changed'), async (fromUpstream) => {
    assert.equal(fromUpstream, undefined);
    await gate.promise;
    life.config = configOf('good changed');
  });
  assert.equal(await life.send(1, 'good one'), 'refused');
  gate.resolve();
  await reload;
  const port = Promise.withResolvers<never>();
  const failed = assert.rejects(
    configure.reading(baseOf('good again'), () => port.promise),
    /the port is taken/,
  );
  assert.equal(await life.send(1, 'good one'), 'refused');
  port.reject(new Error('the port is taken'));
  await failed;
  assert.deepEqual([life.codes, life.began], [['busy', 'busy'], []]);
  // A version whose text is on its way to the disk ends before the file counts.
  const heard = life.send(1, 'good one');
  const last = configure.reading(baseOf('good last'), async () => {
    const { trial, last } = configure.report();
    assert.deepEqual([trial, last?.outcome], [undefined, 'rolled-back']);
    life.config = configOf('good last');
  });
  assert.equal(await heard, 'trial');
  await life.settled(1);
  await last;
  assert.equal(life.config.yaml, 'good last');
  assert.equal(await life.send(2, 'good two'), 'trial');
  await life.settled(2);
  assert.deepEqual([life.config.yaml, configure.report().version], ['good two', 2]);
  await life.end();
});

test('a signature holds for exact bytes and one gateway, version and time', () => {
  const signed = { gateway: 'g1', version: 7, expires: undefined, yaml: 'gateway: {id: g1}\n' };
  const signature = signConfiguration(signed, SECRET as never);
  const keys = [makeConfigureSecret().key, KEY.key];
  assert.equal(signerOf(signed, signature, keys)?.text, KEY.key.text);
  const others = [
    ...[{ gateway: 'g2' }, { version: 8 }, { expires: 1 }, { yaml: `${signed.yaml} ` }],
    // Lines of the head cannot move into the text.
    { gateway: 'g1\n7', version: 0 },
  ];
  for (const change of others) assert.equal(signerOf({ ...signed, ...change }, signature, keys), undefined);
  assert.equal(signerOf(signed, signature, [keys[0] as never]), undefined);
  assert.equal(signedBytes(signed).toString(), 'sluice configuration 1\ng1\n7\n0\ngateway: {id: g1}\n');
  fc.assert(
    fc.property(fc.string(), (text) => {
      assert.equal(configureKey(text), undefined);
      assert.equal(configureSecret(text), undefined);
      assert.equal(signerOf(signed, text, keys), undefined);
    }),
    { numRuns: 200 },
  );
  const { text } = KEY.key;
  assert.equal(configureKey(`${text} `), undefined);
});

test('the trial asks for what ran before, and not for what was silent already', () => {
  const bus = (name: string, answering: string[], more: object = {}) => ({
    ...{ name, open: true, polled: true, answering, devices: ['a', 'b'] },
    ...more,
  });
  const at = (connected: string[], buses: ReturnType<typeof bus>[], log?: string) => ({
    forwarders: ['cloud', 'second'].map((name) => ({ name, connected: connected.includes(name) })),
    ...{ buses, log },
  });
  const before = at(['cloud'], [bus('plant', ['a']), bus('shut', [], { open: false }), bus('radio', ['a'], { polled: false })]);
  assert.deepEqual(missing(before, before, 'cloud'), []);
  const worse = at(
    ['second'],
    [bus('plant', ['b']), bus('new', [], { open: false }), bus('radio', [], { polled: false })],
    'full',
  );
  assert.deepEqual(missing(worse, before, 'cloud'), [
    'the log cannot be written: full',
    'the forwarder cloud is not connected',
    'the device a does not answer any more',
    'the bus new is not open',
  ]);
  const fewer = at(['cloud'], [bus('plant', [], { devices: ['b'] })]);
  assert.deepEqual(missing(fewer, before, 'cloud'), []);
});
