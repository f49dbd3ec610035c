/**
 * Mosquitto as upstream on both versions of MQTT, case by case: who is not believed or not let in, and what arrives once the cause is
 * gone; connections that are cut, acknowledgements that are lost, and the limits of a broker.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import { createServer, type TLSSocket } from 'node:tls';
import type { TlsSettings } from '../../../src/forwarders/mqtt/wire/tls-material.ts';
import { Authority, fingerprintOf, type Pair, type SignOptions } from '../../harness/certificates.ts';
import { type Cut, CuttingRelay } from '../../harness/cutting-relay.ts';
import { DropProxy } from '../../harness/drop-proxy.ts';
import { freePort } from '../../harness/free-port.ts';
import { openUpstream } from '../../harness/open-upstream.ts';
import { scratch } from '../../harness/scratch.ts';
import { UpstreamSite } from '../../harness/upstream-site.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { Consumer } from '../../oracles/consumer.ts';
import { Mosquitto, Subscriber } from '../../peers/mosquitto.ts';
import { peer } from '../../peers/peers.ts';

const VERSIONS = ['3.1.1', 5] as const;
type Version = (typeof VERSIONS)[number];

const count = (n: number) => Array.from({ length: n }, (_, i) => i);
/** Pauses between connections have no length. */
const AT_ONCE = { random: () => -1 };

/** One test for each version. */
function both(name: string, run: (t: TestContext, protocol: Version) => Promise<void>): void {
  for (const protocol of VERSIONS) test(`MQTT ${protocol}: ${name}`, (t) => run(t, protocol));
}

/** A broker with a listener of its own for the gateway, and a subscriber that needs no log-in. @param lines of that listener */
async function upstream(t: TestContext, lines: readonly string[], persistence = false) {
  const port = await freePort();
  const extra = [`listener ${port} 127.0.0.1`, ...lines];
  const broker = await Mosquitto.start(t, { extra, persistence, perListener: true });
  const subscriber = broker && (await Subscriber.start(t, broker.port, ['sluice/g1/data', 'sluice/g1/history']));
  if (broker === undefined || subscriber === undefined) return undefined;
  return { broker, port, subscriber, came: () => new Consumer().feedAll(subscriber.messages()) };
}

/** All that the site took arrives in order, and nothing counts twice. */
async function arrives({ came }: { came: () => Consumer }, site: UpstreamSite): Promise<void> {
  await waitFor(
    () => `all readings: ${came().records().length} of ${site.appended}; ${JSON.stringify(site.forwarder.status())}`,
    () => came().records().length === site.appended,
  );
  assert.deepEqual(
    came()
      .records()
      .map(({ values }) => values.n),
    count(site.appended),
  );
  assert.deepEqual(came().judge(), []);
}

interface Refusal {
  readonly name: string;
  /** The certificate of the broker. */
  readonly sign?: SignOptions;
  readonly lines?: (authority: Authority, t: TestContext) => readonly string[] | undefined;
  readonly wrong: (authority: Authority, other: Authority) => Access;
  /** What helps. */
  readonly right: (authority: Authority, pair: Pair) => Access;
  readonly says: RegExp;
}
interface Access {
  readonly tls: TlsSettings;
  readonly username?: string;
  readonly password?: string;
}

const mutual = (authority: Authority) => [`cafile ${authority.ca}`, 'require_certificate true', 'use_identity_as_username true'];
/** A user `gateway` with the password `right`. */
const users = (authority: Authority, t: TestContext): readonly string[] | undefined => {
  const passwd = peer(t, 'mosquitto_passwd', 'apt-get install -y mosquitto');
  if (passwd === undefined) return undefined;
  const file = path.join(scratch(t, 'passwd'), 'users');
  execFileSync(passwd, ['-b', '-c', file, 'gateway', 'right'], { stdio: 'ignore' });
  return [`cafile ${authority.ca}`, 'allow_anonymous false', `password_file ${file}`];
};
const ca = (authority: Authority): Access => ({ tls: { ca: authority.ca } });

