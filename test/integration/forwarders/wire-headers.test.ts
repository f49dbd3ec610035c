/** Bytes on the wire: what a forwarder counts against what the kernel counts on a wire to another host, headers and acknowledgements included. */
import '../../harness/no-outside.ts';
import assert from 'node:assert/strict';
import test from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { TlsSessions } from '../../../src/forwarders/mqtt/wire/tls-sessions.ts';
import { allBytes, WireMeter } from '../../../src/forwarders/mqtt/wire/wire-meter.ts';
import { Authority } from '../../harness/certificates.ts';
import { FarHost } from '../../harness/far-host.ts';
import { openUpstream } from '../../harness/open-upstream.ts';
import { waitFor } from '../../harness/wait-for.ts';

/** Sizes of the messages of a connection, and milliseconds after each. */
const TALKS: readonly (readonly [name: string, sizes: readonly number[], pause: number])[] = [
  ['says nothing', [], 0],
  ['says one alarm', [200], 0],
  ['says one alarm and waits', [200], 300],
  ['says three at once', [300, 300, 300], 0],
  ['says small and large ones', [1000, 5000, 100], 0],
  ['says twenty in a row', Array.from({ length: 20 }, () => 120), 0],
  ['says five, each after a pause', Array.from({ length: 5 }, () => 120), 300],
  ['says a hundred kilobytes', [100_000], 0],
];
/** What is counted is so much of the truth, at least and at most. */
const BOUNDS = [1, 1.12] as const;
/** A busy machine acknowledges at other times than a program can see: each try is so near all the same, and so many bytes. */
const BUSY = { bounds: [0.95, 1.25] as const, bytes: 4 * 52 };
/** Until one was within the bounds. */
const TRIES = 20;

for (const secure of [false, true])
  test(`a connection is counted for what it takes and a little more, ${secure ? 'with' : 'without'} TLS`, async (t) => {
    const authority = Authority.make(t);
    const far = await FarHost.make(t, 1);
    const pair = far && authority?.sign('broker', { names: `IP:${far.host}` });
    const broker = pair && (await far.broker(t, pair));
    if (far === undefined || authority === undefined || broker === undefined) return;
    const sessions = new TlsSessions();
    const talk = async (sizes: readonly number[], pause: number) => {
      const meter = new WireMeter(() => performance.now());
      const before = far.crossed();
      const connection = await openUpstream(secure ? broker.tls : broker.plain, {
        ...{ meter, sessions, thrifty: true },
        ...(secure ? { tls: { ca: authority.ca } } : {}),
      });
      for (const size of sizes) {
        await connection.publish({ topic: 'a/b', payload: 'x'.repeat(size), qos: 1, retain: false });
        await sleep(pause);
      }
      await connection.end(5000);
      await waitFor('the end of the socket', () => !process.getActiveResourcesInfo().includes('TCPSocketWrap'));
      await far.quiet();
      const now = far.crossed();
      return { crossed: now.sent + now.received - before.sent - before.received, counted: allBytes(meter.total) };
    };
    for (const [name, sizes, pause] of TALKS) {
      const tries: string[] = [];
      for (let within = false; !within; ) {
        const { crossed, counted } = await talk(sizes, pause);
        tries.push(`${counted} for ${crossed}`);
        within = counted >= BOUNDS[0] * crossed && counted <= BOUNDS[1] * crossed;
        const [least, most] = BUSY.bounds;
        assert.ok(counted >= least * crossed - BUSY.bytes, `${name}: ${tries.at(-1)}`);
        assert.ok(counted <= most * crossed + BUSY.bytes, `${name}: ${tries.at(-1)}`);
        assert.ok(within || tries.length < TRIES, `${name}: ${tries.join(', ')}`);
      }
      t.diagnostic(`${name}: ${tries.join(', ')}`);
    }
  });
