/** The figures that `status -v` adds. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { statusText } from '../../../src/cli/status-page.ts';
import { statusOf } from '../../fakes/admin-target.ts';

test('status shows the load of a bus, what is left out, and latency and errors of each device', () => {
  const wide = { verbose: true, width: 1000 };
  const text = statusText(statusOf(), wide);
  assert.match(text, /busy 97 % of the time, 60 polls in the last half minute, 12 left out$/m);
  assert.match(
    text,
    /bus field is asked for more than it carries: 12 of 60 polls were left out\n +mute does not answer, .*: repair it or shorten `timeout`\. Read less often \(interval\), raise the baud rate/,
  );
  const { buses, ...rest } = statusOf();
  const network = statusText({ ...rest, buses: buses.map((bus) => ({ ...bus, protocol: 'modbus-tcp' })) }, wide);
  assert.match(
    network,
    /mute does not answer, .* Read less often \(interval\), or allow more requests at the same time \(inFlight\)/,
  );
  assert.doesNotMatch(network, /baud/);
  assert.match(
    text,
    /fridge answering: 8 replies of 10 requests, last 500ms ago, 16 ms on average \(last 13 ms, 95 % within 20 ms beyond the wire, longest 40 ms\), 2 time-outs, 1 damaged, 7 bytes skipped in 2 places, 3 polls left out/,
  );
});

test('a bus that carries everything says so in one line, and one that polls nothing is quiet', () => {
  const status = statusOf();
  const withLoad = (load?: NonNullable<(typeof status)['buses'][number]['load']>) =>
    statusText({ ...status, buses: status.buses.map(({ load: _, ...bus }) => ({ ...bus, ...(load && { load }) })) });
  const calm = withLoad({ busy: 0.2, due: 60, missed: 0, overloaded: false });
  assert.match(calm, /busy 20 %/);
  assert.doesNotMatch(calm, /more than it carries/);
  assert.doesNotMatch(withLoad(), /busy/);
});

test('the average counts exceptions as answers, as the sum of latencies does', () => {
  const status = statusOf();
  const [bus] = status.buses;
  const [device] = bus?.devices ?? [];
  assert.ok(bus && device);
  const counters = { ...device.counters, replies: 2, exceptions: 8, latencySum: 1000 };
  assert.match(
    statusText({ ...status, buses: [{ ...bus, devices: [{ ...device, counters }] }] }, { verbose: true }),
    /100 ms on average/,
  );
});

test('of what talks by itself frames are counted, and what was no frame; it has no latency', () => {
  const status = statusOf();
  const [bus] = status.buses;
  const [device] = bus?.devices ?? [];
  assert.ok(bus && device);
  const zero = { requests: 0, exceptions: 0, timeouts: 0, crcErrors: 2, badReplies: 1, lateReplies: 0, missedPolls: 0 };
  const none = { latencyLast: 0, latencyMax: 0, latencySum: 0 };
  const { latencyP95: _, ...rest } = device.counters;
  const page = (more: object) =>
    statusText(
      { ...status, buses: [{ ...bus, devices: [{ ...device, counters: { ...rest, ...zero, ...none, ...more } }] }] },
      { verbose: true },
    );
  assert.match(
    page({ replies: 12, halfFrames: 3, skippedBytes: 40, resyncs: 5 }),
    /fridge answering: 12 frames, last 500ms ago, 2 damaged, 1 wrong, 3 half frames, 40 bytes skipped in 5 places\n/,
  );
  assert.match(
    page({ replies: 1, halfFrames: 1, skippedBytes: 1, resyncs: 1 }),
    / 1 frame, .*, 1 half frame, 1 byte skipped in 1 place\n/,
  );
});
