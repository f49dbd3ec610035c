/** The schema of buses and their devices in the status. */
import type { AnswerStatus, BusStatus, DeviceCounters, DeviceStatus } from '../../core/ports.ts';
import { count, fault, flag, list, number, shape, text, word } from './parts.ts';

const counters = shape<DeviceCounters>({
  requests: count('requests'),
  replies: count('good replies'),
  timeouts: count('requests without a reply in time'),
  exceptions: count('Modbus exceptions'),
  crcErrors: count('replies with a wrong checksum'),
  badReplies: count('replies that do not belong to their request'),
  lateReplies: count('replies after their time-out'),
  skippedBytes: count('bytes that belong to no frame'),
  resyncs: count('how often the gateway looked for the start of a frame').optional(),
  halfFrames: count('frames that did not become whole').optional(),
  missedPolls: count('polls that were left out').optional(),
  repeats: count('messages that repeat an earlier one').optional(),
  leftOut: count('messages without room').optional(),
  latencyLast: number('the newest time from a request to its answer, ms'),
  latencyMax: number('the longest time, ms'),
  latencySum: number('the sum of the times, ms'),
  latencyP95: number('95 of 100 of the newest replies came within this time, ms').optional(),
}).describe('counts since the bus started');

const answer = shape<AnswerStatus>({
  planned: number('the time until a device begins its answer, as its reads are planned, ms'),
  from: word(['configured', 'measured', 'assumed'], 'the source of that time'),
  measured: number('the time as it is now, ms').optional(),
});

const device = shape<DeviceStatus>({
  name: text('the name of the device'),
  state: word(['unknown', 'answering', 'silent'], 'whether it answers'),
  fault: fault(),
  recovery: shape<NonNullable<DeviceStatus['recovery']>>({
    since: number('monotonic time of the first good reply, ms'),
    replies: count('good replies since then'),
  })
    .describe('the end of the last fault, for ten minutes')
    .optional(),
  share: shape<NonNullable<DeviceStatus['share']>>({
    bad: count('bad replies'),
    of: count('replies'),
    kind: word(['damaged', 'wrong', 'missing', 'failed'], 'what is wrong with them'),
  })
    .describe('how many of the newest replies were bad')
    .optional(),
  restsUntil: number('monotonic time until which the device gets no request, ms').optional(),
  lastReply: number('monotonic time of the last good reply, ms').optional(),
  counters,
  answer: answer.optional(),
});

export const bus = shape<BusStatus>({
  name: text('the name of the bus'),
  protocol: text('its protocol'),
  state: word(['closed', 'opening', 'open'], 'whether it is open'),
  fault: fault(),
  devices: list(device, 'its devices'),
  load: shape<NonNullable<BusStatus['load']>>({
    busy: number('the share of the time that the bus was busy, 0 to 1'),
    due: count('polls that were due'),
    missed: count('polls that were left out'),
    overloaded: flag('whether the bus cannot carry its polls'),
  })
    .describe('the load of the last whole half minute')
    .optional(),
  waiting: shape<NonNullable<BusStatus['waiting']>>({ bytes: count('bytes'), limit: count('the limit') })
    .describe('messages of its devices that wait for their turn')
    .optional(),
});
