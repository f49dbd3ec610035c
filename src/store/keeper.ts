/**
 * The keeper thread: reads the log for everybody, and makes the units of history.db. Started when somebody asks; one
 * bounded answer at a time, and between two steps of tidying whoever waits is answered first.
 */
import { setImmediate } from 'node:timers/promises';
import { parentPort, workerData } from 'node:worker_threads';
import { toError } from '../core/errors.ts';
import { tryHistory } from './history-file.ts';
import { codeOf } from './log-file.ts';
import type { DamagedBlock, KeeperMessage, KeeperReply, TidyRequest } from './messages.ts';
import { LogReader } from './reading.ts';
import { Tidier } from './tidy.ts';

const port = parentPort;
if (port === null) throw new Error('keeper.ts is a thread');
const reply = (message: KeeperReply): void => port.postMessage(message);
const { file, historyFile } = workerData as { file: string; historyFile: string };
const reader = new LogReader(file);
reader.history = tryHistory(historyFile).history;
const tellDamaged = (blocks: DamagedBlock[]): void => {
  if (blocks.length > 0) reply({ kind: 'damaged', blocks });
};
const tidier = new Tidier(historyFile, reader, tellDamaged);
let leaving = false;
let tidying = false;

function leave(): void {
  reader.close();
  port?.close();
}

async function tidy(request: TidyRequest): Promise<void> {
  tidying = true;
  try {
    const steps = tidier.run(request);
    for (;;) {
      const step = steps.next();
      if (step.done === true) {
        reply({ kind: 'tidy', result: step.value });
        break;
      }
      await setImmediate();
      if (leaving) break;
    }
  } catch (thrown) {
    reply({ kind: 'failed', failure: { id: request.id, error: toError(thrown).message, code: codeOf(thrown) } });
  }
  tidying = false;
  if (leaving) leave();
}

port.on('message', (message: KeeperMessage) => {
  if (message.kind === 'leave') {
    leaving = true;
    if (!tidying) leave();
    return;
  }
  if (message.kind === 'tidy') {
    void tidy(message.request);
    return;
  }
  let answer: KeeperReply;
  try {
    if (message.kind === 'read') answer = { kind: 'read', result: reader.read(message.request) };
    else if (message.kind === 'notices') answer = { kind: 'notices', result: reader.notices(message.request) };
    else answer = { kind: 'export', result: reader.export(message.request) };
  } catch (thrown) {
    answer = { kind: 'failed', failure: { id: message.request.id, error: toError(thrown).message, code: codeOf(thrown) } };
  }
  tellDamaged(reader.takeDamaged());
  reply(answer);
});
