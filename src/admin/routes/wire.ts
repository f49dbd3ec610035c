/** Routes for a person at the wire: requests by hand, and frames as they pass. */
import * as z from 'zod';
import { TABLES } from '../../codecs/modbus-point.ts';
import { LINES_TYPE } from '../respond.ts';
import { flag, keys, text, whole } from './fields.ts';
import { jsonRoute, type Route, writingRoute } from './route.ts';

const KIND_WORDS = '"read" or "identify": nothing else can be asked for by hand';
const TABLE_WORDS = `one of ${TABLES.join(', ')}`;
const LONGEST_TIMEOUT = 60_000;

const request = z
  .discriminatedUnion(
    'kind',
    [
      keys({
        kind: z.literal('read'),
        table: z.enum(TABLES, { error: TABLE_WORDS }).describe(TABLE_WORDS),
        start: whole('the first address, ', 0, 65_535),
        count: whole('how many, ', 1, 2000),
      }),
      keys({
        kind: z.literal('identify'),
        code: z.literal([1, 2, 3, 4], { error: 'a whole number from 1 to 4' }),
        object: whole('the first object, ', 0, 255),
      }),
    ],
    { error: (issue) => (typeof issue.input === 'object' && issue.input !== null ? KIND_WORDS : 'a request') },
  )
  .describe('what is asked');

export const WIRE: readonly Route[] = [
  jsonRoute({
    ...{ method: 'POST', path: '/api/v1/exchange', commands: 'exchange', answer: 'Exchange' },
    says: 'Sends one Modbus request by hand, between the polls. Only requests that read are possible.',
    example: { bus: 'field', unit: 1, request: { kind: 'read', table: 'holding', start: 0, count: 2 } },
    body: keys({
      bus: text('the name of a bus'),
      unit: whole('', 0, 255),
      request,
      timeout: whole('milliseconds, ', 10, LONGEST_TIMEOUT).optional(),
      quiet: flag('whether a failure is not counted for a device').default(false),
    }),
    run: (query, { target, by }) => target.wire.exchange(query, by),
  }),
  writingRoute({
    ...{ method: 'POST', path: '/api/v1/capture', commands: 'capture', answers: { types: [LINES_TYPE], schema: 'CaptureLine' } },
    says: 'The frames of a bus as they pass, one JSON object a line, after a first line about the bus. The answer has no end.',
    example: { bus: 'field' },
    body: keys({ bus: text('the name of a bus') }),
    run: ({ bus }, { target, by, long, ...reader }) =>
      long.capture(reader, (frame, ended) => target.wire.capture(bus, frame, ended, by)),
  }),
];
