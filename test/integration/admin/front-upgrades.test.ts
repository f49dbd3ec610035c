/** WebSockets that a door of the front refuses: the answer on the wire is the one that a request gets, with its header fields. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import net from 'node:net';
import test, { type TestContext } from 'node:test';
import { Front } from '../../../src/admin/front/front.ts';
import { FrontAudit } from '../../../src/admin/front/front-audit.ts';
import type { FrontKind } from '../../../src/admin/front/headers.ts';
import { REQUESTS_AT_ONCE } from '../../../src/admin/front/limits.ts';
import { systemClock } from '../../../src/core/clock.ts';
import type { FlowStatus } from '../../../src/core/flow-supervisor.ts';
import { silentLogger } from '../../../src/core/logger.ts';
import { claimedAccess } from '../../fakes/test-access.ts';
import { localHttp } from '../../harness/local-http.ts';
import { waitFor } from '../../harness/wait-for.ts';

interface Answer {
  readonly status: number;
  readonly fields: Readonly<Record<string, string>>;
  readonly body: { readonly error: { readonly code: string; readonly message: string } };
}

/** A door in front of no Node-RED, with real accounts. */
async function doorBench(t: TestContext, kind: FrontKind) {
  const { access } = await claimedAccess(t);
  const front = new Front({
    logger: silentLogger,
    side: {
      ...{
        clock: systemClock,
        people: access.people,
        names: () => [],
        title: () => 'Gateway',
        open: () => false,
        font: undefined,
      },
      flows: { editor: undefined, status: (): FlowStatus => assert.fail('nobody asks for it') },
      deploys: { deploying: () => () => {} },
      audit: new FrontAudit({ clock: systemClock, logger: silentLogger, tell: () => {} }),
    },
  });
  t.after(() => front.stop());
  front.set({ editor: [], 'http-in': [], [kind]: [localHttp()] });
  const port = await waitFor('the address', () => front.status()[kind]?.listeners[0]?.port || undefined);
  const ask = (path: string, more: Readonly<Record<string, string>>): Promise<Answer> =>
    new Promise((resolve, reject) => {
      const socket = net.connect({ host: '127.0.0.1', port });
      t.after(() => socket.destroy());
      let got = '';
      socket.setEncoding('utf8').on('data', (part: string) => {
        got += part;
      });
      socket.on('error', reject);
      socket.on('close', () => resolve(answerIn(got)));
      const fields = { host: `127.0.0.1:${port}`, ...more };
      const lines = Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`);
      socket.write(`GET ${path} HTTP/1.1\r\n${lines.join('')}\r\n`);
    });
  const upgrade = () => ({
    ...{ connection: 'Upgrade', upgrade: 'websocket', 'sec-websocket-version': '13' },
    'sec-websocket-key': randomBytes(16).toString('base64'),
  });
  return {
    refused: () => front.status()[kind]?.refused,
    webSocket: (path: string, more = {}) => ask(path, { ...upgrade(), ...more }),
    request: (path: string, more = {}) => ask(path, { connection: 'close', ...more }),
  };
}

function answerIn(text: string): Answer {
  const [head = '', body = ''] = text.split('\r\n\r\n');
  const [first = '', ...lines] = head.split('\r\n');
  const fields = Object.fromEntries(
    lines.map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 1).trim()]),
  );
  assert.equal(Buffer.byteLength(body), Number(fields['content-length']), text);
  return { status: Number(/^HTTP\/1\.1 (\d+) /.exec(first)?.[1]), fields, body: JSON.parse(body) as Answer['body'] };
}

test('a WebSocket with a wrong token waits as a request does: 429, and how long', async (t) => {
  const door = await doorBench(t, 'http-in');
  const authorization = 'Bearer slt_k3v9q2ab_aaaaaaaaaaaaaaaaaaaaaaaaaa';
  const first = await door.webSocket('/ws', { authorization });
  assert.deepEqual([first.status, first.body.error.code], [401, 'unauthorized']);
  assert.match(first.fields['www-authenticate'] ?? '', /^Bearer /);
  let last = first;
  for (let i = 0; i < 500 && last.status === 401; i++) last = await door.webSocket('/ws', { authorization });
  assert.deepEqual([last.status, last.body.error.code], [429, 'throttled']);
  assert.match(last.fields['retry-after'] ?? '', /^[1-9]\d*$/);
  const asked = await door.request('/ws', { authorization });
  assert.deepEqual([asked.status, asked.body], [last.status, last.body]);
  assert.match(asked.fields['retry-after'] ?? '', /^[1-9]\d*$/);
});

test('WebSockets of an address that asks too often wait: 429, and how long', async (t) => {
  const door = await doorBench(t, 'editor');
  let last = await door.webSocket('/comms');
  for (let i = 0; i < 20 * REQUESTS_AT_ONCE && last.status === 401; i++) last = await door.webSocket('/comms');
  assert.deepEqual([last.status, last.body.error.code], [429, 'too-many-requests']);
  assert.equal(last.fields['retry-after'], '1');
  assert.equal(door.refused()?.requests, 1);
});
