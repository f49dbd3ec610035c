/** `sluice node-red-process`: prints the command of the process behind its fence, a word in a line, for bin/sluice-node-red. */
import { SluiceError } from '../core/errors.ts';
import { parseSize } from '../core/units.ts';
import { childEnvironment, nodeFlags } from '../node-red/fence.ts';
import { MARK } from '../node-red/leftovers.ts';
import { GRANTS } from '../node-red/messages.ts';
import { CHILD_PROGRAM, installFault, NODE_RED_FOLDER } from '../node-red/place.ts';

export function nodeRedProcess({ memory, allow }: { memory: string; allow?: string }): void {
  const { STATE_DIRECTORY: folder, LISTEN_FDS, LISTEN_PID } = process.env;
  const bytes = parseSize(memory);
  const asked = (allow ?? '').split(',').filter((word) => word !== '');
  const unknown = asked.find((word) => !GRANTS.some((grant) => grant === word));
  if (bytes === undefined) throw new SluiceError('usage', `--memory ${memory} is no size; write for example 160MB`);
  if (unknown !== undefined) throw new SluiceError('usage', `--allow ${unknown} is unknown; write some of ${GRANTS.join(',')}`);
  if (folder === undefined || LISTEN_FDS === undefined)
    throw new SluiceError('usage', 'systemd starts this command: systemctl enable --now sluice-node-red.socket');
  const fault = installFault();
  if (fault !== undefined) throw new SluiceError('unsupported', fault);
  const grants = GRANTS.filter((grant) => asked.includes(grant));
  const environment = { ...childEnvironment(folder, [MARK, folder]), STATE_DIRECTORY: folder, LISTEN_FDS, LISTEN_PID };
  const words = [
    ...['env', '-i', ...Object.entries(environment).map(([name, value]) => `${name}=${value}`)],
    ...[process.execPath, ...nodeFlags(grants, bytes, folder), CHILD_PROGRAM, NODE_RED_FOLDER, `${MARK}=${folder}`],
  ];
  process.stdout.write(words.map((word) => `${word}\n`).join(''));
}
