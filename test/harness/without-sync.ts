/**
 * Loaded before the log by `node --import`, also in its threads: takes away what makes commits durable, to show that the
 * power cuts of a test find it. WITHOUT_SYNC=fdatasync: SQLite with synchronous=NORMAL and no sync of ours;
 * WITHOUT_SYNC=all: synchronous=OFF as well.
 */
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import Database from 'better-sqlite3';

fs.fdatasyncSync = () => {};
fs.fsyncSync = () => {};
syncBuiltinESMExports();

if (process.env.WITHOUT_SYNC === 'all') {
  const { pragma } = Database.prototype;
  Database.prototype.pragma = function (source, options) {
    return pragma.call(this, source.replace(/synchronous = \w+/, 'synchronous = OFF'), options);
  };
}
