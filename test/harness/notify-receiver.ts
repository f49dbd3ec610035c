/** The socket of a service manager, played by another program. */
import path from 'node:path';
import type { TestContext } from 'node:test';
import { peer } from '../peers/peers.ts';
import { type Child, startChild } from './child.ts';
import { scratch } from './scratch.ts';
import { waitFor } from './wait-for.ts';

/** Shows each datagram as hexadecimal. A line on its input makes it begin anew, as a service manager does that is updated. */
const RECEIVER = `
import os, select, socket, sys
def opened():
    one = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    if os.path.exists(sys.argv[1]): os.unlink(sys.argv[1])
    one.bind(sys.argv[1])
    print('open', flush=True)
    return one
one = opened()
while True:
    for ready in select.select([one, sys.stdin], [], [])[0]:
        if ready is one: print(one.recv(1 << 20).hex(), flush=True)
        else:
            if not sys.stdin.readline(): sys.exit()
            one.close()
            one = opened()
`;

export interface NotifyReceiver {
  readonly socket: string;
  readonly child: Child;
  /** The messages so far. */
  texts(): string[];
}

/** @returns undefined after the test was marked as skipped */
export async function notifyReceiver(t: TestContext): Promise<NotifyReceiver | undefined> {
  const python = peer(t, 'python3', 'apt-get install -y python3');
  if (python === undefined) return undefined;
  const socket = path.join(scratch(t), 'notify');
  const child = startChild(t, python, ['-c', RECEIVER, socket], { stdin: true });
  await waitFor('the receiver', () => child.stdout.includes('open'));
  const texts = (): string[] =>
    child.stdout.filter((line) => line !== 'open').map((line) => Buffer.from(line, 'hex').toString('utf8'));
  return { socket, child, texts };
}
