/** `sluice status --watch` in a real terminal, at a real gateway. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { PseudoTerminal } from '../../../scripts/recording/pseudo-terminal.ts';
import { answerTcp, fakeTcp } from '../../fakes/modbus-device.ts';
import { MAIN, makeGateway, sluice } from '../../harness/start-gateway.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { peer } from '../../peers/peers.ts';

test('the page lives through a restart, makes no commit, and ends by Ctrl-C', async (t) => {
  if (peer(t, 'script', 'apt-get install -y bsdutils') === undefined) return;
  const device = await fakeTcp(t, answerTcp);
  const gateway = makeGateway(
    t,
    (g) => `
${g.section}
buses: {plant: {protocol: modbus-tcp, host: 127.0.0.1, port: ${device.port}}}
devices: {pump: {bus: plant, unit: 1, interval: 50ms, points: {level: {table: holding, address: 4, type: uint16}}}}
buffer: {commitEvery: 1h}
`,
  );
  await gateway.up();
  await waitFor('readings', async () => (await gateway.status()).log.appended > 20);
  const { commits } = (await gateway.status()).log;
  const terminal = new PseudoTerminal(
    [process.execPath, MAIN, 'status', '--watch', '--socket', gateway.socket],
    { columns: 80, rows: 24 },
    { ...process.env, TERM: 'xterm-256color' },
    gateway.folder,
  );
  t.after(() => terminal.end());
  const shows = (pattern: RegExp) =>
    waitFor(
      () => `${pattern} on\n${terminal.text()}`,
      () => pattern.test(terminal.text()),
    );
  await shows(/^g1 .*\n.*Nothing is wrong\.\n\n +last 5 minutes\n pump +level +\d+ .*[▁▂▃▄▅▆▇█] *\n q ends/);
  // No shell is there that could continue it after Ctrl-Z.
  terminal.type('xyz\u001b[1;5C jkbgG\u001a');
  await waitFor('the page to come back', () => terminal.raw.split('\u001b[?1049h').length > 2);
  await terminal.resize({ columns: 30, rows: 6 });
  await terminal.resize({ columns: 100, rows: 30 });
  await shows(/^g1 .*\n.*Nothing is wrong\.\n\n +last 5 minutes\n pump +level +\d+ .*[▁▂▃▄▅▆▇█] *\n q ends/);
  assert.equal((await gateway.status()).log.commits, commits, 'nothing was written because somebody looked');
  assert.equal(await gateway.stop(), 0);
  await shows(/The gateway does not answer since \d\d:\d\d:\d\d/);
  await gateway.up();
  await shows(/^g1 .*\n.*Nothing is wrong\.\n\n/);
  terminal.type('\u0003');
  assert.equal(await terminal.ended, 0);
  assert.ok(terminal.raw.trimEnd().endsWith('\u001b[?25h\u001b[?1049l'), 'the terminal is given back');
});

test('where no page can be drawn, or nobody answers, the command says what to do', async (t) => {
  const piped = await sluice(t, 'status', '--watch', '--socket', '/nowhere/sluice.sock');
  assert.deepEqual([piped.code, piped.stdout], [2, '']);
  assert.match(piped.stderr, /the output is no terminal\. "sluice status" answers once, and "sluice tail" prints/);
  const json = await sluice(t, 'status', '--watch', '--json');
  assert.equal(json.code, 2);
  assert.match(json.stderr, /'-w, --watch' cannot be used with option '--json'/);
  if (peer(t, 'script', 'apt-get install -y bsdutils') === undefined) return;
  const on = async (TERM: string) => {
    const command = [process.execPath, MAIN, 'status', '--watch', '--socket', '/nowhere/sluice.sock'];
    const terminal = new PseudoTerminal(command, { columns: 100, rows: 24 }, { ...process.env, TERM }, process.cwd());
    return [await terminal.ended, terminal.raw] as const;
  };
  const [dumb, none] = [await on('dumb'), await on('xterm')];
  assert.equal(dumb[0], 2);
  assert.match(dumb[1], /a terminal of the kind "dumb" cannot do that/);
  assert.equal(none[0], 1);
  assert.match(none[1], /no gateway is running here/);
});
