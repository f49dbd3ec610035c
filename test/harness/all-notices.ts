/** Alarms and events of an outlet in one list, for tests that do not tell them apart. */
import type { OutNotice } from '../../src/store/delivery/out.ts';
import type { Outlet } from '../../src/store/delivery/outlet.ts';

/** At most `limit` of each, in the order of their numbers. */
export async function allNotices(outlet: Outlet, limit: number): Promise<OutNotice[]> {
  const found = [...(await outlet.notices('alarm', limit)), ...(await outlet.notices('event', limit))];
  return found.sort((a, b) => a.log - b.log || a.seq - b.seq);
}
