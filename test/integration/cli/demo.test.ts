/** What a new user sees: the demonstration, and its platform against a real MQTT client. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import mqtt from 'mqtt';
import { PseudoTerminal } from '../../../scripts/recording/pseudo-terminal.ts';
import { request } from '../../../src/admin/client.ts';
import { Platform } from '../../../src/cli/demo/platform.ts';
import { startChild } from '../../harness/child.ts';
import { freePort } from '../../harness/free-port.ts';
import { scratch } from '../../harness/scratch.ts';
import { MAIN } from '../../harness/start-gateway.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { peer } from '../../peers/peers.ts';

/** Beside the program that the suites run: the bundle under `npm test`, else the sources. */
const DEMO = path.join(path.dirname(MAIN), `demo${path.extname(MAIN)}`);

test('the demonstration alarms, keeps through an outage, ends by a signal, starts again', async (t) => {
  // The user stands somewhere else than npm, which changes to the folder of the repository.
  const standing = scratch(t, 'demo');
  const folder = path.join(standing, 'the site');
  for (const again of [false, true]) {
    const env = { INIT_CWD: standing };
    const demo = startChild(t, process.execPath, [DEMO, '--plain', '--folder', 'the site'], { env });
    await demo.line(/network: connected \| read [1-9][\d,]* = delivered [1-9]/);
    await demo.line(/fridge\.temperature=-?\d+\.\d°C/);
    if (!again) {
      await demo.line(/ALARM fridge-warm: /);
      await demo.line(/network: away .* \+ waiting [1-9]\d* \+ lost 0/);
      await demo.line(/ {2}The [1-9]\d* readings that waited are delivered\. None is lost\./);
    }
    assert.equal(await demo.stop('SIGINT'), 0, demo.stderr.join('\n'));
    await nextSteps(t, demo.stdout, standing);
  }
  // Killed, it leaves no gateway behind.
  const killed = startChild(t, process.execPath, [DEMO, '--plain', '--folder', folder]);
  await killed.line(/network: connected/);
  // A second one in the same folder is refused, and does not change the configuration of the first.
  const before = readFileSync(path.join(folder, 'gateway.yaml'), 'utf8');
  const second = startChild(t, process.execPath, [DEMO, '--plain', '--folder', folder]);
  assert.equal(await second.ended, 1);
  assert.match(second.stderr.join('\n'), /a demonstration runs in .*--folder DIR/);
  assert.equal(readFileSync(path.join(folder, 'gateway.yaml'), 'utf8'), before);
  await killed.stop('SIGKILL');
  await waitFor('the gateway to follow', () =>
    request(path.join(folder, 'state', 'sluice.sock'), 'GET', '/healthz').then(
      () => false,
      () => true,
    ),
  );
});

/** The last words say how many readings there were, and name commands that work from where the user stands. */
async function nextSteps(t: TestContext, lines: readonly string[], standing: string): Promise<void> {
  const end = lines.findIndex((line) => line.startsWith('The gateway read '));
  const [, read, delivered, waiting, lost] =
    /^The gateway read ([\d,]+) readings\. The platform has ([\d,]+), ([\d,]+) wait, ([\d,]+) are lost\.$/.exec(
      lines[end] ?? '',
    ) ?? [];
  const number = (text: string | undefined) => Number(text?.replaceAll(',', ''));
  assert.equal(number(read), number(delivered) + number(waiting) + number(lost));
  assert.equal(lost, '0');
  const commands = lines.slice(end).filter((line) => /^ {2}\S*sluice /.test(line));
  assert.equal(commands.length, 4);
  for (const command of commands.filter((line) => !line.includes(' init '))) {
    const child = startChild(t, 'sh', ['-c', command], { cwd: standing });
    assert.equal(await child.ended, 0, `${command}: ${child.stderr.join('\n')}`);
    assert.ok(child.stdout.length > 1, command);
  }
}

