/**
 * How far the peer of a connection is. A socket's buffer takes megabytes and says nothing until a third of them has gone; this shows
 * the progress of a slow reader much earlier. What the kernel is asked for directly needs a package of 7 MB: it is loaded when a peer
 * lags for the first time. Before that, and where it is missing, the table of connections says how much waits. Of the table only the
 * first MOST_READ bytes are read: clients that come and go leave 100,000 rows, and reading them all takes a quarter of a second.
 */
import { closeSync, openSync, readSync } from 'node:fs';
import type { Socket } from 'node:net';
import { type AskStanding, kernelStanding, type Standing } from '../../access/doors/standing.ts';

/** Bytes of a table that are read: 400 connections. */
const MOST_READ = 64 * 1024;
/** A peer with so many bytes unacknowledged lags. */
const LAGS = 64 * 1024;
let ask: AskStanding | undefined;
let asked = false;

/** @returns undefined where the system does not say */
export function standingOf(socket: Socket): Standing | undefined {
  const known = ask?.(socket);
  if (known !== undefined) return known;
  const waiting = unacknowledgedBytes(socket);
  if ((waiting === undefined || waiting >= LAGS) && !asked) {
    asked = true;
    void kernelStanding().then((found) => {
      ask = found;
    });
  }
  return waiting === undefined ? undefined : { waiting };
}

const TABLES = ['/proc/net/tcp', '/proc/net/tcp6'];
/** Columns of a row: `sl local_address rem_address st tx_queue:rx_queue …`. */
const [LOCAL, REMOTE, QUEUES] = [1, 2, 4];

/** @returns undefined where the system does not say, or the connection is not among the first */
export function unacknowledgedBytes(
  { localPort, remotePort }: Pick<Socket, 'localPort' | 'remotePort'>,
  tables: readonly string[] = TABLES,
): number | undefined {
  if (localPort === undefined || remotePort === undefined) return undefined;
  const ends = [localPort, remotePort].map((port) => `:${port.toString(16).toUpperCase().padStart(4, '0')}`);
  for (const table of tables) {
    for (const line of textOf(table).split('\n')) {
      const columns = line.trim().split(/\s+/);
      if (!columns[LOCAL]?.endsWith(ends[0] as string) || !columns[REMOTE]?.endsWith(ends[1] as string)) continue;
      const bytes = Number.parseInt(columns[QUEUES] ?? '', 16);
      if (Number.isSafeInteger(bytes)) return bytes;
    }
  }
  return undefined;
}

/** It lies in memory: reading it waits for nothing. */
function textOf(table: string): string {
  let file: number | undefined;
  try {
    file = openSync(table, 'r');
    const bytes = Buffer.alloc(MOST_READ);
    let read = 0;
    // The kernel gives it in pieces of some kilobytes.
    for (let more = 1; more > 0 && read < MOST_READ; read += more) more = readSync(file, bytes, read, MOST_READ - read, null);
    const text = bytes.toString('latin1', 0, read);
    // The last row may be cut.
    return text.slice(0, text.lastIndexOf('\n') + 1);
  } catch {
    return '';
  } finally {
    if (file !== undefined) closeSync(file);
  }
}
