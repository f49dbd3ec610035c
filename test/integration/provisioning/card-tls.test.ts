/** A card with an authority, a certificate and a key: Mosquitto, which demands one, takes the connection that the configuration makes. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import { parse } from 'yaml';
import { Authority } from '../../harness/certificates.ts';
import { FakeBoard } from '../../harness/fake-board.ts';
import { upstreamFault } from '../../harness/open-upstream.ts';
import { scratch } from '../../harness/scratch.ts';
import { Mosquitto } from '../../peers/mosquitto.ts';

interface Made {
  readonly forwarders: { readonly upstream: { readonly url: string; readonly tls: Record<'ca' | 'cert' | 'key', string> } };
}

test('a card as Windows writes it connects with mutual TLS, also when its key has left it', async (t) => {
  const authority = Authority.make(t);
  if (authority === undefined) return;
  const server = authority.sign('broker');
  const extra = [`cafile ${authority.ca}`, 'require_certificate true', 'use_identity_as_username true'];
  const broker = await Mosquitto.start(t, { extra: [`certfile ${server.cert}`, `keyfile ${server.key}`, ...extra] });
  if (broker === undefined) return;
  const { cert, key } = authority.sign('ghat-1', { names: '' });
  const text = (file: string) => `\ufeff${readFileSync(file, 'utf8').replaceAll('\n', '\r\n')}`;
  const board = new FakeBoard(scratch(t));
  for (const [name, file] of [
    ['CA.PEM', authority.ca],
    ['CLIENT.PEM', cert],
    ['CLIENT.KEY', key],
  ] as const)
    board.write(text(file), name);
  const url = `mqtts://localhost:${broker.port}`;
  board.write(`\ufeffupstream:\r\n  url: ${url}\r\n  ca: ca.pem\r\n  cert: client.pem\r\n  key: client.key\r\n`);
  for (const outcome of ['applied', 'unchanged']) {
    const done = board.start();
    assert.deepEqual([done.outcome, done.faults], [outcome, []]);
    const { upstream } = (parse(board.yaml) as Made).forwarders;
    assert.deepEqual(await upstreamFault(upstream.url, { tls: upstream.tls }), ['none', 'it was taken'], outcome);
    const { ca } = upstream.tls;
    assert.notEqual((await upstreamFault(upstream.url, { tls: { ca } }))[0], 'none', 'the broker does demand one');
  }
  assert.ok(
    broker.log.some((line) => line.includes("u'ghat-1'")),
    broker.log.join('\n'),
  );
});
