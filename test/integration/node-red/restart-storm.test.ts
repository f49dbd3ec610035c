/** Clients that may restart Node-RED, and do so by the thousand: Node-RED is back, nothing waits without a bound, and the audit is short. */
// Takes minutes: it starts before the others.
import '../../harness/no-outside.ts';
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import test from 'node:test';
import { request } from '../../../src/admin/client.ts';
import { SluiceError } from '../../../src/core/errors.ts';
import { nodeRedSite } from '../../harness/node-red-site.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { Mosquitto, Subscriber } from '../../peers/mosquitto.ts';
import { nodeRedPeer, peer } from '../../peers/peers.ts';

const COMMANDS = 5000;
const CLIENTS = 4;
const LOCAL = 300;

interface Result {
  readonly id: string;
  readonly ok: boolean;
  readonly code?: string;
}

test('five thousand restarts, each a command with an id: Node-RED is back with its flows', { timeout: 600_000 }, async (t) => {
  const publish = peer(t, 'mosquitto_pub', 'apt-get install -y mosquitto-clients');
  if (!nodeRedPeer(t) || publish === undefined) return;
  const broker = await Mosquitto.start(t);
  if (broker === undefined) return;
  const sub = await Subscriber.start(t, broker.port, ['sluice/g1/result/+']);
  if (sub === undefined) return;
  const cloud = `forwarders:\n  cloud: {type: mqtt, url: '${broker.url}', commands: {restartFlows: true}}\n`;
  const site = await nodeRedSite(t, '', { rest: cloud });
  const { gateway } = site;
  await gateway.up();
  await gateway.waitForLog(/Connected to the upstream broker/);
  const { pid } = await site.until('running');
  assert.equal(await site.deploy([{ id: 'a', type: 'tab', label: 'Pump' }]), 204);

  const say = (client: number): Promise<void> =>
    new Promise((resolve, reject) => {
      const words = ['-p', String(broker.port), '-q', '1', '-t', 'sluice/g1/command', '-l'];
      const child = spawn(publish, words, { stdio: ['pipe', 'ignore', 'inherit'] });
      child.on('error', reject);
      child.on('exit', (code) => (code === 0 ? resolve() : reject(new Error(`mosquitto_pub ended with ${code}`))));
      const lines = Array.from({ length: COMMANDS / CLIENTS }, (_, n) => `{"id":"c${client}-${n}","do":"restart-flows"}`);
      child.stdin.end(`${lines.join('\n')}\n`);
    });
  const local = async (): Promise<string> => {
    const answer = request(gateway.socket, 'POST', '/api/v1/flows/restart', {}, 200_000);
    return answer.then(
      () => 'done',
      (thrown: unknown) =>
        thrown instanceof SluiceError
          ? thrown.code === 'busy'
            ? thrown.code
            : `${thrown.code}: ${thrown.message}`
          : String(thrown),
    );
  };
  const [asked] = await Promise.all([
    Promise.all(Array.from({ length: LOCAL }, local)),
    ...Array.from({ length: CLIENTS }, (_, client) => say(client)),
  ]);
  // The last command comes after all of them.
  const results = (): Result[] => sub.messages().map(({ payload }) => JSON.parse(payload) as Result);
  const last = async (): Promise<Result | undefined> => {
    const id = `last-${results().length}`;
    const ended = new Promise((resolve) => {
      const words = [
        '-p',
        String(broker.port),
        '-q',
        '1',
        '-t',
        'sluice/g1/command',
        '-m',
        `{"id":"${id}","do":"restart-flows"}`,
      ];
      spawn(publish, words, { stdio: 'ignore' }).on('exit', resolve);
    });
    await ended;
    const one = await waitFor(`the result of ${id}`, () => results().find((result) => result.id === id));
    return one.ok ? one : undefined;
  };
  await site.until('running');
  await waitFor('a restart again', last, { every: 2000 });

  const all = results();
  const done = all.filter(({ ok }) => ok).length + asked.filter((one) => one === 'done').length;
  t.diagnostic(
    `${done} done; ${all.length} of ${COMMANDS} commands have a result; over the socket ${JSON.stringify([...new Set(asked)])}`,
  );
  assert.equal(new Set(all.map(({ id }) => id)).size, all.length, 'one result for an id');
  const odd = all.filter(({ ok, code }) => !ok && code !== 'busy');
  assert.deepEqual(odd, [], gateway.tail(60));
  // The socket takes 32 connections (limits.ts): one more ends the one that has waited for the longest time, with these words.
  const refused = asked.filter(
    (one) => one !== 'done' && one !== 'busy' && !/ended the connection .*too many programs/.test(one),
  );
  assert.deepEqual(refused, []);
  assert.ok(done >= 2 && done <= 12, `${done} restarts`);
  const audited = gateway.logs().filter((line) => line.do === 'restart-flows' && line.result === 'refused');
  assert.ok(audited.length > 0 && audited.length <= 60 * 8, `${audited.length} refusals in the log`);

  const flows = await site.until('running');
  assert.notEqual(flows.pid, pid);
  assert.deepEqual([flows.crashes, flows.restarts, flows.safeMode], [0, 0, undefined]);
  assert.equal(site.runtimes().length, 1);
  assert.match((await site.ask('GET', '/flows')).body, /"Pump"/, 'the same flows');
  await site.assertPolled();
  assert.equal(await gateway.stop(), 0);
});
