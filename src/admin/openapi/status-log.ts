/** The schema of the log in the status. */
import * as z from 'zod';
import type { SalvageStatus } from '../../reports/salvage.ts';
import type { LogMemory, LogStatus } from '../log-status.ts';
import { count, list, moment, number, shape, text } from './parts.ts';

const bounded = (is: string) => shape<LogMemory['pending']>({ bytes: count('bytes'), limit: count('the limit') }).describe(is);

const salvage = shape<SalvageStatus>({
  time: moment('when it was'),
  file: text('the file'),
  why: text('what was wrong with it'),
  quarantine: z.string().nullable().describe('where the damaged file lies'),
  records: count('records that came back'),
  notices: count('alarms and events that came back'),
  lostRecords: count('records that are lost'),
  gaps: count('ranges of numbers of which nothing is left'),
  unread: count('pages and long rows that the bounds of the salvage left in the damaged file'),
  running: text('how far it is; absent when it is over').optional(),
});

export const log = shape<LogStatus>({
  id: text('the id of the log'),
  records: count('records, alarms and events that are kept'),
  oldestUnsent: moment('time of the oldest record that a forwarder has not delivered').nullable(),
  bytes: count('bytes of all files of the log'),
  maxBytes: count('`buffer.maxSize`'),
  room: count(
    'what the log may take now, because others fill the disk and `buffer.minFree` stays free; absent: all of it',
  ).optional(),
  pending: count('readings that wait for the next commit'),
  lastCommit: moment('the last commit').nullable(),
  commits: count('commits since the start'),
  appended: count('readings since the start'),
  unreported: count('readings that `report:` left out'),
  dropped: count('readings that went before a forwarder had them'),
  thinned: count('readings that were thinned out'),
  removed: count('readings that were dropped for room'),
  aged: count('readings that were too old'),
  writeFaults: count('how often the log could not be written'),
  writeFaultTime: number('for how long altogether, ms'),
  memory: shape<LogMemory>({
    pending: bounded('what the disk does not have yet'),
    tail: bounded('the runtime directory'),
    live: bounded('the newest records'),
    unanswered: count('bytes of batches without an answer'),
    questions: shape<LogMemory['questions']>({ asked: count('questions'), limit: count('the limit') }).describe(
      'questions that wait',
    ),
  }).describe('what of the log is in memory'),
  faults: list(z.string(), 'what is wrong, in words'),
  salvage: list(salvage, 'files that were damaged or not the newest'),
  salvages: count('how often a file was repaired'),
  salvagedRecords: count('records that came back'),
  lostRecords: count('records that are lost'),
  refusedFolders: list(z.string(), 'folders that are not used for the newest readings'),
});
