/** Routes of commands. The command port decides who may, and reports what was done. One id of a caller acts once. */
import * as z from 'zod';
import { LOG } from '../../control/remote/message.ts';
import { LINES_TYPE } from '../respond.ts';
import { asking, flag, keys, moment, pattern, text, whole } from './fields.ts';
import { jsonRoute, type Route, writingRoute } from './route.ts';

const WHY_WORDS = 'a text of 1 to 200 letters: why, for example "door open for defrosting"';
const VALUE_WORDS = 'a number, true, false or a text';
const FOR_WORDS = 'milliseconds, or null to end the shelving';
const OUT_FOR_WORDS = 'milliseconds, up to 90 days; without it until somebody puts it in service';
const LOG_WORDS = 'the id of a log, as in a batch';
const RANGE_WORDS = 'write log, first and last, or from and to';
const MOST_POINTS = 100;
const POINTS_WORDS = `a list of at most ${MOST_POINTS} devices or points`;
const points = z
  .array(text('a device or a point', 129), { error: POINTS_WORDS })
  .min(1, { error: POINTS_WORDS })
  .max(MOST_POINTS, { error: POINTS_WORDS })
  .describe(POINTS_WORDS);
const number = (which: string) => whole(`the ${which} number that is wanted, `, 1, Number.MAX_SAFE_INTEGER);

const resend = keys({
  ...{ log: pattern(LOG_WORDS, LOG).optional(), first: number('first').optional(), last: number('last').optional() },
  ...{ from: moment().optional(), to: moment().optional(), points: points.optional() },
  ...asking,
}).transform(({ log, first, last, from, to, points, ...asking }, ctx) => {
  const no = (message: string) => {
    ctx.addIssue({ code: 'custom', message });
    return z.NEVER;
  };
  const some = [log, first, last].some((one) => one !== undefined);
  if (some && (from !== undefined || to !== undefined)) return no(`${RANGE_WORDS}; not both`);
  if (log !== undefined && first !== undefined && last !== undefined)
    return first <= last ? { asking, command: { do: 'resend', log, first, last, points } as const } : no('first is above last');
  if (some || from === undefined || to === undefined) return no(RANGE_WORDS);
  return from <= to ? { asking, command: { do: 'resend', from, to, points } as const } : no('from is after to');
});

export const COMMANDS: readonly Route[] = [
  jsonRoute({
    ...{ method: 'POST', path: '/api/v1/read', commands: 'read', answer: 'Reading' },
    says: 'Reads a device now, between two polls.',
    example: { device: 'fridge' },
    body: keys({
      device: text('the name of a device'),
      raw: flag('whether the answer has the frames on the wire').default(false),
      ...asking,
    }),
    run: ({ device, raw, ...asking }, { target, by }) => target.read(device, raw, by, asking),
  }),
  jsonRoute({
    ...{ method: 'POST', path: '/api/v1/write', commands: 'write', answer: 'Written' },
    says: 'Writes a point and reads it back. The configuration says which points may be written, and the bounds. Write 64-bit integers as a text.',
    example: { point: 'fridge.setpoint', value: 4.5 },
    body: keys({
      point: text('a point: device.point'),
      value: z.union([z.number(), z.boolean(), z.string().max(250)], { error: VALUE_WORDS }).describe(VALUE_WORDS),
      ...asking,
    }),
    run: ({ point, value, ...asking }, { target, by }) => target.write(point, value, by, asking),
  }),
  jsonRoute({
    ...{ method: 'POST', path: '/api/v1/acknowledge', commands: 'acknowledge', answer: 'Alarm' },
    says: 'Acknowledges an alarm.',
    example: { rule: 'fridge-warm' },
    body: keys({
      rule: text('the name of a rule'),
      occurrence: whole('', 1, Number.MAX_SAFE_INTEGER).optional(),
      ...asking,
    }),
    run: ({ rule, occurrence, ...asking }, { target, by }) => target.acknowledge(rule, occurrence, by, asking),
  }),
  jsonRoute({
    ...{ method: 'POST', path: '/api/v1/shelve', commands: 'shelve', answer: 'Alarm' },
    says: 'Shelves an alarm, or ends its shelving. A shelved alarm reports nothing.',
    example: { rule: 'fridge-warm', for: 3_600_000, reason: 'defrosting' },
    body: keys({
      rule: text('the name of a rule'),
      for: z.number({ error: FOR_WORDS }).nullable().describe(FOR_WORDS),
      reason: text(WHY_WORDS).optional(),
      ...asking,
    }),
    run: ({ rule, for: length, reason, ...asking }, { target, by }) => target.shelve(rule, length, reason, by, asking),
  }),
  jsonRoute({
    ...{ method: 'POST', path: '/api/v1/reset', commands: 'reset', answer: 'Alarm' },
    says: 'Resets a latched alarm whose condition is over.',
    example: { rule: 'fridge-warm' },
    body: keys({
      rule: text('the name of a rule'),
      occurrence: whole('', 1, Number.MAX_SAFE_INTEGER).optional(),
      ...asking,
    }),
    run: ({ rule, occurrence, ...asking }, { target, by }) => target.alarm({ do: 'reset', rule, occurrence }, by, asking),
  }),
  jsonRoute({
    ...{ method: 'POST', path: '/api/v1/out-of-service', commands: 'out-of-service', answer: 'Alarm' },
    says: 'Takes an alarm out of service. It reports nothing until it is put in service again, or until its time is over, also after a restart.',
    example: { rule: 'fridge-warm', reason: 'the sensor is being replaced', for: 28_800_000 },
    body: keys({
      rule: text('the name of a rule'),
      reason: text(WHY_WORDS),
      for: z.number({ error: OUT_FOR_WORDS }).describe(OUT_FOR_WORDS).optional(),
      ...asking,
    }),
    run: ({ rule, reason, for: length, ...asking }, { target, by }) =>
      target.alarm({ do: 'out-of-service', rule, reason, ...(length !== undefined && { for: length }) }, by, asking),
  }),
  jsonRoute({
    ...{ method: 'POST', path: '/api/v1/in-service', commands: 'in-service', answer: 'Alarm' },
    says: 'Puts an alarm in service again.',
    example: { rule: 'fridge-warm' },
    body: keys({ rule: text('the name of a rule'), ...asking }),
    run: ({ rule, ...asking }, { target, by }) => target.alarm({ do: 'in-service', rule }, by, asking),
  }),
  jsonRoute({
    ...{ method: 'POST', path: '/api/v1/reload', commands: 'reload', body: keys(asking), answer: 'Reload' },
    says: 'Reads the configuration file again and puts it in force. A bad file changes nothing.',
    example: {},
    run: (asking, { target, by }) => target.reload(by, asking),
  }),
  writingRoute({
    ...{
      method: 'POST',
      path: '/api/v1/resend',
      commands: 'resend',
      answers: { types: [LINES_TYPE], schema: 'ResendLine' },
      body: resend,
    },
    says: 'Sends records again, by the numbers of a log or by time: one message a line, as fast as the caller reads. The last line has the type `end`.',
    example: { from: 1_795_600_000_000, to: 1_795_600_060_000 },
    run: ({ command, asking }, { target, by, long, ...reader }) =>
      long.lines(reader, (line) => target.resend(command, by, asking, line)),
  }),
];
