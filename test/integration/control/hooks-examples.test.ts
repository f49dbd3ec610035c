/** The hooks of examples/hooks against a mail server and a modem that write down what they get. */
import assert from 'node:assert/strict';
import net from 'node:net';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import { runProcess } from '../../../src/control/actions/hook-process.ts';
import { systemClock } from '../../../src/core/clock.ts';
import { startChild } from '../../harness/child.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { peer } from '../../peers/peers.ts';

const HOOKS = path.join(import.meta.dirname, '../../../examples/hooks');
const MODEM = path.join(import.meta.dirname, '../../peers/at-modem.py');
const PYTHON = '/usr/bin/python3';

const run = (hook: string, args: string[], message: string) =>
  runProcess(
    {
      run: [path.join(HOOKS, hook), ...args],
      input: `${JSON.stringify({
        ...{
          v: 1,
          gateway: 'g1',
          hook,
          rule: 'warm',
          point: 'fridge.temperature',
          occurrence: 1,
          state: 'active-unacknowledged',
        },
        ...{ severity: 'critical', value: '9.5', time: 1_795_000_000_000, message, with: {} },
      })}\n`,
      timeout: 60_000,
    },
    systemClock,
  );

/** A mail server that takes everything; `refuse` answers this command with an error. */
async function mailServer(t: TestContext, refuse?: string) {
  const got: string[] = [];
  const server = net.createServer((socket) => {
    let data = false;
    let rest = '';
    socket.setEncoding('utf8');
    socket.on('error', () => {});
    socket.write('220 mail ESMTP\r\n');
    socket.on('data', (chunk: string) => {
      rest += chunk;
      for (let end = rest.indexOf('\r\n'); end >= 0; end = rest.indexOf('\r\n')) {
        const line = rest.slice(0, end);
        rest = rest.slice(end + 2);
        got.push(line);
        if (data) {
          if (line !== '.') continue;
          data = false;
          socket.write('250 taken\r\n');
        } else if (refuse !== undefined && line.toUpperCase().startsWith(refuse)) socket.write('550 no such user\r\n');
        else if (line === 'DATA' || line === 'data') {
          data = true;
          socket.write('354 go on\r\n');
        } else if (/^quit/i.test(line)) socket.end('221 bye\r\n');
        else socket.write('250 ok\r\n');
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  return { got, port: (server.address() as net.AddressInfo).port };
}

test('an alarm is sent as an e-mail, and its text adds no header', async (t) => {
  if (peer(t, PYTHON, 'apt-get install -y python3') === undefined) return;
  const { got, port } = await mailServer(t);
  const args = [`--server=127.0.0.1:${port}`, '--tls=none', '--from=gateway@clinic.example', '--to=nurse@clinic.example'];
  await run('send-mail', args, 'The fridge is warm\r\nBcc: everybody@example.org');
  assert.ok(
    got.some((line) => /^rcpt to:<nurse@clinic\.example>/i.test(line)),
    got.join('\n'),
  );
  assert.equal(got.filter((line) => /^rcpt to/i.test(line)).length, 1);
  assert.ok(got.includes('Subject: critical: The fridge is warm Bcc: everybody@example.org'), got.join('\n'));
  const head = got.slice(
    0,
    got.indexOf(
      '',
      got.findIndex((line) => line.startsWith('Subject')),
    ),
  );
  assert.ok(!head.some((line) => line.startsWith('Bcc')));
  assert.ok(got.includes('Value: 9.5'));
});

test('a mail server that refuses is an error with its words', async (t) => {
  if (peer(t, PYTHON, 'apt-get install -y python3') === undefined) return;
  const { port } = await mailServer(t, 'RCPT');
  const args = [`--server=127.0.0.1:${port}`, '--tls=none', '--from=g@clinic.example', '--to=nobody@clinic.example'];
  await assert.rejects(run('send-mail', args, 'x'), /ended with 1/);
});

test('an alarm is sent as an SMS in AT commands, also in Bangla', async (t) => {
  if (peer(t, PYTHON, 'apt-get install -y python3') === undefined) return;
  const modem = startChild(t, PYTHON, [MODEM]);
  const port = (await modem.line(/^port /)).slice(5);
  await run('send-sms', [`--port=${port}`, '--to=+8801700000000'], 'The fridge is warm');
  // What the modem writes comes through a pipe of its own.
  const texts = () => modem.stdout.filter((line) => line.startsWith('text '));
  await waitFor('the text at the modem', () => texts().length === 1);
  assert.deepEqual(modem.stdout.slice(1), [
    ...['command ATE0', 'command AT+CMGF=1', 'command AT+CSCS="GSM"', 'command AT+CSMP=17,167,0,0'],
    ...['command AT+CMGS="+8801700000000"', 'text The fridge is warm'],
  ]);
  // A text that would end the message and give a command of its own.
  await run('send-sms', [`--port=${port}`, '--to=+8801700000000'], 'ফ্রিজ গরম\u001a\rATD112;');
  await waitFor('the second text at the modem', () => texts().length === 2);
  const text = texts().at(-1) ?? '';
  const shown = Buffer.from(text.slice('text '.length), 'hex').swap16().toString('utf16le');
  assert.equal(shown, 'ফ্রিজ গরম ATD112;');
  assert.equal(modem.stdout.filter((line) => line.startsWith('command ATD')).length, 0);
});

test('a modem that refuses is an error, and a number that is none is not dialled', async (t) => {
  if (peer(t, PYTHON, 'apt-get install -y python3') === undefined) return;
  const modem = startChild(t, PYTHON, [MODEM, 'fails']);
  const port = (await modem.line(/^port /)).slice(5);
  await assert.rejects(run('send-sms', [`--port=${port}`, '--to=+8801700000000'], 'x'), /the modem said .*CMS ERROR: 38/);
  await assert.rejects(run('send-sms', [`--port=${port}`, '--to=112;ATD'], 'x'), /--to is a number/);
});
