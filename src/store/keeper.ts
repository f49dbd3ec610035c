/** The keeper thread: reads the log, started when somebody asks, one bounded answer at a time. */
import { parentPort, workerData } from 'node:worker_threads';
import { toError } from '../core/errors.ts';
import { codeOf } from './log-file.ts';
import type { KeeperMessage, KeeperReply } from './messages.ts';
import { LogReader } from './reading.ts';

const port = parentPort;
if (port === null) throw new Error('keeper.ts is a thread');
const reader = new LogReader((workerData as { file: string }).file);

port.on('message', (message: KeeperMessage) => {
  if (message.kind === 'leave') {
    reader.close();
    port.close();
    return;
  }
  let reply: KeeperReply;
  try {
    if (message.kind === 'read') reply = { kind: 'read', result: reader.read(message.request) };
    else if (message.kind === 'notices') reply = { kind: 'notices', result: reader.notices(message.request) };
    else reply = { kind: 'export', result: reader.export(message.request) };
  } catch (thrown) {
    reply = { kind: 'failed', failure: { id: message.request.id, error: toError(thrown).message, code: codeOf(thrown) } };
  }
  const blocks = reader.takeDamaged();
  if (blocks.length > 0) port.postMessage({ kind: 'damaged', blocks } satisfies KeeperReply);
  port.postMessage(reply);
});
