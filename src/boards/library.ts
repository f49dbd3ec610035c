/**
 * The board files that come with the gateway. A name is that of the file without `.yaml`. A file is read once and checked whole; one
 * with a fault is left out and reported, since a gateway must run on a board that it does not know.
 */
import { readdirSync } from 'node:fs';
import path from 'node:path';
import { check, placeOf } from '../config/checker.ts';
import type { Fault } from '../config/fault.ts';
import { NAME } from '../config/schema-parts.ts';
import { readYamlFile } from '../config/yaml-source.ts';
import { type Board, boardSchema } from './schema.ts';

const MOST_BOARDS = 500;

export class BoardLibrary {
  readonly faults: Fault[] = [];
  readonly #boards = new Map<string, Board>();

  /** @param folder `hardware-profiles/boards`; one that is not there has no boards */
  constructor(folder: string) {
    let files: string[];
    try {
      files = readdirSync(folder).filter((file) => file.endsWith('.yaml'));
    } catch {
      return;
    }
    for (const file of files.sort().slice(0, MOST_BOARDS)) this.#read(path.join(folder, file));
  }

  get(name: string): Board | undefined {
    return this.#boards.get(name);
  }

  all(): readonly Board[] {
    return [...this.#boards.values()];
  }

  #read(file: string): void {
    const name = path.basename(file, '.yaml');
    const source = readYamlFile(file);
    this.faults.push(...source.faults);
    if (source.faults.length > 0) return;
    if (!NAME.test(name)) this.faults.push(source.fault([], `${name} is no name of a board`));
    const board = check(boardSchema, source.value, placeOf(source, []), (fault) => this.faults.push(fault));
    if (board !== undefined && NAME.test(name)) this.#boards.set(name, { ...board, name });
  }
}
