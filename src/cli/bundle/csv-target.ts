/**
 * Bundles into CSV: a line for each reading, and a second file for alarms and events. What is in the files already is found by its key
 * and left out. A file is written anew beside itself and renamed, so a record is never in it with half of its readings.
 */
import { closeSync, existsSync, lstatSync, realpathSync, statSync } from 'node:fs';
import path from 'node:path';
import type { Batch } from '../../codecs/format.ts';
import { readingRows } from '../../codecs/reading-rows.ts';
import { SluiceError } from '../../core/errors.ts';
import { csvCell, isoTime } from '../../store/read/export-lines.ts';
import { FileSource, openToRead, WholeFile } from './bundle-file.ts';
import { NumberSets } from './number-sets.ts';
import type { Added, Notice, Play, Target } from './target.ts';

/** As `sluice export`, behind the gateway. */
const READINGS = 'gateway,log,seq,boot,device,point,time,value,unit,quality,reason\n';
const NOTICES = 'gateway,log,seq,kind,name,time,body\n';
const PIECE = 64 * 1024;
const FLUSH = 256 * 1024;
/** Cells up to the point; names have up to 256 letters. */
const KEY_CELLS = 6;
const LONGEST_KEY = 4096;
/** Mode of a new file: that of a configuration. */
const NEW_MODE = 0o640;

export function csvTarget(file: string): Target {
  const notices = `${file.slice(0, -'.csv'.length)}-notices.csv`;
  return {
    name: file,
    begin: ({ gateway }) => new CsvPlay(gateway, new GrowingTable(file, READINGS), new GrowingTable(notices, NOTICES)),
    close: () => {},
  };
}

class CsvPlay implements Play {
  readonly #gateway: string;
  readonly #readings: GrowingTable;
  readonly #notices: GrowingTable;

  constructor(gateway: string, readings: GrowingTable, notices: GrowingTable) {
    this.#gateway = gateway;
    this.#readings = readings;
    this.#notices = notices;
  }

  batch(batch: Batch): void {
    const { log, boot, estimated } = batch;
    for (const { seq, device, point, time, value, unit = '', quality, reason = '' } of readingRows(batch)) {
      const key = `${this.#gateway},${log},${seq},${boot},${csvCell(device)},${csvCell(point)}`;
      const cells = [isoTime(time, estimated), value === null ? '' : csvCell(value), csvCell(unit), quality, reason];
      this.#readings.add(key, `${key},${cells.join(',')}\n`);
    }
  }

  notice({ kind, log, seq, name, time, json }: Notice): void {
    const key = `${this.#gateway},${log},${seq}`;
    this.#notices.add(key, `${key},${kind},${name},${isoTime(time, false)},${csvCell(json)}\n`);
  }

  inventory(): void {}

  commit(): Added {
    const records = this.#readings.commit();
    return { records, notices: this.#notices.commit() };
  }
  abandon(): void {
    this.#readings.abandon();
    this.#notices.abandon();
  }
}

/** A file of lines that begin with gateway, log and number. With a point in a line, it belongs to the key. */
class GrowingTable {
  readonly #file: string;
  readonly #head: string;
  /** By gateway, log, device and point, as the file has them. */
  readonly #has = new NumberSets();
  #out: WholeFile | undefined;
  #text = '';
  #added = 0;
  /** The record of the newest line. */
  #newest = '';

  /** @throws SluiceError usage: the file is another table */
  constructor(file: string, head: string) {
    this.#file = realFile(file);
    this.#head = head;
    if (existsSync(this.#file)) this.#read();
  }

  /** Lines of one record come one after the other. @param key the cells that begin the line */
  add(key: string, line: string): void {
    const { set, seq } = partsOf(Buffer.from(key).toString('latin1'), this.#head) ?? never(key);
    if (!this.#has.add(set, seq)) return;
    const record = key.split(',', 3).join();
    if (record !== this.#newest) this.#added++;
    this.#newest = record;
    this.#text += line;
    if (this.#text.length >= FLUSH) this.#flush();
  }

  /** @returns how many records are new */
  commit(): number {
    // Without anything new there is still a table, unless nobody needs it.
    if (this.#added > 0 || (!existsSync(this.#file) && this.#head === READINGS)) {
      this.#flush();
      this.#out?.finish(path.basename(this.#file));
    }
    return this.#added;
  }
  abandon(): void {
    this.#out?.abandon();
  }

  #flush(): void {
    this.#out ??= this.#begun();
    this.#out.write(Buffer.from(this.#text));
    this.#text = '';
  }

  /** With everything that the file has. */
  #begun(): WholeFile {
    const old = statSync(this.#file, { throwIfNoEntry: false });
    const out = new WholeFile(path.dirname(this.#file), old === undefined ? NEW_MODE : 0o600);
    if (old === undefined) {
      out.write(Buffer.from(this.#head));
      return out;
    }
    try {
      out.likeness(old);
      eachPiece(this.#file, (piece) => out.write(piece));
    } catch (thrown) {
      out.abandon();
      throw thrown;
    }
    return out;
  }

  /** The begin of each line. A line may have line breaks between quotes. */
  #read(): void {
    let begin = '';
    let first = true;
    let quoted = false;
    eachPiece(this.#file, (piece) => {
      for (const byte of piece) {
        if (byte === 0x22) quoted = !quoted;
        if (byte === 0x0a && !quoted) {
          if (first && `${begin}\n` !== this.#head) throw this.#strange();
          if (!first) {
            const parts = partsOf(begin, this.#head);
            if (parts === undefined) throw this.#strange();
            this.#has.add(parts.set, parts.seq);
          }
          first = false;
          begin = '';
        } else if (begin.length < LONGEST_KEY) begin += String.fromCharCode(byte);
      }
    });
    if (first || begin !== '' || quoted) throw this.#strange();
  }

  #strange(): SluiceError {
    return new SluiceError(
      'usage',
      `${this.#file} is not a table that an import wrote, or somebody changed it; nothing was written. Name another file`,
    );
  }
}

/** What a link names: the link stays. @throws SluiceError usage: it names nothing */
function realFile(file: string): string {
  if (lstatSync(file, { throwIfNoEntry: false }) === undefined) return file;
  if (existsSync(file)) return realpathSync(file);
  throw new SluiceError('usage', `${file} is a link to a file that is not there; remove the link, or name another file`);
}

/** Cells without quotes but for names. undefined: it is no line of such a table. */
const CELL = /(?:"(?:[^"]|"")*"|[^",]*)(?:,|$)/y;
function partsOf(line: string, head: string): { readonly set: string; readonly seq: number } | undefined {
  const cells: string[] = [];
  CELL.lastIndex = 0;
  for (const most = head === READINGS ? KEY_CELLS : 3; cells.length < most; ) {
    const at = CELL.lastIndex;
    if (!CELL.test(line) || CELL.lastIndex === at) return undefined;
    cells.push(line.slice(at, CELL.lastIndex).replace(/,$/, ''));
  }
  const [gateway, log, seq = '', , ...names] = cells;
  return /^\d{1,16}$/.test(seq) ? { set: [gateway, log, ...names].join(), seq: Number(seq) } : undefined;
}

function never(key: string): never {
  throw new SluiceError('internal', `a line of a table begins with ${key}`);
}

function eachPiece(file: string, take: (piece: Uint8Array) => void): void {
  const fd = openToRead(file);
  try {
    const source = new FileSource(fd);
    for (let at = 0; at < source.size; at += PIECE) take(source.read(at, Math.min(PIECE, source.size - at)));
  } finally {
    closeSync(fd);
  }
}
