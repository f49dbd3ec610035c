/**
 * The keeper thread: reads the log for everybody, and packs the hours of history.db. Started at the first request; one
 * bounded answer at a time; tidying, queries and exports go in steps, and between two of them it answers others.
 */
import { setImmediate } from 'node:timers/promises';
import { parentPort, workerData } from 'node:worker_threads';
import { toError } from '../../core/errors.ts';
import { Tidier } from '../archive/tidy.ts';
import type { ReadResult } from '../delivery/backlog-request.ts';
import type { DamagedBlock } from '../files/repair-report.ts';
import { codeOf } from '../files/sqlite-errors.ts';
import { Agreement } from '../hot/agreement.ts';
import { Decoder } from '../read/decoder.ts';
import { exportSlice } from '../read/export.ts';
import { newest } from '../read/newest.ts';
import { queryPoint } from '../read/query.ts';
import { LogReader } from '../read/reading.ts';
import { removedPoints } from '../read/removed.ts';
import { waitingReadings } from '../read/waiting.ts';
import { readWindows } from '../read/windows.ts';
import { HistoryMender } from '../recovery/mend-history.ts';
import { standBehind } from './behind.ts';
import { type KeeperData, type KeeperMessage, type KeeperReply, REPAIRED } from './messages.ts';

standBehind();
const port = parentPort;
if (port === null) throw new Error('keeper.ts is a thread');
const reply = (message: KeeperReply, transfer: ArrayBuffer[] = []): void => port.postMessage(message, transfer);
const { file, historyFile, agreement, mendWithin } = workerData as KeeperData;
const blocks = new Agreement(agreement);
const reader = new LogReader(file);
const mender = new HistoryMender(
  historyFile,
  reader,
  (repair, kept) => {
    blocks.forget();
    reply({ kind: 'repaired', repair, kept });
  },
  (progress) => reply({ kind: 'mending', progress }),
  () => blocks.onDisk(),
  mendWithin,
);
mender.open();
const tellDamaged = (blocks: DamagedBlock[]): void => {
  if (blocks.length > 0) reply({ kind: 'damaged', blocks });
};
const tidier = new Tidier(historyFile, reader, blocks, tellDamaged);
const decoder = new Decoder((block) => tellDamaged([block]));
/** The bytes of payloads change hands instead of being copied once more. A view of something larger is copied first. */
function transferable(result: ReadResult): { result: ReadResult; transfer: ArrayBuffer[] } {
  const { batch } = result;
  if (batch === undefined) return { result, transfer: [] };
  // Two messages may share their memory, which changes hands once.
  const transfer = new Set<ArrayBuffer>();
  const messages = batch.messages.map(({ to, payload }) => {
    if (typeof payload === 'string') return { to, payload };
    const { buffer, byteLength } = payload;
    const whole = buffer instanceof ArrayBuffer && byteLength === buffer.byteLength && !transfer.has(buffer);
    const bytes = whole ? new Uint8Array(buffer) : new Uint8Array(payload);
    transfer.add(bytes.buffer as ArrayBuffer);
    return { to, payload: bytes };
  });
  return { result: { ...result, batch: { ...batch, messages } }, transfer: [...transfer] };
}

let leaving = false;
/** Answers that are being made in steps. */
let underWay = 0;

function leave(): void {
  reader.close();
  port?.close();
}

/** Where history.db was mended the same may be asked again. */
function failed(id: number, thrown: unknown): KeeperReply {
  const code = mender.met(thrown) ? REPAIRED : codeOf(thrown);
  return { kind: 'failed', failure: { id, error: toError(thrown).message, code } };
}

/** Between two signs of long answers, milliseconds. A check of history.db or ten years of a chart take minutes on a slow card. */
const SIGN_EVERY = 5000;
let signedAt = Number.NEGATIVE_INFINITY;
function sign(): void {
  if (performance.now() - signedAt < SIGN_EVERY) return;
  signedAt = performance.now();
  reply({ kind: 'works' });
}

/** Others are answered between two steps. @param before what a step has to wait for */
async function inSteps<R>(
  id: number,
  steps: Generator<undefined, R>,
  answer: (result: R) => KeeperReply,
  before?: () => Promise<void> | undefined,
): Promise<void> {
  underWay++;
  try {
    for (;;) {
      await before?.();
      if (leaving && before !== undefined) break;
      const step = steps.next();
      if (step.done === true) {
        reply(answer(step.value));
        break;
      }
      sign();
      await setImmediate();
      if (leaving) break;
    }
  } catch (thrown) {
    reply(failed(id, thrown));
  }
  underWay--;
  if (leaving && underWay === 0) leave();
}

port.on('message', (message: KeeperMessage) => {
  if (message.kind === 'leave') {
    leaving = true;
    reader.still.end();
    if (underWay === 0) leave();
    return;
  }
  const { request } = message;
  if (message.kind === 'tidy') {
    const free = () => reader.still.free();
    void inSteps(request.id, tidier.run(message.request), (result) => ({ kind: 'tidy', result }), free);
    return;
  }
  if (message.kind === 'check') {
    void inSteps(request.id, mender.check(tellDamaged), (bytes) => ({ kind: 'check', result: { id: request.id, bytes } }));
    return;
  }
  if (message.kind !== 'notices')
    try {
      mender.need();
    } catch (thrown) {
      reply(failed(request.id, thrown));
      return;
    }
  if (message.kind === 'query') {
    void inSteps(request.id, queryPoint(reader, decoder, message.request), (result) => ({ kind: 'query', result }));
    return;
  }
  if (message.kind === 'newest') {
    void inSteps(request.id, newest(reader, decoder, message.request), (result) => ({ kind: 'newest', result }));
    return;
  }
  if (message.kind === 'removed') {
    void inSteps(request.id, removedPoints(reader, message.request), (result) => ({ kind: 'removed', result }));
    return;
  }
  if (message.kind === 'export') {
    void inSteps(request.id, exportSlice(reader, decoder, message.request), (result) => ({ kind: 'export', result }));
    return;
  }
  if (message.kind === 'read' && message.request.filter?.thinning !== undefined) {
    void inSteps(request.id, readWindows(reader, message.request), (result) => {
      tellDamaged(reader.takeDamaged());
      return { kind: 'read', result: transferable(result).result };
    });
    return;
  }
  let answer: KeeperReply;
  try {
    if (message.kind === 'read') {
      const { result, transfer } = transferable(reader.read(message.request));
      tellDamaged(reader.takeDamaged());
      reply({ kind: 'read', result }, transfer);
      return;
    }
    answer =
      message.kind === 'waiting'
        ? { kind: 'waiting', result: waitingReadings(reader, message.request) }
        : { kind: 'notices', result: reader.notices(message.request) };
  } catch (thrown) {
    answer = failed(message.request.id, thrown);
  }
  tellDamaged(reader.takeDamaged());
  reply(answer);
});
