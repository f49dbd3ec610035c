/**
 * The layout that wrote a file, as a sealed row of its table `meta`. The number in the header of a database carries no
 * checksum: a flipped byte of it must not make a file look like that of a newer version, which no start would open.
 *
 * A version that changes a layout writes its number here, whatever else it changes.
 */
import { crc32 } from 'node:zlib';
import type Database from 'better-sqlite3';
import { SluiceError } from '../../core/errors.ts';

export const LAYOUT_ROW = 'layout';

export type SealedFile = 'log' | 'history';

/** Written only where it changes. */
export function sealLayout(db: Database.Database, file: SealedFile, version: number): void {
  db.prepare(
    'insert into meta (name, value) values (?, ?) on conflict (name) do update set value = excluded.value where value <> excluded.value',
  ).run(LAYOUT_ROW, `${version} ${sumOf(file, version)}`);
}

/** The sealed version of an open file; 0: none. */
export function sealedLayout(db: Database.Database, file: SealedFile): number {
  return parseLayout(db.prepare<[string], string>('select value from meta where name = ?').pluck().get(LAYOUT_ROW), file);
}

/** @returns 0 where it proves nothing */
export function parseLayout(value: unknown, file: SealedFile): number {
  const [, version, sum] = /^(\d{1,6}) (\d{1,10})$/.exec(String(value)) ?? [];
  return version !== undefined && Number(sum) === sumOf(file, Number(version)) ? Number(version) : 0;
}

/** @throws SluiceError log-newer */
export function refuseNewer(file: string, version: number, knows: number): void {
  if (version > knows)
    throw new SluiceError(
      'log-newer',
      `${file} was written by a newer version of Sluice (layout ${version}, this one knows ${knows}): install that version again, or move the file away`,
    );
}

function sumOf(file: SealedFile, version: number): number {
  return crc32(`layout of ${file}: ${version}`);
}

/** The names of the tables and the words they were made with, as SQLite keeps them. @param tables one statement a line */
export function tablesOf(tables: string): Map<string, string> {
  return new Map(
    tables
      .trim()
      .split('\n')
      .map((line) => {
        const words = line.replace(/^create table /, '').replace(/;$/, '');
        return [words.slice(0, words.indexOf(' ')), `CREATE TABLE ${words}`];
      }),
  );
}