test('a terminal gets a page, keys make faults, and it is given back', async (t) => {
  if (peer(t, 'script', 'apt-get install -y bsdutils') === undefined) return;
  const terminal = new PseudoTerminal(
    [process.execPath, DEMO, '--folder', scratch(t, 'demo')],
    { columns: 80, rows: 24 },
    { ...process.env, TERM: 'xterm-256color', NO_COLOR: '' },
    process.cwd(),
  );
  t.after(() => terminal.end());
  const shows = (pattern: RegExp) =>
    waitFor(
      () => `${pattern} on\n${terminal.text()}`,
      () => pattern.test(terminal.text()),
    );
  await shows(/NETWORK connected[\s\S]*fridge +temperature +\d+\.\d °C[\s\S]*q end/);
  terminal.type('nnnn');
  await shows(/You lead[\s\S]*n fix network/);
  await shows(/NETWORK away for \d+ s +KEPT [1-9]\d* +LOST 0/);
  // Keys that mean nothing, a sequence that nobody knows, and bytes that are no text.
  terminal.type('x\u001b[1;5Cé\u0000');
  await shows(/This key does nothing/);
  await terminal.resize({ columns: 40, rows: 12 });
  await shows(/\[?NETWORK away[\s\S]*lost 0|KEPT/);
  await terminal.resize({ columns: 80, rows: 24 });
  // A key that comes soon after the last one counts as held down. A page that is late is no reason to press again: that would cut.
  await waitFor('the key not to count as held down', async () => {
    terminal.type('n');
    const shown = () => /The network is back/.test(terminal.text());
    return waitFor('the network', shown, { timeout: 8000 });
  });
  await shows(/The [1-9]\d* readings that waited are delivered\. None is lost\./);
  terminal.type('u');
  await shows(/pump +running +- +.*no answer/);
  await shows(/ALARM pump-silent/);
  terminal.type('q');
  assert.equal(await terminal.ended, 0);
  assert.match(terminal.text(), /Stopping the gateway[\s\S]*The gateway read [\d,]+ readings\.[\s\S]*What next\?/);
  const { raw } = terminal;
  assert.ok(raw.includes('\u001b[?1049h') && raw.indexOf('\u001b[?25h\u001b[?1049l') > raw.lastIndexOf('q end'));
});

test('a reader that goes away ends the demonstration and its gateway', async (t) => {
  const folder = scratch(t, 'demo');
  const command = `'${process.execPath}' '${DEMO}' --plain --folder '${folder}' | head -n 2`;
  const pipe = startChild(t, 'sh', ['-c', command]);
  assert.equal(await pipe.ended, 0);
  assert.equal(pipe.stdout.length, 2);
  assert.ok(pipe.stderr.length === 0, pipe.stderr.join('\n'));
  await assert.rejects(request(path.join(folder, 'state', 'sluice.sock'), 'GET', '/healthz'));
});

test('a wrong option is refused with the right ones', async (t) => {
  const demo = startChild(t, process.execPath, [DEMO, '--colour']);
  assert.equal(await demo.ended, 2);
  assert.match(demo.stderr.join('\n'), /--colour is not understood[\s\S]*--seconds/);
});

test('the platform acknowledges, keeps each record once, and is really away when it is', async (t) => {
  const platform = new Platform(await freePort());
  await platform.start();
  t.after(() => platform.stop());
  const connect = () => mqtt.connectAsync(`mqtt://127.0.0.1:${platform.port}`, { reconnectPeriod: 0 }, false);
  const client = await connect();
  client.on('error', () => {});
  const batch = (first: number, last: number) =>
    JSON.stringify({
      ...{ v: 1, log: 'L', first, last },
      records: Array.from({ length: last - first + 1 }, (_, i) => ({ seq: first + i, values: { a: 1, b: 2 } })),
    });
  await client.publishAsync('sluice/demo/data', batch(1, 10), { qos: 1 });
  await client.publishAsync('sluice/demo/data', batch(5, 12), { qos: 1 });
  await client.publishAsync('sluice/demo/history', batch(13, 2000), { qos: 1 });
  await client.publishAsync('sluice/demo/status', '{}', { qos: 1, retain: true });
  assert.deepEqual(platform.counts, { records: 2000, readings: 4000, lateReadings: 3976, repeats: 6, alarms: 0 });
  const closed = new Promise<void>((resolve) => client.once('close', () => resolve()));
  await platform.stop();
  await closed;
  await assert.rejects(connect(), /ECONNREFUSED/);
  await platform.start();
  const back = await connect();
  await back.publishAsync('sluice/demo/history', batch(1, 2000), { qos: 1 });
  assert.equal(platform.counts.repeats, 2006);
  await back.endAsync();
});
