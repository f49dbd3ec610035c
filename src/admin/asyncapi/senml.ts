/** A pack of `format: senml` in JSON: RFC 8428, with the marks of the gateway under labels of its own. */
import * as z from 'zod';
import { flag, list, number, text } from '../openapi/parts.ts';
import { batch, record } from './messages.ts';

const { log, boot, inventory, first, last, clock, filtered, every, as } = batch.shape;

const labels = {
  ...{ bver: z.literal(26).describe('a unit is one of RFC 9100').optional() },
  bn: text('`<gateway>/<device>/`; it holds until the next one').optional(),
  bt: number('the time of a record in seconds, negative when it is relative to now').optional(),
  n: text('the point, or `<point>/bad` and `<point>/uncertain` with a reason as `vs`'),
  ...{ seq: record.shape.seq.optional(), log: log.optional(), boot: boot.optional(), inventory: inventory.optional() },
  ...{ first: first.optional(), last: last.optional(), clock, filtered, every, as },
};
const u = text('the unit').optional();

export const senmlPack = list(
  z.union([
    z.strictObject({ ...labels, u, v: number('a number') }),
    z.strictObject({ ...labels, u, vs: text('a text, a reason, or a 64-bit integer') }),
    z.strictObject({ ...labels, vb: flag('a bool') }),
  ]),
  'readings in the order of the numbers of their records; the first one has the marks of the pack',
);
