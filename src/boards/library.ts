/**
 * The board files that come with the gateway. A name is that of the file without `.yaml`. A file is read once and checked whole; one
 * with a fault is left out and reported, since a gateway must run on a board that it does not know.
 *
 * A start asks for the files that may describe its machine. To read all as YAML took it longer than its own configuration.
 */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import type { NamedBoard } from '../config/board-ports.ts';
import { check, placeOf } from '../config/checker.ts';
import type { Fault } from '../config/fault.ts';
import { NAME } from '../config/schema-parts.ts';
import { readYamlFile } from '../config/yaml-source.ts';
import { type Machine, ttyThere } from './machine.ts';
import { type Board, boardSchema } from './schema.ts';

const MOST_BOARDS = 500;
/** A longer file is no board file; the reading says so. */
const MOST_BYTES = 64 * 1024;

export class BoardLibrary {
  readonly faults: Fault[] = [];
  readonly #boards = new Map<string, Board>();

  /** Those that may fit, and those that are named: the others are not read as YAML, and have no faults. */
  static fitting(folder: string, machine: Machine, { board, hats = [] }: NamedBoard): BoardLibrary {
    return new BoardLibrary(folder, (file) => {
      const name = nameOf(file);
      return name === board || hats.includes(name) || mayFit(file, machine);
    });
  }

  /**
   * @param folder `hardware-profiles/boards`; one that is not there has no boards
   * @param wanted whether a file is looked at
   */
  constructor(folder: string, wanted: (file: string) => boolean = () => true) {
    let files: string[];
    try {
      files = readdirSync(folder).filter((file) => file.endsWith('.yaml'));
    } catch {
      return;
    }
    for (const name of files.sort().slice(0, MOST_BOARDS)) {
      const file = path.join(folder, name);
      if (wanted(file)) this.#read(file);
    }
  }

  get(name: string): Board | undefined {
    return this.#boards.get(name);
  }

  all(): readonly Board[] {
    return [...this.#boards.values()];
  }

  #read(file: string): void {
    const name = nameOf(file);
    const source = readYamlFile(file);
    this.faults.push(...source.faults);
    if (source.faults.length > 0) return;
    if (!NAME.test(name)) this.faults.push(source.fault([], `${name} is no name of a board`));
    const board = check(boardSchema, source.value, placeOf(source, []), (fault) => this.faults.push(fault));
    if (board !== undefined && NAME.test(name)) this.#boards.set(name, { ...board, name });
  }
}

const nameOf = (file: string): string => path.basename(file, '.yaml');

/** False: what the file asks of a machine is not so here. A line in another form than usual is left to the reading. */
function mayFit(file: string, machine: Machine): boolean {
  try {
    const stat = statSync(file);
    if (!stat.isFile() || stat.size > MOST_BYTES) return true;
    const text = readFileSync(file, 'utf8');
    // One that names nothing is found by its name alone.
    if (!/\bdetect\b/.test(text)) return false;
    if (/^ +compatible:/m.test(text) && !machine.compatible.some((one) => text.includes(one))) return false;
    const arch = /^ +arch: (\w+)$/m.exec(text)?.[1];
    const hardware = /^ +hardware: ([\w.-]+)$/m.exec(text)?.[1];
    if (hardware !== undefined && machine.hardware?.startsWith(hardware) !== true) return false;
    const ttys = /^ +tty: \[([\w, ]+)\]$/m.exec(text)?.[1]?.split(', ') ?? [];
    return (arch === undefined || arch === machine.arch) && ttys.every((tty) => ttyThere(machine, tty));
  } catch {
    // The reading says what is wrong with it.
    return true;
  }
}
