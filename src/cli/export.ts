/** `sluice export`: reads the log's file, of a running or a stopped gateway, in slices; it disturbs nothing. */
import { existsSync } from 'node:fs';
import path from 'node:path';
import { text } from '../admin/client.ts';
import { SluiceError } from '../core/errors.ts';
import { parseDuration } from '../core/units.ts';
import { LOG_FILE } from '../store/layout.ts';
import { CSV_HEADER } from '../store/messages.ts';
import { LogReader } from '../store/reading.ts';
import { validConfig } from './config-file.ts';

export async function exportLog(options: { config: string; from?: string; to?: string; format: 'csv' | 'jsonl' }): Promise<void> {
  const now = Date.now();
  const from = timeOf(options.from, now, 0);
  const to = timeOf(options.to, now, Number.MAX_SAFE_INTEGER);
  const { config } = validConfig(options.config, { readSecrets: false });
  const file = path.join(config.gateway.stateDir, LOG_FILE);
  const socket = path.join(config.gateway.stateDir, 'sluice.sock');
  if (await fromGateway(socket, { from, to, format: options.format })) return;
  if (!existsSync(file))
    throw new SluiceError('not-found', `there is no log at ${file}: has the gateway run with this configuration?`);
  const reader = new LogReader(file);
  try {
    if (options.format === 'csv') await write(CSV_HEADER);
    for (let after: number | undefined = 0; after !== undefined; ) {
      const slice = reader.export({ id: 0, after, from, to, format: options.format });
      await write(slice.text);
      for (const { first, last, readings } of reader.takeDamaged()) {
        process.stderr.write(`sluice: records ${first} to ${last} (${readings} readings) are damaged and left out\n`);
        process.exitCode = 1;
      }
      after = slice.next;
    }
  } finally {
    reader.close();
  }
}

/** A running gateway answers with what is in its memory as well. @returns false when none runs */
async function fromGateway(socket: string, query: { from: number; to: number; format: string }): Promise<boolean> {
  if (!existsSync(socket)) return false;
  const times = { from: new Date(query.from).toISOString(), to: new Date(Math.min(query.to, 8.64e15)).toISOString() };
  let answered = false;
  try {
    for await (const piece of text(socket, `/api/v1/export?${new URLSearchParams({ ...times, format: query.format })}`)) {
      answered = true;
      await write(piece);
    }
    return true;
  } catch (thrown) {
    // The socket of a gateway that was killed: its file is read. Half an answer is a fault.
    if (thrown instanceof SluiceError && thrown.code === 'not-running' && !answered) return false;
    throw thrown;
  }
}

function timeOf(text: string | undefined, now: number, otherwise: number): number {
  if (text === undefined) return otherwise;
  const ago = parseDuration(text);
  if (ago !== undefined) return now - ago;
  const time = Date.parse(text);
  if (Number.isNaN(time))
    throw new SluiceError('usage', `"${text}" is no time: write 2026-11-25T10:00:00Z, or a duration before now such as 24h`);
  return time;
}

/** Waits while whoever reads the output is slower. A reader that went away (head) ends it quietly. */
function write(text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    process.stdout.write(text, (error) => {
      if (error === null || error === undefined) resolve();
      else if ('code' in error && error.code === 'EPIPE') process.exit(0);
      else reject(error);
    });
  });
}
