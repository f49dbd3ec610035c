/** Routes of commands. The command port decides who may, and reports what was done. */
import * as z from 'zod';
import { flag, keys, text, whole } from './fields.ts';
import { jsonRoute, type Route } from './route.ts';

const VALUE_WORDS = 'a number, true, false or a text';
const FOR_WORDS = 'milliseconds, or null to end the shelving';

export const COMMANDS: readonly Route[] = [
  jsonRoute({
    ...{ method: 'POST', path: '/api/v1/read', commands: 'read' },
    body: keys({
      device: text('the name of a device'),
      raw: flag('whether the answer has the frames on the wire').default(false),
    }),
    run: ({ device, raw }, { target, by }) => target.read(device, raw, by),
  }),
  jsonRoute({
    ...{ method: 'POST', path: '/api/v1/write', commands: 'write' },
    body: keys({
      point: text('a point: device.point'),
      value: z.union([z.number(), z.boolean(), z.string().max(250)], { error: VALUE_WORDS }).describe(VALUE_WORDS),
    }),
    run: ({ point, value }, { target, by }) => target.write(point, value, by),
  }),
  jsonRoute({
    ...{ method: 'POST', path: '/api/v1/acknowledge', commands: 'acknowledge' },
    body: keys({ rule: text('the name of a rule'), occurrence: whole('', 1, Number.MAX_SAFE_INTEGER).optional() }),
    run: ({ rule, occurrence }, { target, by }) => target.acknowledge(rule, occurrence, by),
  }),
  jsonRoute({
    ...{ method: 'POST', path: '/api/v1/shelve', commands: 'shelve' },
    body: keys({
      rule: text('the name of a rule'),
      for: z.number({ error: FOR_WORDS }).nullable().describe(FOR_WORDS),
      reason: text('a text: why').optional(),
    }),
    run: ({ rule, for: length, reason }, { target, by }) => target.shelve(rule, length, reason, by),
  }),
  jsonRoute({
    ...{ method: 'POST', path: '/api/v1/reload', commands: 'reload', body: keys({}) },
    run: (_, { target, by }) => target.reload(by),
  }),
];
