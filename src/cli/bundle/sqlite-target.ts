/** Bundles into a SQLite file, by key. */
import { ImportTables } from '../../store/bundle/import-tables.ts';
import type { Target } from './target.ts';

export function sqliteTarget(file: string): Target {
  const tables = new ImportTables(file);
  return {
    name: file,
    begin({ gateway }) {
      tables.begin();
      const added = { records: 0, notices: 0 };
      return {
        batch: (batch) => {
          added.records += tables.batch(batch);
        },
        notice: (notice) => {
          if (tables.notice(gateway, notice)) added.notices++;
        },
        inventory: (json) => tables.inventory(gateway, revisionOf(json), json),
        commit: () => {
          tables.commit();
          return added;
        },
        abandon: () => tables.rollback(),
      };
    },
    close: () => tables.close(),
  };
}

export function revisionOf(json: string): number {
  try {
    const { revision } = JSON.parse(json) as { revision?: unknown };
    return Number.isSafeInteger(revision) ? (revision as number) : 0;
  } catch {
    return 0;
  }
}
