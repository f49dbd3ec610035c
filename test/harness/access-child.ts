/**
 * A process that changes accounts until somebody kills it: `node access-child.ts FOLDER RUN`. It says each change that was confirmed,
 * one JSON line each, before it begins the next one.
 */
import { writeSync } from 'node:fs';
import { Access } from '../../src/access/access.ts';
import { systemClock } from '../../src/core/clock.ts';
import type { Principal } from '../../src/core/commands.ts';
import { silentLogger } from '../../src/core/logger.ts';

const ROOT: Principal = { who: 'root', door: 'socket', role: 'administrator' };
const [, , stateDir = '', run = ''] = process.argv;
const tell = (told: object): void => void writeSync(1, `${JSON.stringify(told)}\n`);

const access = new Access({
  ...{ stateDir, clock: systemClock, logger: silentLogger, tell: () => {}, cost: { logN: 10, p: 1 } },
  time: () => ({ utc: Date.now(), known: true }),
});
await access.open();
access.begin();
const { accounts } = access;
tell({ state: accounts.status().state, names: accounts.users().devices.map(({ name }) => name) });
if (accounts.status().state === 'unclaimed') {
  tell({ trying: 'anna' });
  await accounts.addUser({ name: 'anna', role: 'administrator', password: 'correct horse battery' }, ROOT);
  tell({ added: 'anna' });
}
for (let i = 0; ; i++) {
  const name = `d${run}-${i}`;
  tell({ trying: name });
  await accounts.addDevice({ name, publish: [`tele/${name}/#`], subscribe: [] }, ROOT);
  tell({ added: name });
  if (i % 3 !== 2) continue;
  const gone = `d${run}-${i - 2}`;
  tell({ trying: gone });
  await accounts.removeUser(gone, ROOT);
  tell({ removed: gone });
}
