/** The salvager thread: finds what is left of a damaged log.db while the gateway runs on a new one. Started once, ends by itself. */
import { parentPort, workerData } from 'node:worker_threads';
import { toError } from '../../core/errors.ts';
import { codeOf, diskFault } from '../files/sqlite-errors.ts';
import { findLeft } from '../recovery/open-log.ts';
import { standBehind } from './behind.ts';
import type { SalvagerData, SalvagerReply } from './messages.ts';

standBehind();
const port = parentPort;
if (port === null) throw new Error('salvager.ts is a thread');
const reply = (message: SalvagerReply): void => port.postMessage(message);
const { file, task, within, leaving } = workerData as SalvagerData;
/** Between two reports. */
const TELL_EVERY = 500;

const isLeaving = (): boolean => Atomics.load(leaving, 0) !== 0;
const until = performance.now() + within;
let reportedAt = Number.NEGATIVE_INFINITY;
try {
  const salvaged = findLeft(
    file,
    task,
    {
      until: () => isLeaving() || performance.now() > until,
      progress: (done, of) => {
        if (performance.now() - reportedAt < TELL_EVERY) return;
        reportedAt = performance.now();
        reply({ kind: 'progress', done, of });
      },
    },
    isLeaving,
  );
  if (salvaged !== undefined) reply({ kind: 'found', salvaged });
} catch (thrown) {
  reply({ kind: 'failed', error: toError(thrown).message, code: diskFault(thrown) ?? codeOf(thrown) });
}