const REFUSALS: readonly Refusal[] = [
  {
    name: 'an expired certificate of the broker',
    sign: { from: -20, until: -2 },
    wrong: ca,
    // Nobody renews it here: the pin says that this one is meant.
    right: (_, pair) => ({ tls: { fingerprint: fingerprintOf(pair) } }),
    says: /has expired; the operator of the broker has to renew it/,
  },
  {
    name: 'a certificate for another host',
    sign: { names: 'DNS:broker.example.org' },
    wrong: ca,
    right: ({ ca }) => ({ tls: { ca, serverName: 'broker.example.org' } }),
    says: /a certificate for broker\.example\.org, not for localhost/,
  },
  {
    name: 'an authority that is not known',
    wrong: () => ({ tls: {} }),
    right: ca,
    says: /an authority that this gateway does not know/,
  },
  {
    name: 'another authority than the one that is named',
    wrong: (_, other) => ({ tls: { ca: other.ca } }),
    right: ca,
    says: /none of the authorities in `tls: \{ca/,
  },
  {
    name: 'mutual TLS without a certificate',
    lines: mutual,
    wrong: ca,
    right: (authority) => ({ tls: { ca: authority.ca, ...authority.sign('gateway', { names: '' }) } }),
    says: /demand.* a certificate/,
  },
  {
    name: 'mutual TLS with a certificate of another authority',
    lines: mutual,
    wrong: (authority, other) => ({ tls: { ca: authority.ca, ...other.sign('stranger', { names: '' }) } }),
    right: (authority) => ({ tls: { ca: authority.ca, ...authority.sign('gateway', { names: '' }) } }),
    says: /refuses the certificate of this gateway|take the certificate of this gateway\?/,
  },
  {
    name: 'no user name where one is demanded',
    lines: users,
    wrong: ca,
    right: (authority) => ({ ...ca(authority), username: 'gateway', password: 'right' }),
    says: /accepts no client without a user name|the user name or the password is wrong/,
  },
  {
    name: 'a wrong password',
    lines: users,
    wrong: (authority) => ({ ...ca(authority), username: 'gateway', password: 'wrong' }),
    right: (authority) => ({ ...ca(authority), username: 'gateway', password: 'right' }),
    says: /correct `username` and `password`/,
  },
];

for (const { name, sign, lines, wrong, right, says } of REFUSALS)
  both(`${name} is said, then all arrives`, async (t, protocol) => {
    const [authority, other] = [Authority.make(t), Authority.make(t, 'Another authority')];
    if (authority === undefined || other === undefined) return;
    const pair = authority.sign('broker', sign);
    const more = lines === undefined ? [] : lines(authority, t);
    const at = more && (await upstream(t, [`certfile ${pair.cert}`, `keyfile ${pair.key}`, 'allow_anonymous true', ...more]));
    if (at === undefined) return;
    const url = `mqtts://localhost:${at.port}`;
    const place = scratch(t, 'place');
    const bad = await UpstreamSite.open(t, { url, protocol, ...wrong(authority, other) }, {}, place);
    bad.forwarder.start();
    bad.add(10);
    await waitFor(
      () => `words: ${bad.fault}`,
      () => bad.fault !== '',
    );
    assert.match(bad.fault, says);
    await bad.close();
    assert.equal(at.came().batches, 0);
    // The same log: what waited leaves now.
    const good = await UpstreamSite.open(t, { url, protocol, ...right(authority, pair) }, {}, place);
    good.forwarder.start();
    await waitFor(
      () => `the readings that waited: ${JSON.stringify(good.forwarder.status())}`,
      () => at.came().records().length === 10,
    );
    assert.deepEqual(at.came().judge(), []);
  });

