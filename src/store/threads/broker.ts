/**
 * The thread of broker.db. One message at a time, in order. What is not committed yet lies in the tail in the runtime
 * directory, so that a kill of the process loses nothing and the card is not written for it.
 */
import { closeSync, ftruncateSync, writeSync } from 'node:fs';
import path from 'node:path';
import { parentPort, workerData } from 'node:worker_threads';
import { type BrokerChange, rowName } from '../../core/broker-store.ts';
import type { BrokerDatabase } from '../broker/database.ts';
import { MAX_TAIL, tailLine } from '../broker/layout.ts';
import { openBrokerFile, openTail, readTail } from '../broker/open.ts';
import { spaceFault } from '../files/free-space.ts';
import { messageOf } from '../files/sqlite-errors.ts';
import { standBehind } from './behind.ts';
import type { BrokerData, BrokerMessage, BrokerReply } from './broker-messages.ts';

standBehind();
const port = parentPort;
if (port === null) throw new Error('broker.ts is a thread');
const reply = (message: BrokerReply): void => port.postMessage(message);
const { file, runtimeDir, tail } = workerData as BrokerData;
/** Changes that no commit has, the last one of each row. */
const pending = new Map<string, BrokerChange>();
let database: BrokerDatabase | undefined;
let tailFile: number | undefined;
let tailBytes = 0;
/** Names of the rows in it. */
const mirrored = new Set<string>();

start();

port.on('message', (message: BrokerMessage) => {
  if (message.kind === 'changes') {
    for (const change of message.changes) note(change);
    if (message.commit) mirrorAgain(message.changes);
    if (message.commit || !mirror(message.changes)) commit(message.id, false);
    else reply({ kind: 'noted', id: message.id });
  } else if (message.kind === 'whole') {
    pending.clear();
    for (const change of message.changes) note(change);
    commit(message.id, true);
  } else {
    if (pending.size > 0) commit(0, false);
    if (tailFile !== undefined) closeSync(tailFile);
    try {
      database?.close();
    } catch {
      // The write-ahead file stays, and the next start reads it.
    }
    port.close();
  }
});

function start(): void {
  const opened = openBrokerFile(file, runtimeDir);
  ({ database } = opened);
  for (const row of opened.rows) note(row);
  const left = readTail(tail);
  for (const change of left) note(change);
  const rows = [...pending.values()].filter(({ gone }) => !gone);
  let { fault } = opened;
  try {
    if (left.length > 0) database?.commit(left);
    pending.clear();
    // Without a database nothing took it: the tail stays for the next start.
    if (database !== undefined || left.length === 0) emptyTail();
  } catch (thrown) {
    fault ??= messageOf(thrown);
    lose();
  }
  reply({ kind: 'opened', rows, repair: opened.repair, fault, bytes: database?.bytes ?? 0 });
}

/** Behind what came before: a row and what it names keep their order. */
function note(change: BrokerChange): void {
  const name = rowName(change);
  pending.delete(name);
  pending.set(name, change);
}

/** @returns false where they have to be committed instead */
function mirror(changes: readonly BrokerChange[]): boolean {
  if (database === undefined) return false;
  if (tailFile === undefined) return tail === undefined;
  const lines = changes.map(tailLine).join('');
  if (tailBytes + lines.length > MAX_TAIL) return false;
  try {
    writeSync(tailFile, lines);
  } catch {
    return false;
  }
  tailBytes += lines.length;
  for (const change of changes) mirrored.add(rowName(change));
  return true;
}

/** A kill between a commit and the end of the tail makes the next start read both: the tail must not bring back what is older. */
function mirrorAgain(changes: readonly BrokerChange[]): void {
  const older = changes.filter((change) => mirrored.has(rowName(change)));
  if (older.length > 0 && !mirror(older)) emptyTail();
}

function commit(id: number, anew: boolean): void {
  try {
    let repair: ReturnType<typeof openBrokerFile>['repair'];
    if (database === undefined) {
      const opened = openBrokerFile(file, runtimeDir);
      ({ database, repair } = opened);
      if (database === undefined) throw new Error(opened.fault);
    }
    if (pending.size > 0 || anew) database.commit(pending.values(), anew);
    pending.clear();
    emptyTail();
    reply({ kind: 'committed', id, bytes: database.bytes, repair });
  } catch (thrown) {
    const space = spaceFault(thrown, path.dirname(file));
    lose();
    reply({ kind: 'failed', id, fault: messageOf(thrown) + (space === undefined ? '' : `. ${space}`) });
    return;
  }
  database.tend();
}

/** The main thread gives everything anew, some time later. The tail stays for the next start. */
function lose(): void {
  pending.clear();
  try {
    database?.close();
  } catch {
    // Removed or replaced.
  }
  database = undefined;
}

function emptyTail(): void {
  if (tail === undefined) return;
  tailBytes = 0;
  mirrored.clear();
  try {
    if (tailFile === undefined) tailFile = openTail(tail);
    else ftruncateSync(tailFile);
  } catch {
    tailFile = undefined;
  }
}
