/** Retained messages for a client whose socket takes nothing for a while: what waits for it, and who waits with it. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import type { LatestValue, LatestValues } from '../../../src/core/ports.ts';
import * as limits from '../../../src/forwarders/broker/limits.ts';
import { BrokerBench, inventoryOf, Raw, ROOT, StandingClock, Sub, shapeOf } from '../../harness/embedded-broker.ts';
import { waitFor } from '../../harness/wait-for.ts';

/** Topics and payloads of the whole PUBLISHes with QoS 0, in order. */
function published(bytes: Buffer): [topic: string, payload: string][] {
  const out: [string, string][] = [];
  for (let at = 0; at + 1 < bytes.length; ) {
    let length = 0;
    let i = at + 1;
    for (let shift = 1; i < bytes.length; shift *= 128, i++) {
      length += ((bytes[i] as number) & 127) * shift;
      if ((bytes[i] as number) < 128) break;
    }
    const body = i + 1;
    if (body + length > bytes.length) break;
    if ((bytes[at] as number) >> 4 === 3) {
      const name = body + 2 + bytes.readUInt16BE(body);
      out.push([bytes.toString('latin1', body + 2, name), bytes.toString('latin1', name, body + length)]);
    }
    at = body + length;
  }
  return out;
}

/** A value whose text is so long that all of them are more than the buffers of the kernel take. */
const LONG = 8 * 1024;

test('a replay goes as fast as a socket takes it: a paused client holds up nobody and gets all', {
  timeout: 400_000,
}, async (t) => {
  const points = 2000;
  const shape = shapeOf('plant', points);
  const textOf = (point: string) => `${point}-`.padEnd(LONG, 'x');
  // Points whose values were looked at, one after the other.
  let asked = 0;
  const given = (device: string, point: string): LatestValue => ({
    ...{ device, point, type: 'string', time: 1_795_000_000_000, reason: 0, value: textOf(point) },
  });
  const latest: LatestValues = {
    get: given,
    *all() {
      for (const { name } of shape.points) {
        asked++;
        yield given('plant', name);
      }
    },
  };
  const bench = new BrokerBench(t, { clock: new StandingClock(), latest });
  const port = await bench.start();
  bench.broker.inventory(inventoryOf(1, shape));
  const healthy = await Sub.start(t, port, ['-t', `${ROOT}/event`, '-q', '1', '-i', 'healthy']);
  if (healthy === undefined) return;

  const paused = await Raw.open(t, port);
  assert.equal(await paused.connect('paused'), 0);
  paused.socket.pause();
  asked = 0;
  paused.subscribe([`${ROOT}/value/#`]);
  let most = 0;
  // What is under way in the moment at which it is full comes on top: a turn of messages and one more for each end of a pipe.
  const bound = limits.MAX_UNSENT + 2 * limits.REPLAYED_PER_TURN * (LONG + 200);
  const look = () => {
    const { unsentBytes } = bench.broker.status();
    most = Math.max(most, unsentBytes);
    return unsentBytes;
  };
  const watch = setInterval(look, 1);
  t.after(() => clearInterval(watch));
  await waitFor('its socket to be full', () => look() >= limits.MAX_UNSENT);
  bench.broker.notice({ kind: 'event', key: 'x', seq: 1, json: '{"while":"paused"}' });
  await healthy.message(`${ROOT}/event`, (m) => m.payload === '{"while":"paused"}');
  const before = asked;
  assert.ok(before < points, `${before} of ${points} values were looked up for a client that reads nothing`);

  // Another one gets its replay meanwhile.
  const other = await Raw.open(t, port);
  assert.equal(await other.connect('other'), 0);
  other.subscribe([`${ROOT}/value/#`]);
  await waitFor('the replay of another client', () => published(other.bytes).length >= points);
  assert.equal(paused.chunks.length, 1, 'the paused client has read its CONNACK only');
  // The kernel may have taken more meanwhile, so nothing may be unsent for a moment.
  assert.ok(asked < 2 * points, `it still waits: ${asked} values were looked up for both`);

  paused.socket.resume();
  await waitFor('the replay of the paused client', () => published(paused.bytes).length >= points);
  clearInterval(watch);
  const all = shape.points.map(({ name }) => [
    `${ROOT}/value/plant/${name}`,
    `{"time":1795000000000,"value":"${textOf(name)}","unit":null,"quality":"good"}`,
  ]);
  for (const { bytes } of [paused, other]) assert.ok(isDeepStrictEqual(published(bytes), all), 'each value once, in order');
  assert.ok(most < bound, `${most} bytes waited, of ${bound} that may`);
  t.diagnostic(`${before} values were looked up for the paused client; at most ${most} bytes waited`);
  assert.equal(paused.closed, false);
});
