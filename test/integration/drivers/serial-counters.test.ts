/** `sluice status` and `/metrics` of serial instruments: one that talks by itself, one that is asked. */
import assert from 'node:assert/strict';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import { text } from '../../../src/admin/client.ts';
import { startChild } from '../../harness/child.ts';
import { makeGateway, sluice } from '../../harness/start-gateway.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { peer } from '../../peers/peers.ts';

const peers = path.join(import.meta.dirname, '..', '..', 'peers');

async function talkerOn(t: TestContext, python: string) {
  const pty = startChild(t, python, [path.join(peers, 'paced-pty.py'), '9600'], { stdin: true });
  const [near = '', far = ''] = (await pty.line(/^\/dev\//)).split(' ');
  const talker = startChild(t, python, [path.join(peers, 'serial-talker.py'), far], { stdin: true });
  let orders = 0;
  const order = async (line: string) => {
    talker.write(line);
    orders++;
    await waitFor(`done: ${line}`, () => talker.stdout.length >= orders);
  };
  await order('noise 0 0');
  return { near, order };
}

test('counters of a serial bus: frames, damage, noise, resyncs, requests, time-outs, latency', async (t) => {
  const python = peer(t, '/usr/bin/python3', 'apt-get install -y python3');
  if (python === undefined) return;
  const [dust, air] = [await talkerOn(t, python), await talkerOn(t, python)];
  const gateway = makeGateway(
    t,
    (g) => `
${g.section}
buses:
  one: {protocol: serial, port: ${dust.near}, baudRate: 9600}
  two: {protocol: serial, port: ${air.near}, baudRate: 9600}
devices:
  dust: {bus: one, profile: sds011, silentAfter: 1h}
  co2: {bus: two, profile: mh-z19, interval: 1500ms, request: {bytes: FF 01 86 00 00 00 00 00 79, timeout: 1s}}
`,
  );
  await gateway.up();
  const scrape = async () => {
    let page = '';
    for await (const piece of text(gateway.socket, '/metrics')) page += piece;
    return page;
  };
  // The opening of a port drops what came before it.
  await waitFor('both ports', async () => ((await scrape()).match(/^sluice_bus_open\{.*\} 1$/gm) ?? []).length === 2);
  const metrics = async () => {
    const page = await scrape();
    const values = [...page.matchAll(/^sluice_device_(\w+)\{bus="\w+",device="(\w+)"\} (\S+)/gm)];
    return (device: string, name: string) => {
      const found = values.find((v) => v[1] === name && v[2] === device);
      return found === undefined ? undefined : Number(found[3]);
    };
  };
  const until = (what: string, device: string, name: string, least: number) =>
    waitFor(what, async () => ((await metrics())(device, name) ?? 0) >= least);

  // Noise, a damaged frame, the beginning of one, and three whole ones: 2 + 10 + 4 bytes belong to none, in two places.
  await dust.order('sds011 100 200');
  await dust.order('hex 0102');
  await dust.order('sds011 101 201 bad');
  await dust.order('sds011 102 202');
  await dust.order('hex aac0ffff');
  await dust.order('sds011 103 203');
  await until('all frames', 'dust', 'replies_total', 3);
  const told = await metrics();
  const of = (device: string, ...names: string[]) => names.map((name) => told(device, name));
  assert.deepEqual(
    of(
      'dust',
      'replies_total',
      'crc_errors_total',
      'half_frames_total',
      'skipped_bytes_total',
      'resyncs_total',
      'requests_total',
    ),
    [3, 1, 1, 16, 2, 0],
  );
  // Nobody asks it, so it has no latency.
  assert.deepEqual(
    of('dust', 'last_reply_time_seconds', 'reply_p95_seconds', 'longest_reply_time_seconds'),
    Array(3).fill(undefined),
  );

  await until('time-outs', 'co2', 'timeouts_total', 1);
  // A request of meanwhile is answered first, and late.
  const answer = async (reply: string, name: string, least: number) => {
    for (let i = 0; i < 20; i++) {
      if (((await metrics())('co2', name) ?? 0) >= least) return;
      await air.order(`answer FF0186000000000079 ${reply}`);
    }
    assert.fail(`${name} stays below ${least}`);
  };
  await answer('FF8602200000000058', 'replies_total', 2);
  await answer('FF8602200000000059', 'crc_errors_total', 1);
  await answer('FF860220', 'half_frames_total', 1);
  await answer('FF8602200000000058', 'replies_total', 3);
  const after = await metrics();
  const value = (name: string) => after('co2', name) ?? Number.NaN;
  const answered = value('replies_total') + value('timeouts_total');
  assert.ok(value('requests_total') >= answered && value('requests_total') <= answered + value('crc_errors_total') + 1);
  assert.ok(value('last_reply_time_seconds') > 0 && value('longest_reply_time_seconds') <= 1.1);
  assert.ok(value('reply_p95_seconds') >= 0 && value('reply_p95_seconds') < value('longest_reply_time_seconds'));
  assert.ok(value('reply_seconds_total') >= value('longest_reply_time_seconds'));

  const { stdout } = await sluice(t, 'status', '-v', '-c', gateway.config);
  assert.match(stdout, /dust answering: 3 frames, last .* ago, 1 damaged, 1 half frame, 16 bytes skipped in 2 places\n/);
  assert.match(
    stdout,
    /co2 \S+: \d+ replies of \d+ requests, last .* ago, .* on average \(last .* ms, 95 % within .* beyond the wire, longest .*\), \d+ time-outs?, \d+ damaged, .*\d+ half frames?, \d+ bytes skipped in \d+ places?/,
  );
});