both('cuts at many places of the handshake lose nothing', async (t, protocol) => {
  const authority = Authority.make(t);
  if (authority === undefined) return;
  const { cert, key } = authority.sign('broker');
  const at = await upstream(t, [`certfile ${cert}`, `keyfile ${key}`, 'allow_anonymous true'], true);
  if (at === undefined) return;
  const tls = { ca: authority.ca };
  const relay = await CuttingRelay.start(t, at.port);
  const url = `mqtts://localhost:${relay.port}`;
  // How long both sides of a whole connection are.
  const mqtt5 = protocol === 5 ? { sessionExpiry: 0, messageExpiry: undefined, userProperties: undefined } : undefined;
  await (await openUpstream(url, { tls, ...(mqtt5 && { mqtt5 }) })).end(1000);
  await waitFor('its end', () => relay.last.broker > 0);
  const { gateway, broker } = relay.last;
  const places = (whole: number) => [0, 1, 5, 6, 40, 128, 300, 700, whole - 60, whole - 30, whole - 10, whole - 1];
  const cuts = (of: Cut['of'], whole: number): Cut[] =>
    places(whole)
      .filter((after) => after >= 0)
      .map((after, i) => ({ of, after, how: i % 2 === 0 ? 'destroy' : 'resetAndDestroy' }));
  // Behind the handshake: in the greeting, and in the first batches.
  const later: Cut[] = [100, 300, 600, 900].map((more) => ({ of: 'gateway', after: gateway + more, how: 'resetAndDestroy' }));
  relay.cuts.push(...cuts('broker', broker), ...cuts('gateway', gateway), ...later);
  const site = await UpstreamSite.open(t, { url, protocol, tls, batch: { maxReadings: 20, maxAge: '20ms' } }, AT_ONCE);
  site.add(100);
  await site.log.flush();
  site.forwarder.start();
  // A resumed handshake is shorter: what comes behind it makes up for that.
  await waitFor(
    () => `the cuts: ${relay.cuts.length} left; ${JSON.stringify(site.forwarder.status())}`,
    () => {
      if (relay.cuts.length > 0 && site.forwarder.connected) site.add(1);
      return relay.cuts.length === 0;
    },
    { every: 50 },
  );
  site.add(50);
  await arrives(at, site);
});

both('a proxy that swallows acknowledgements gets batches again, none counts twice', async (t, protocol) => {
  const at = await upstream(t, ['allow_anonymous true'], true);
  if (at === undefined) return;
  const proxy = new DropProxy(at.port);
  await proxy.start();
  t.after(() => proxy.stop());
  proxy.dropPubacks(7, /data|history/);
  const settings = { url: proxy.url, protocol, batch: { maxReadings: 10, maxAge: '20ms' } };
  const site = await UpstreamSite.open(t, settings, { ...AT_ONCE, ackTimeout: 1000 });
  site.add(100);
  await site.log.flush();
  site.forwarder.start();
  await waitFor('the drops', () => proxy.counts.drops === 7);
  site.add(20);
  await arrives(at, site);
  assert.ok(at.came().duplicates >= 7, `${at.came().duplicates} came again`);
  // It keeps them and leaves the connection open.
  proxy.holdPubacks(/data|history/);
  const before = site.forwarder.status().counters.connects;
  site.add(20);
  await waitFor('the time-out', () => site.forwarder.status().counters.connects > before);
  proxy.holdPubacks(undefined);
  await arrives(at, site);
});

both('a broker with a receive maximum of 1 gets one message at a time', async (t, protocol) => {
  const broker = await Mosquitto.start(t, { extra: ['max_inflight_messages 1'] });
  const subscriber = broker && (await Subscriber.start(t, broker.port, ['sluice/g1/data', 'sluice/g1/history']));
  if (broker === undefined || subscriber === undefined) return;
  const proxy = new DropProxy(broker.port);
  await proxy.start();
  t.after(() => proxy.stop());
  let open = 0;
  let most = 0;
  proxy.dropWhen(({ kind }) => {
    open += kind === 'publish' ? 1 : -1;
    most = Math.max(most, open);
    return false;
  });
  // Answers are late, so that more could be under way.
  proxy.delay(5);
  const site = await UpstreamSite.open(t, { url: proxy.url, protocol, batch: { maxReadings: 10, maxAge: '20ms' } });
  for (let i = 0; i < 20; i++) site.log.notice('alarm', `r${i}`, 0, { rule: `r${i}` });
  site.add(100);
  await site.log.flush();
  site.forwarder.start();
  await waitFor('the connection', () => site.forwarder.connected);
  site.add(20);
  await arrives({ came: () => new Consumer().feedAll(subscriber.messages()) }, site);
  await waitFor('the last answers', () => open === 0);
  if (protocol === 5) assert.equal(most, 1);
  // MQTT 3.1.1 cannot say it: only what the gateway itself allows bounds them.
  else assert.ok(most > 1 && most <= 64, String(most));
  assert.equal(site.forwarder.status().counters.connects, 1);
});

