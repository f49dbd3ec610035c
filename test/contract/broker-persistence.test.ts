/**
 * The suite that aedes-persistence ships for every persistence, on ours: in memory and on a file. It asks for messages of
 * clients that no connection takes; how a connected client is sent its queue is in the tests of the broker.
 */
import { createRequire } from 'node:module';
import path from 'node:path';
import type { Readable } from 'node:stream';
import test, { type TestContext } from 'node:test';
import { Folders, KeptBench } from '../fakes/kept-bench.ts';
import { scratch } from '../harness/scratch.ts';

type Run = (t: TestContext) => Promise<void>;
type Suite = (options: {
  readonly test: (name: string, run: Run) => void;
  readonly persistence: () => Promise<object>;
  readonly testAsync: true;
}) => void;
const suite = createRequire(import.meta.url)('aedes-persistence/abstract.js') as Suite;

/** The name of one broker of several. aedes reads it nowhere, and ours has no other brokers, so retained messages do not keep it. */
const CLUSTER = { id: 'broker-42' };

/** In the suite clients do not connect before they subscribe, and need no session before a message is queued for them. */
function joined(bench: KeptBench): object {
  const { persistence, sessions } = bench;
  const join = (id: string): void => {
    if (sessions.get(id) !== undefined) return;
    sessions.resume(id);
    sessions.away(id);
  };
  const { addSubscriptions, outgoingEnqueue, outgoingEnqueueCombi, createRetainedStream, createRetainedStreamCombi } =
    persistence;
  const named = (stream: Readable): Readable => stream.map((packet: object) => ({ ...packet, ...CLUSTER }));
  return Object.assign(persistence, {
    createRetainedStream: (filter: string) => named(createRetainedStream.call(persistence, filter)),
    createRetainedStreamCombi: (filters: string[]) => named(createRetainedStreamCombi.call(persistence, filters)),
    addSubscriptions: (...args: Parameters<typeof addSubscriptions>) => {
      join(args[0].id);
      return addSubscriptions.apply(persistence, args);
    },
    outgoingEnqueue: (...args: Parameters<typeof outgoingEnqueue>) => {
      join(args[0].clientId);
      return outgoingEnqueue.apply(persistence, args);
    },
    outgoingEnqueueCombi: (...args: Parameters<typeof outgoingEnqueueCombi>) => {
      for (const { clientId } of args[0]) join(clientId);
      return outgoingEnqueueCombi.apply(persistence, args);
    },
    destroy: () => bench.kept.close(),
  });
}

let run: TestContext | undefined;
for (const [where, make] of [
  ['in memory', async () => joined(await KeptBench.open())],
  [
    'on a file',
    async () => joined(await KeptBench.open({ folders: new Folders(path.join(scratch(run as TestContext, 'kept'), 'k')) })),
  ],
] as const) {
  suite({
    test: (name, body) =>
      test(`${where}: ${name}`, (t) => {
        run = t;
        return body(t);
      }),
    persistence: make,
    testAsync: true,
  });
}
