/** What a client of the socket for flows may cost: processor time, memory, and tries of the token. */
import '../../harness/no-outside.ts';
import assert from 'node:assert/strict';
import test from 'node:test';
import { systemClock } from '../../../src/core/clock.ts';
import * as limits from '../../../src/node-red/door/limits.ts';
import { doorBench } from '../../fakes/door-source.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';
import { waitFor } from '../../harness/wait-for.ts';

/** Every look at it takes a millisecond. */
class SlowClock extends ManualClock {
  #looks = 0;

  override monotonic(): number {
    return super.monotonic() + this.#looks++;
  }
}

const status = (n: number) => ({ type: 'call', id: `c${n}`, do: 'status' });

test('door: lines of a client are worked on for a quarter of each second', async (t) => {
  const clock = new SlowClock();
  const { client, door } = await doorBench(t, clock);
  const flow = await client();
  const before = door.status().lines;
  for (let n = 0; n < 2000; n++) flow.say(status(n));
  const seen = () => door.status().lines - before;
  let last = -1;
  await waitFor('the end of the first share', async () => {
    await new Promise((resolve) => setTimeout(resolve, 50));
    const [was, now] = [last, seen()];
    last = now;
    return was === now && now > 0;
  });
  assert.ok(last > 10 && last <= limits.IN_SECOND, `${last} lines of one millisecond or more each`);
  await waitFor('the others in the seconds after it', async () => {
    await clock.advance(1000);
    return seen() === 2000;
  });
  assert.equal(flow.lines.filter(({ type }) => type === 'answer').length, 2000, 'nothing is lost');
});

test('door: a client that takes no answers gets nothing more done', async (t) => {
  const { client, world, door } = await doorBench(t, systemClock);
  for (let i = 0; i < 900; i++)
    world.latest.set(`d.p${i}`, { device: 'd', point: `p${i}`, type: 'float64', time: 5, value: i, unit: 'Cel', reason: 0 });
  const flow = await client();
  flow.socket.pause();
  for (let n = 0; n < 500; n++) flow.say({ type: 'call', id: `l${n}`, do: 'latest', points: ['*'] });
  let last = -1;
  await waitFor('it to stand still', async () => {
    await new Promise((resolve) => setTimeout(resolve, 300));
    const [was, now] = [last, door.status().calls];
    last = now;
    return was === now && now > 0;
  });
  assert.ok(last < 60, `${last} answers of 90 KB for a client that takes none`);
  flow.socket.resume();
  await waitFor('all answers', () => flow.lines.filter(({ type }) => type === 'answer').length === 500);
});

test('door: after a wrong token nothing more is read', async (t) => {
  const { stranger, token, door, world } = await doorBench(t, systemClock);
  const guess = await stranger();
  guess.hello('wrong');
  await waitFor('the first try', () => door.status().lines === 1);
  guess.hello(token);
  guess.say({ type: 'call', id: 'c', do: 'put', readings: [{ point: 'a.b', value: 1 }] });
  await guess.line('the error', ({ type }) => type === 'error');
  await guess.ended();
  assert.deepEqual([guess.lines.length, door.status().lines, world.puts], [1, 1, []]);
});
