/** The gateway of this board, for who decides about an update. */
import { setTimeout as sleep } from 'node:timers/promises';
import { request } from '../admin/client.ts';
import { toError } from '../core/errors.ts';
import type { Asked } from '../update/trial.ts';

/** Time between two looks, milliseconds. */
const ASK_EVERY = 5_000;

export function askedOver(socket: string): Asked {
  return {
    status: () => request(socket, 'GET', '/api/v1/status'),
    ready: () => request(socket, 'GET', '/readyz'),
    isNobody: (thrown) => {
      const { cause } = toError(thrown);
      return cause instanceof Error && 'code' in cause && ['ENOENT', 'ECONNREFUSED'].includes(String(cause.code));
    },
    pause: () => sleep(ASK_EVERY),
    now: () => performance.now(),
  };
}
