/** The tail of a running gateway, for tests that count what comes. */
import http from 'node:http';
import path from 'node:path';
import { KEY_HEADER, readAdminKey } from '../../src/access/shown-key.ts';
import type { TailItem } from '../../src/admin/target.ts';
import type { Gateway } from './start-gateway.ts';

/** @returns a list that fills itself until the gateway ends; nothing from now on is missed */
export async function attachedTail(gateway: Gateway): Promise<TailItem[]> {
  const key = await readAdminKey(path.dirname(gateway.socket));
  const items: TailItem[] = [];
  await new Promise<void>((resolve, reject) => {
    const headers = key === undefined ? {} : { [KEY_HEADER]: key };
    http
      .get({ socketPath: gateway.socket, path: '/api/v1/tail', agent: false, headers }, (res) => {
        let rest = '';
        res.setEncoding('utf8').on('data', (text: string) => {
          const lines = (rest + text).split('\n');
          rest = lines.pop() ?? '';
          for (const line of lines) items.push(JSON.parse(line) as TailItem);
        });
        // The gateway ended.
        res.on('error', () => {});
        if (res.statusCode === 200) resolve();
        else reject(new Error(`the tail was answered with ${res.statusCode}`));
      })
      .on('error', reject);
  });
  return items;
}
