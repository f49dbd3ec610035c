/** Makes the file of a log.db anew: all of it, what is left for one that goes on already, or what a run needs to begin. */
import { randomInt } from 'node:crypto';
import Database from 'better-sqlite3';
import { LOG_LAYOUT, PAGE_SIZE, SCHEMA_VERSION, TABLES } from '../files/layout.ts';
import { sealLayout } from '../files/layout-seal.ts';
import type { Salvaged } from '../files/repair-report.ts';
import { rowSum } from '../files/sealed-rows.ts';
import type { Sources } from '../files/sources.ts';
import { markWhole } from './cut-repair.ts';
import type { Pace } from './salvage.ts';
import { Rebuild, type Small } from './salvage-log.ts';

/**
 * @param target a file that does not exist yet
 * @param salvage false: nothing is taken from the damaged file
 * @param why what a start reports that comes after this one
 */
export function rebuildLog(file: string, target: string, sources: Sources, salvage: boolean, why: string): Salvaged {
  return into(
    target,
    (db) => {
      const salvaged = new Rebuild(db, sources, {}).run(salvage ? file : undefined);
      if (!sources.alive) leaveShapeNumbers(db);
      markWhole(db, sources.alive ? undefined : { why, salvaged: salvage ? salvaged : undefined, small: undefined });
      return salvaged;
    },
    'WAL',
  );
}
/** The same, to be put into a log that goes on already. */
export function rebuildLeft(file: string, target: string, sources: Sources, pace: Pace): Salvaged {
  return into(target, (db) => new Rebuild(db, sources, pace).run(file), 'OFF');
}

/** Everything but blocks and notices: names, lanes and cursors, boots, clocks, shapes, states of rules, the inventory. @param why as above */
export function rebuildSmall(file: string, target: string, sources: Sources, pace: Pace, why: string): Small {
  return into(
    target,
    (db) => {
      const small = new Rebuild(db, sources, pace).small(file);
      leaveShapeNumbers(db);
      markWhole(db, { why, salvaged: undefined, small: { cut: small.cut } });
      return small;
    },
    'WAL',
  );
}

/**
 * @param mode that the file has in its header. The log goes on in WAL: a switch by the start that opens the file would need a
 * rollback journal, and after a kill in the middle of that no connection that only reads could open it.
 */
function into<R>(target: string, make: (db: Database.Database) => R, mode: 'WAL' | 'OFF'): R {
  const db = new Database(target);
  try {
    db.pragma(`page_size = ${PAGE_SIZE}`);
    // Nothing depends on this file until it is complete.
    db.pragma('journal_mode = OFF');
    db.pragma('synchronous = OFF');
    db.pragma('cache_size = -2048');
    const made = db.transaction(() => {
      db.exec(TABLES);
      db.pragma(`user_version = ${SCHEMA_VERSION}`);
      sealLayout(db, 'log', LOG_LAYOUT);
      return make(db);
    })();
    db.pragma(`journal_mode = ${mode}`);
    return made;
  } finally {
    db.close();
  }
}

/** Where numbers of shapes go on: four bytes of a block instead of one. */
const SHAPES_FROM = 2 ** 21;
const SHAPES_TO = 2 ** 28;

/**
 * A block has its shapes by their numbers. One whose row is gone must not be read by the words of another, so that numbers go on
 * where none was ever used: behind that of a shape that no record has.
 */
function leaveShapeNumbers(db: Database.Database): void {
  const id = randomInt(SHAPES_FROM, SHAPES_TO);
  const highest = db.prepare<[], number>('select coalesce(max(id), 0) from shape').pluck().get() as number;
  const body = JSON.stringify({ device: '', points: [], from: id });
  if (id > highest) db.prepare('insert into shape (id, body, sum) values (?, ?, ?)').run(id, body, rowSum('shape', id, body));
}
