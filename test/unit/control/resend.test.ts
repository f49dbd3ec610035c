/** Records again: their parts, gaps that thinning left, bounds, and a caller that takes one part after the other. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { Resend } from '../../../src/control/remote/resend.ts';
import type { Door, ResendCommand } from '../../../src/core/commands.ts';
import { SluiceError } from '../../../src/core/errors.ts';
import { keyOf } from '../../../src/store/files/layout.ts';
import type { ExportRequest, ExportResult } from '../../../src/store/read/requests.ts';

type ResendLog = ReturnType<ConstructorParameters<typeof Resend>[0]['log']>;

interface Line {
  readonly log: string;
  readonly seq: number;
  readonly boot: string;
  readonly device: string;
  readonly time: number;
  readonly values: object;
  readonly clock?: string;
}

const line = (seq: number, more: Partial<Line> = {}): Line => ({
  ...{ log: '00000000aa', seq, boot: 'b1', device: 'pump', time: 1000 + seq, values: { speed: seq } },
  ...more,
});
const LOGS = [
  { ordinal: 1, name: '00000000aa' },
  { ordinal: 2, name: '00000000bb' },
];

/** A log that answers with these lines, some in each slice. */
function resendBench(lines: readonly Line[], perSlice = 3) {
  const asked: Omit<ExportRequest, 'id'>[] = [];
  const ordinalOf = (name: string) => LOGS.find((log) => log.name === name)?.ordinal ?? 0;
  const log = {
    opened: { logs: LOGS },
    uncommitted: async () => ({ log: 2, name: '00000000bb', boot: 1, clock: [], committed: 0, entries: [] }),
    keeper: {
      export: async (request: Omit<ExportRequest, 'id'>): Promise<ExportResult> => {
        asked.push(request);
        if (request.points?.includes('no') === true) return { id: 1, next: undefined, text: '', unknown: ['no'] };
        const rest = lines.filter(
          ({ log: name, seq, time }) => keyOf(ordinalOf(name), seq) > request.after && time >= request.from && time <= request.to,
        );
        const slice = rest.slice(0, perSlice);
        const last = slice.at(-1);
        const next = rest.length > slice.length && last !== undefined ? keyOf(ordinalOf(last.log), last.seq) : undefined;
        return { id: 1, next, text: slice.map((one) => `${JSON.stringify(one)}\n`).join('') };
      },
    },
  };
  const resend = new Resend({ gateway: () => 'g1', log: () => log as unknown as ResendLog });
  const parts: { first: number; last: number; part: number; boot: string; clock?: string; records: Record<string, unknown>[] }[] =
    [];
  const run = (command: ResendCommand, begin?: () => void) =>
    resend.run(command, { door: 'mqtt' }, { begin, part: async (json) => void parts.push(JSON.parse(json)) });
  return { resend, run, parts, asked };
}

test('a range that was thinned brings what is left, and nothing beyond it', async () => {
  const s = resendBench([1, 2, 5, 8, 13, 14].map((seq) => line(seq)));
  const result = await s.run({ do: 'resend', log: '00000000aa', first: 2, last: 13 });
  assert.deepEqual(result, { records: 4, parts: 1 });
  assert.deepEqual([s.parts[0]?.first, s.parts[0]?.last], [2, 13]);
  assert.deepEqual(
    s.parts[0]?.records.map(({ seq }) => seq),
    [2, 5, 8, 13],
  );
  assert.deepEqual(s.parts[0]?.records[0], { seq: 2, device: 'pump', time: 1002, values: { speed: 2 } });
  assert.equal(s.asked[0]?.after, keyOf(1, 1));
});

test('a part holds one log, one boot and one state of the clock', async () => {
  const s = resendBench([line(1), line(2, { clock: 'estimated' }), line(3, { boot: 'b2' }), line(1, { log: '00000000bb' })]);
  assert.deepEqual(await s.run({ do: 'resend', from: 0, to: 9999 }), { records: 4, parts: 4 });
  assert.deepEqual(
    s.parts.map(({ part, boot, clock }) => [part, boot, clock]),
    [
      [0, 'b1', undefined],
      [1, 'b1', 'estimated'],
      [2, 'b2', undefined],
      [3, 'b1', undefined],
    ],
  );
});

test('a part has at most 500 records, a command 2,000 parts, and says where to go on', async () => {
  const many = resendBench(
    Array.from({ length: 1201 }, (_, i) => line(i + 1)),
    400,
  );
  assert.deepEqual(await many.run({ do: 'resend', from: 0, to: 9999 }), { records: 1201, parts: 3 });
  assert.deepEqual(
    many.parts.map(({ records }) => records.length),
    [500, 500, 201],
  );
  const boots = resendBench(
    Array.from({ length: 2010 }, (_, i) => line(i + 1, { boot: `b${i}` })),
    400,
  );
  const result = await boots.run({ do: 'resend', from: 0, to: 99_999 });
  assert.deepEqual(result, { records: 2000, parts: 2000, next: { log: '00000000aa', seq: 2001 } });
});

test('the next part is made when the one before was taken, and none after the command expired', async () => {
  const s = resendBench(
    Array.from({ length: 1200 }, (_, i) => line(i + 1)),
    400,
  );
  let under = 0;
  let most = 0;
  let left = 2;
  await assert.rejects(
    s.resend.run(
      { do: 'resend', from: 0, to: 9999 },
      { door: 'mqtt' },
      {
        begin: () => {
          if (left-- === 0) throw new SluiceError('expired', 'too late');
        },
        part: async () => {
          most = Math.max(most, ++under);
          await new Promise((resolve) => setImmediate(resolve));
          under--;
        },
      },
    ),
    { code: 'expired' },
  );
  assert.equal(most, 1);
});

test('an unknown log, unknown points, a third resend and a caller for one answer are refused', async () => {
  const s = resendBench([line(1)]);
  await assert.rejects(s.run({ do: 'resend', log: '0000000000', first: 1, last: 2 }), /has no log 0000000000; it has 00000000aa/);
  await assert.rejects(s.run({ do: 'resend', from: 0, to: 1, points: ['no'] }), { code: 'not-found' });
  await assert.rejects(s.resend.run({ do: 'resend', from: 0, to: 1 }, { door: 'mqtt' }, {}), { code: 'unsupported' });
  const gate = Promise.withResolvers<void>();
  const slow = (door: Door = 'mqtt') => s.resend.run({ do: 'resend', from: 0, to: 9999 }, { door }, { part: () => gate.promise });
  const running = [slow(), slow()];
  await assert.rejects(slow(), { code: 'busy' });
  running.push(slow('http'));
  gate.resolve();
  assert.deepEqual(
    (await Promise.all(running)).map(({ records }) => records),
    [1, 1, 1],
    'slow readers of one door keep nobody waiting at another',
  );
});
