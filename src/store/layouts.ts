/** The files of the state that a release before this one may have to go on with (docs/decisions/layouts-and-rollback.md). */
import { BROKER_LAYOUT } from './broker/layout.ts';
import { HISTORY_LAYOUT } from './files/history-layout.ts';
import { LOG_LAYOUT } from './files/layout.ts';
import type { Layout } from './files/layout-seal.ts';

export const LAYOUTS: Readonly<Record<'log' | 'history' | 'sessions', Layout>> = {
  log: LOG_LAYOUT,
  history: HISTORY_LAYOUT,
  sessions: BROKER_LAYOUT,
};
