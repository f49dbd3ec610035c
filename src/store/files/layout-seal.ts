/**
 * The layout that wrote a file, as a sealed row of its table `meta`. The number in the header of a database carries no
 * checksum: a flipped byte of it must not make a file look like that of a newer version, which no start would open.
 *
 * A version that changes a layout writes its number here, whatever else it changes. Beside it stands the oldest layout whose
 * programs may go on with the file: after an update that is taken back they must (docs/decisions/layouts-and-rollback.md).
 */
import { crc32 } from 'node:zlib';
import type Database from 'better-sqlite3';
import { SluiceError } from '../../core/errors.ts';

export const LAYOUT_ROW = 'layout';

export type SealedFile = 'log' | 'history';

export interface Layout {
  /** 0: nothing is proven. */
  readonly version: number;
  /** The oldest layout whose programs may read and write the file. */
  readonly readers: number;
}
const UNPROVEN: Layout = { version: 0, readers: 0 };

/** Written only where it changes. */
export function sealLayout(db: Database.Database, file: SealedFile, layout: Layout): void {
  db.prepare(
    'insert into meta (name, value) values (?, ?) on conflict (name) do update set value = excluded.value where value <> excluded.value',
  ).run(LAYOUT_ROW, sealOf(file, layout));
}

/** The sealed layout of an open file. */
export function sealedLayout(db: Database.Database, file: SealedFile): Layout {
  return parseLayout(db.prepare<[string], string>('select value from meta where name = ?').pluck().get(LAYOUT_ROW), file);
}

/** @returns version 0 where it proves nothing */
export function parseLayout(value: unknown, file: SealedFile): Layout {
  const [, version, readers = version] = /^(\d{1,6}) \d{1,10}(?: (\d{1,6}) \d{1,10})?$/.exec(String(value)) ?? [];
  const layout = { version: Number(version), readers: Number(readers) };
  return version !== undefined && value === sealOf(file, layout) ? layout : UNPROVEN;
}

/** Two parts in one row, so that no cut leaves one without the other. The readers stand there where they are others than the layout. */
function sealOf(file: SealedFile, { version, readers }: Layout): string {
  const seal = `${version} ${crc32(`layout of ${file}: ${version}`)}`;
  return readers === version ? seal : `${seal} ${readers} ${crc32(`layout of ${file}: ${version}, readers from ${readers}`)}`;
}

/** Whether a newer version wrote a file so that this one may go on with it. */
const isReadable = ({ version, readers }: Layout, knows: number): boolean => version > knows && readers <= knows;

/** The seal that a file has from now on: a newer version that is installed again finds its own. */
export function keptLayout(found: Layout, own: Layout): Layout {
  return isReadable(found, own.version) ? found : own;
}

/** @throws SluiceError log-newer */
export function refuseNewer(file: string, found: Layout, knows: number): void {
  if (found.version > knows && !isReadable(found, knows))
    throw new SluiceError(
      'log-newer',
      `${file} was written by a newer version of Sluice (layout ${found.version}, this one knows ${knows}): install that version again, or move the file away`,
    );
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
