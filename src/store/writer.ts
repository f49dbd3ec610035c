/** The writer thread: owns the log's file. One message at a time, in order; a commit that fails hands its entries back. */
import { parentPort, workerData } from 'node:worker_threads';
import { toError } from '../core/errors.ts';
import type { Shape } from '../core/point.ts';
import { LogDatabase } from './database.ts';
import { codeOf, isDamage, openAnew, openLogFile } from './log-file.ts';
import type { CommitRequest, Opened, WriterData, WriterMessage, WriterReply } from './messages.ts';
import { beginRun } from './recover.ts';

const port = parentPort;
if (port === null) throw new Error('writer.ts is a thread');
const reply = (message: WriterReply, transfer: ArrayBuffer[] = []): void => port.postMessage(message, transfer);
const { request, leaving } = workerData as WriterData;
const isLeaving = (): boolean => Atomics.load(leaving, 0) !== 0;
const shapes = new Map<number, Shape>();

let database: LogDatabase | undefined;
try {
  database = new LogDatabase(openLogFile(request.file));
  let opened: Opened;
  try {
    opened = beginRun(database, request);
  } catch (thrown) {
    if (!isDamage(thrown)) throw thrown;
    database.db.close();
    database = new LogDatabase(openAnew(request.file));
    opened = beginRun(database, request);
  }
  reply({ kind: 'opened', opened });
} catch (thrown) {
  reply({ kind: 'failed', failure: { id: 0, error: toError(thrown).message, code: codeOf(thrown) } });
}

port.on('message', (message: WriterMessage) => {
  if (message.kind === 'leave') {
    port.close();
    return;
  }
  if (database === undefined || isLeaving()) return;
  if (message.kind === 'commit') commit(database, message.request);
  else {
    try {
      // Numbers that were never used need not be skipped after a clean stop.
      const log = database.logs().at(-1);
      if (log !== undefined) database.setLease(log.ordinal, message.next);
    } catch {
      // The lease stays where it was: numbers are skipped, none is used twice.
    }
    database.db.close();
    reply({ kind: 'closed' });
    port.close();
  }
});

function commit(db: LogDatabase, message: CommitRequest): void {
  try {
    reply({ kind: 'committed', result: db.commit(message, shapes, isLeaving) });
  } catch (thrown) {
    const { chunks } = message;
    reply(
      { kind: 'failed', failure: { id: message.id, error: toError(thrown).message, code: codeOf(thrown), chunks } },
      chunks.map((c) => c.entries.buffer),
    );
  }
}