both('a broker with a maximum packet size of 1 kB gets batches that fit', async (t, protocol) => {
  const at = await Mosquitto.start(t, { extra: ['max_packet_size 1024'] });
  const subscriber = at && (await Subscriber.start(t, at.port, ['sluice/g1/data', 'sluice/g1/history']));
  if (at === undefined || subscriber === undefined) return;
  const came = () => new Consumer().feedAll(subscriber.messages());
  const site = await UpstreamSite.open(t, { url: at.url, protocol, batch: { maxReadings: 1000, maxAge: '50ms' } }, AT_ONCE);
  site.add(200);
  await site.log.flush();
  site.forwarder.start();
  await waitFor(
    () => `all: ${came().records().length}; ${JSON.stringify(site.forwarder.status())}`,
    () => came().records().length === 200,
  );
  assert.deepEqual(
    came()
      .records()
      .map(({ values }) => values.n),
    count(200),
  );
  assert.deepEqual(came().judge(), []);
  assert.ok(subscriber.messages().every(({ bytes }) => bytes.length <= 1024));
  const { connects, refused } = site.forwarder.status().counters;
  assert.equal(refused, 0);
  // MQTT 5 says the limit before; otherwise the broker ends the connection, and the next batch is smaller.
  assert.ok(protocol === 5 ? connects === 1 : connects > 1, String(connects));
});

both('a broker without a place for one more client gets all when one is free', async (t, protocol) => {
  const at = await upstream(t, ['allow_anonymous true', 'max_connections 1']);
  if (at === undefined) return;
  const other = await openUpstream(`mqtt://127.0.0.1:${at.port}`, { clientId: 'other' });
  const site = await UpstreamSite.open(t, { url: `mqtt://127.0.0.1:${at.port}`, protocol }, AT_ONCE);
  site.add(10);
  site.forwarder.start();
  await waitFor('words', () => site.fault !== '');
  assert.match(site.fault, /closed the connection without an answer|quota exceeded|does not accept clients now/);
  assert.equal(at.came().batches, 0);
  await other.end(1000);
  site.add(10);
  await arrives(at, site);
});

both('a session of TLS is resumed by the next connection, and everything arrives', async (t, protocol) => {
  const authority = Authority.make(t);
  const at = authority && (await upstream(t, ['allow_anonymous true']));
  if (authority === undefined || at === undefined) return;
  const { cert, key } = authority.sign('broker');
  const resumed: boolean[] = [];
  const open = new Set<TLSSocket>();
  const server = createServer({ cert: readFileSync(cert), key: readFileSync(key) }, (near) => {
    open.add(near);
    resumed.push(near.isSessionReused());
    const far = connect(at.port, '127.0.0.1');
    for (const socket of [near, far])
      socket
        .on('error', () => {})
        .on('close', () => {
          open.delete(near);
          near.destroy();
          far.destroy();
        });
    near.pipe(far).pipe(near);
  });
  server.on('tlsClientError', () => {});
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    for (const socket of open) socket.destroy();
    server.close();
  });
  const url = `mqtts://localhost:${(server.address() as { port: number }).port}`;
  const site = await UpstreamSite.open(t, { url, protocol, tls: { ca: authority.ca } }, AT_ONCE);
  site.forwarder.start();
  for (let i = 0; i < 3; i++) {
    site.add(5);
    await arrives(at, site);
    for (const socket of open) socket.destroy();
  }
  await waitFor('the last connection', () => resumed.length >= 4);
  assert.deepEqual(resumed.slice(0, 4), [false, true, true, true]);
});
