/** What people read of a salvage: `sluice status`, the lines of the log and the event `salvage`, while it goes on and afterwards. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { stripVTControlCharacters } from 'node:util';
import { salvageLines } from '../../../src/cli/status-details.ts';
import { type Logger, silentLogger } from '../../../src/core/logger.ts';
import type { GatewayEvent } from '../../../src/core/ports.ts';
import { SalvageReport } from '../../../src/reports/salvage.ts';
import type { Repair, Salvaged } from '../../../src/store/files/repair-report.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';

const salvaged: Salvaged = {
  ...{ blocks: 4, records: 120, readings: 360, notices: 3 },
  ...{ lost: { blocks: 0, records: 0, readings: 0, ranges: [] }, gaps: [], moreGaps: 0, again: [] },
};
const repair = (file: Repair['file'], over: Partial<Repair> = {}): Repair => ({
  ...{ file, why: 'a page is noise', quarantine: `/var/lib/sluice/${file}.damaged`, salvaged, ended: [] },
  ...over,
});

function made() {
  const clock = new ManualClock();
  const events: GatewayEvent[] = [];
  const lines: string[] = [];
  const logger: Logger = {
    ...silentLogger,
    info: (_: object, text: string) => lines.push(text),
    error: (_: object, text: string) => lines.push(text),
  } as Logger;
  const report = new SalvageReport(clock, logger, (event) => events.push(event));
  const status = () => report.status(0).flatMap(salvageLines).map(stripVTControlCharacters);
  return { clock, events, lines, report, status };
}

test('log.db: status says how far a salvage is, the log says it once in 30 s', async () => {
  const { clock, events, lines, report, status } = made();
  report.began('a page is noise');
  assert.deepEqual(status(), [
    'salvage  log.db: a page is noise',
    '         the rest of it is being restored: 0 % of the old file read',
  ]);
  report.progressed({ file: 'log.db', why: 'a page is noise', phase: 'find', done: 51, of: 200 });
  assert.equal(status()[1], '         the rest of it is being restored: 25 % of the old file read');
  await clock.advance(30_000);
  report.progressed({ file: 'log.db', why: 'a page is noise', phase: 'bring back', done: 3, of: 4 });
  assert.equal(status()[1], '         the rest of it is being restored: 75 % of what was found is back');
  assert.deepEqual(lines, [
    'log.db was damaged or not the newest: a page is noise. The gateway runs on a new log and restores the rest of the old one in that time.',
    'The rest of log.db is being restored: 75 % of what was found is back.',
  ]);
  assert.deepEqual(
    events.map((e) => [e.event, e.severity, e.message, e.data]),
    [['salvage', 'warning', lines[0], { file: 'log.db', why: 'a page is noise', running: true }]],
  );
});

test('what a bound left in the damaged file is in the event and in status', () => {
  const { events, report, status } = made();
  report.began('a page is noise');
  report.ended('a page is noise', undefined);
  report.repaired(repair('log.db', { salvaged: { ...salvaged, unread: { pages: 700, rows: 2 } } }));
  const { message, data } = events.at(-1) as GatewayEvent;
  assert.equal(
    message,
    'log.db was damaged or not the newest: a page is noise. 120 records and 3 alarms and events came back. 700 pages and 2 long rows of it were not read, because a salvage is bounded. Copy /var/lib/sluice/log.db.damaged to another disk if you need them. The old file is in /var/lib/sluice/log.db.damaged.',
  );
  assert.deepEqual([data?.unreadPages, data?.unreadRows], [700, 2]);
  assert.match(status()[1] as string, /came back, 702 pages and long rows were not read; the old file/);
});

test('log.db: the end of a salvage is an event, and status says what came back', () => {
  const { events, report, status } = made();
  report.began('a page is noise');
  report.ended('a page is noise', undefined);
  report.repaired(repair('log.db'));
  assert.equal(
    events[1]?.message,
    'log.db was damaged or not the newest: a page is noise. 120 records and 3 alarms and events came back. The old file is in /var/lib/sluice/log.db.damaged.',
  );
  assert.equal(events.length, 2, 'nothing is lost');
  assert.deepEqual(status().slice(1), [
    '         120 records, 3 alarms and events came back; the old file: /var/lib/sluice/log.db.damaged',
  ]);
});

test('log.db: a salvage that a disk stops is an event that says what comes next', () => {
  const { events, report, status } = made();
  report.began('a page is noise');
  report.ended('a page is noise', 'EIO');
  assert.equal(
    events[1]?.message,
    'The rest of log.db could not be restored now: EIO. It is kept, and the next start tries again.',
  );
  assert.deepEqual(status(), []);
});

test('history.db: status says how far its salvage is, beside that of log.db', () => {
  const { events, lines, report, status } = made();
  report.began('a page is noise');
  report.progressed({ file: 'history.db', why: 'hours of history are missing', phase: 'find', done: 1, of: 10 });
  report.progressed({ file: 'history.db', why: 'hours of history are missing', phase: 'find', done: 4, of: 10 });
  assert.deepEqual(status().slice(2), [
    'salvage  history.db: hours of history are missing',
    '         the rest of it is being restored: 40 % of the old file read',
  ]);
  assert.equal(
    lines[1],
    'history.db was damaged: hours of history are missing. The gateway runs on, and the rest of it is being restored.',
  );
  report.repaired(repair('history.db', { why: 'hours of history are missing' }));
  assert.equal(status().filter((line) => line.startsWith('salvage  history.db:')).length, 0);
  assert.equal(status().filter((line) => line.startsWith('salvage  history.db at ')).length, 1);
  assert.equal(events.filter((e) => e.data?.file === 'history.db').length, 1);
});

test('records that move into a log of their own have an event that names both logs', () => {
  const { events, report } = made();
  const again = [
    { oldLog: '0123456789', newLog: 's123456789', first: 7, last: 90, records: 80, notices: 0 },
    { oldLog: '', newLog: 's223456789', first: 1, last: 2, records: 2, notices: 0 },
  ];
  report.repaired(repair('history.db', { salvaged: { ...salvaged, again } }));
  assert.deepEqual(
    events.slice(1).map((e) => e.message),
    [
      '7 to 90 of the log 0123456789 are delivered as log s123456789 and may come twice. The topic that they used before is not known any more.',
      '1 to 2 of the log (its name is gone) are delivered as log s223456789 and may come twice. The topic that they used before is not known any more.',
    ],
  );
});
