/** The estimate of acknowledgements against a model of Linux: never fewer, and never more than segments and answers. */
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { Acknowledger } from '../../../src/forwarders/mqtt/wire/acknowledger.ts';

/** One end of a connection as Linux has it (net/ipv4/tcp_input.c, tcp_timer.c): with its quick mode without an end. */
class Linux {
  acknowledgements = 0;
  #answered = false;
  #waiting = 0;
  #due = Number.POSITIVE_INFINITY;
  #took = Number.NEGATIVE_INFINITY;

  pass(now: number): void {
    if (now < this.#due) return;
    this.#acknowledge();
    this.#answered = false;
  }
  takes(segments: number, now: number): void {
    this.pass(now);
    this.#took = now;
    for (let i = 0; i < segments; i++) {
      this.#waiting++;
      if (!this.#answered || this.#waiting === 2) this.#acknowledge();
      else this.#due = now + 40;
    }
  }
  sends(now: number): void {
    this.pass(now);
    if (now - this.#took < 40) this.#answered = true;
    this.#waiting = 0;
    this.#due = Number.POSITIVE_INFINITY;
  }
  #acknowledge(): void {
    this.acknowledgements++;
    this.#waiting = 0;
    this.#due = Number.POSITIVE_INFINITY;
  }
}

const steps = fc.array(
  fc.record({
    pause: fc.oneof(fc.integer({ min: 0, max: 39 }), fc.integer({ min: 0, max: 500 })),
    segments: fc.integer({ min: 0, max: 7 }),
  }),
  { maxLength: 60 },
);

test('it counts no fewer than a Linux, and no more than segments', () => {
  fc.assert(
    fc.property(steps, fc.constantFrom(0, 3, 50, 600), (all, away) => {
      const here = new Acknowledger();
      const end = new Linux();
      let [now, counted, segments] = [0, 0, 0];
      // The far end lives half a way later in what it takes, and half a way earlier in what it sends.
      for (const { pause, segments: some } of all) {
        now += pause;
        if (some > 0) {
          segments += some;
          counted += here.takes(some, now);
          end.takes(some, now + away / 2);
        } else {
          now += away;
          counted += here.sends(now, away);
          end.sends(now - away / 2);
        }
      }
      counted += here.sends(now + 1000, 0);
      end.pass(now + 1000);
      assert.ok(counted >= end.acknowledgements, `${counted} for ${end.acknowledgements}`);
      assert.ok(counted <= segments, `${counted} for ${segments} segments`);
    }),
    { numRuns: 500 },
  );
});

test('small exchanges have no acknowledgements of their own once an answer came soon', () => {
  const [near, far] = [new Acknowledger(), new Acknowledger()];
  const counts: number[] = [];
  for (let i = 0; i < 6; i++) {
    const at = i * 10;
    const asked = near.sends(at) + far.takes(1, at);
    counts.push(asked + far.sends(at + 5, 1) + near.takes(1, at + 5));
  }
  assert.deepEqual(counts, [2, 0, 0, 0, 0, 0]);
});

test('an answer after the wait of the far end has an acknowledgement before it, less the way', () => {
  for (const [away, expected] of [
    [0, 1],
    [100, 0],
  ] as const) {
    const far = new Acknowledger();
    far.takes(1, 0);
    far.sends(0, away);
    assert.equal(far.takes(1, 10), 0);
    assert.equal(far.sends(100, away), expected);
  }
});

test('of many segments every second one is acknowledged', () => {
  const far = new Acknowledger();
  far.takes(1, 0);
  far.sends(0);
  assert.equal(far.takes(9, 4), 4);
  assert.equal(far.takes(1, 5), 1);
});
