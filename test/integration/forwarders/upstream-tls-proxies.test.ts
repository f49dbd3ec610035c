/** A broker behind a TLS proxy of somebody else: HAProxy and stunnel. ALPN and SNI choose the way, and the proxy dies and comes back. */
import assert from 'node:assert/strict';
import test, { type TestContext } from 'node:test';
import { Authority } from '../../harness/certificates.ts';
import { freePort } from '../../harness/free-port.ts';
import { upstreamFault } from '../../harness/open-upstream.ts';
import { UpstreamSite } from '../../harness/upstream-site.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { Consumer } from '../../oracles/consumer.ts';
import { Mosquitto, Subscriber } from '../../peers/mosquitto.ts';
import { haproxy, inOneFile, stunnel, type TlsProxy } from '../../peers/tls-proxies.ts';

const VERSIONS = ['3.1.1', 5] as const;
type Tls = {
  readonly ca: string;
  readonly serverName?: string;
  readonly alpn?: string[];
  readonly cert?: string;
  readonly key?: string;
};

const mqtt5 = { sessionExpiry: 0, messageExpiry: undefined, userProperties: undefined };
const count = (n: number) => Array.from({ length: n }, (_, i) => i);

let subscribers = 0;

/** Whether a way leads to MQTT, for both versions. */
async function faults(url: string, tls: Tls): Promise<[string, string]> {
  const [old, five] = [await upstreamFault(url, { tls }), await upstreamFault(url, { tls, mqtt5 })];
  assert.equal(old[0], five[0], `${old[1]} and ${five[1]}`);
  return five;
}

/** Readings of a forwarder arrive at that broker in order, each once. @param between what happens after the first ten */
async function deliver(t: TestContext, broker: Mosquitto, url: string, tls: Tls, between?: () => Promise<void>): Promise<void> {
  for (const protocol of VERSIONS) {
    // A session that is kept would bring what came before.
    const id = `subscriber-${++subscribers}`;
    const subscriber = await Subscriber.start(t, broker.port, ['sluice/g1/data', 'sluice/g1/history'], { id });
    if (subscriber === undefined) return;
    const site = await UpstreamSite.open(t, { url, protocol, tls });
    site.forwarder.start();
    site.add(10);
    const came = () => new Consumer().feedAll(subscriber.messages());
    const all = (n: number) =>
      waitFor(
        () => `${n} readings with MQTT ${protocol}: ${came().records().length}; ${JSON.stringify(site.forwarder.status())}`,
        () => came().records().length === n,
      );
    await all(10);
    await between?.();
    site.add(10);
    await all(20);
    assert.deepEqual(
      came()
        .records()
        .map(({ values }) => values.n),
      count(20),
    );
    assert.deepEqual(came().judge(), []);
    await site.close();
    await subscriber.kill();
  }
}

test('HAProxy ends TLS and chooses by ALPN: a broker, a port without a broker, a web server', async (t) => {
  const authority = Authority.make(t);
  const broker = authority && (await Mosquitto.start(t));
  if (authority === undefined || broker === undefined) return;
  const [port, web, nobody] = [await freePort(), await freePort(), await freePort()];
  const proxy = await haproxy(
    t,
    port,
    `frontend tls
  mode tcp
  bind 127.0.0.1:${port} ssl crt ${inOneFile(authority.sign('proxy'))} alpn mqtt,x-away,http/1.1
  use_backend broker if { ssl_fc_alpn mqtt }
  use_backend away if { ssl_fc_alpn x-away }
  default_backend web
backend broker
  mode tcp
  server one 127.0.0.1:${broker.port}
backend away
  mode tcp
  server none 127.0.0.1:${nobody}
backend web
  mode tcp
  server web 127.0.0.1:${web}
frontend web
  mode http
  bind 127.0.0.1:${web}
  http-request return status 404
`,
  );
  if (proxy === undefined) return;
  const url = `mqtts://localhost:${port}`;
  const { ca } = authority;
  assert.equal((await faults(url, { ca, alpn: ['mqtt'] }))[0], 'none');
  assert.equal((await faults(url, { ca, alpn: ['x-other', 'mqtt'] }))[0], 'none');
  const away = await faults(url, { ca, alpn: ['x-away'] });
  assert.match(away.join(), /^hung-up,.*closed the connection without an answer/);
  assert.match((await faults(url, { ca })).join(), /^protocol,.*answers like a web server/);
  assert.match((await faults(url, { ca, alpn: ['http/1.1'] })).join(), /^protocol,.*answers like a web server/);
  await deliver(t, broker, url, { ca, alpn: ['mqtt'] });
});

test('HAProxy looks into the handshake, and hands TLS on by ALPN and by name', async (t) => {
  const authority = Authority.make(t);
  if (authority === undefined) return;
  const { ca } = authority;
  const secure = async (name: string) => {
    const { cert, key } = authority.sign(name, { names: `DNS:${name}.example.org` });
    const inner = await freePort();
    const broker = await Mosquitto.start(t, { extra: [`listener ${inner} 127.0.0.1`, `certfile ${cert}`, `keyfile ${key}`] });
    return broker && { broker, inner };
  };
  const [north, south] = [await secure('north'), await secure('south')];
  if (north === undefined || south === undefined) return;
  const [port, nobody] = [await freePort(), await freePort()];
  const proxy = await haproxy(
    t,
    port,
    `frontend tls
  mode tcp
  bind 127.0.0.1:${port}
  tcp-request inspect-delay 10s
  tcp-request content accept if { req_ssl_hello_type 1 }
  use_backend away if { req.ssl_alpn -m found } !{ req.ssl_alpn mqtt }
  use_backend north if { req.ssl_sni -i north.example.org }
  use_backend south if { req.ssl_sni -i south.example.org }
  default_backend away
backend north
  mode tcp
  server one 127.0.0.1:${north.inner}
backend south
  mode tcp
  server one 127.0.0.1:${south.inner}
backend away
  mode tcp
  server none 127.0.0.1:${nobody}
`,
  );
  if (proxy === undefined) return;
  const url = `mqtts://127.0.0.1:${port}`;
  const at = (name: string, alpn?: string[]): Tls => ({ ca, serverName: `${name}.example.org`, ...(alpn && { alpn }) });
  for (const alpn of [undefined, ['mqtt']]) {
    await deliver(t, north.broker, url, at('north', alpn));
    await deliver(t, south.broker, url, at('south', alpn));
  }
  for (const tls of [at('north', ['x-other']), at('west'), { ca }])
    assert.match((await faults(url, tls)).join(), /^hung-up,.*ended the TLS handshake without a reason/);
});

test('HAProxy has a certificate for each name, and the name chooses the broker', async (t) => {
  const authority = Authority.make(t);
  const [north, south] = [authority && (await Mosquitto.start(t)), await Mosquitto.start(t)];
  if (authority === undefined || north === undefined || south === undefined) return;
  const port = await freePort();
  const file = (name: string) => inOneFile(authority.sign(name, { names: `DNS:${name}.example.org` }));
  const proxy = await haproxy(
    t,
    port,
    `frontend tls
  mode tcp
  bind 127.0.0.1:${port} ssl crt ${file('north')} crt ${file('south')} strict-sni
  use_backend south if { ssl_fc_sni south.example.org }
  default_backend north
backend north
  mode tcp
  server one 127.0.0.1:${north.port}
backend south
  mode tcp
  server one 127.0.0.1:${south.port}
`,
  );
  if (proxy === undefined) return;
  const { ca } = authority;
  const url = `mqtts://127.0.0.1:${port}`;
  await deliver(t, north, url, { ca, serverName: 'north.example.org' });
  await deliver(t, south, url, { ca, serverName: 'south.example.org' });
  const [kind, words] = await faults(url, { ca, serverName: 'west.example.org' });
  assert.equal(kind, 'tls');
  assert.match(words, /does not know the name west\.example\.org|ends the handshake/);
});

test('MQTT over WebSocket passes HAProxy with TLS, on its path alone', async (t) => {
  const authority = Authority.make(t);
  const inner = await freePort();
  const broker = authority && (await Mosquitto.start(t, { extra: [`listener ${inner} 127.0.0.1`, 'protocol websockets'] }));
  if (authority === undefined || broker === undefined) return;
  const [port, nobody] = [await freePort(), await freePort()];
  const proxy = await haproxy(
    t,
    port,
    `frontend tls
  mode http
  bind 127.0.0.1:${port} ssl crt ${inOneFile(authority.sign('proxy'))} alpn http/1.1
  use_backend broker if { path /mqtt }
  use_backend away if { path /away }
  http-request deny deny_status 403 if { path /forbidden }
  default_backend none
backend broker
  mode http
  server one 127.0.0.1:${inner}
backend away
  mode http
  server none 127.0.0.1:${nobody}
backend none
  mode http
  http-request return status 404
`,
  );
  if (proxy === undefined) return;
  const tls = { ca: authority.ca };
  const url = `wss://localhost:${port}`;
  const of = async (path: string) => (await faults(`${url}${path}`, tls)).join();
  await waitFor('the listener behind it', async () => (await of('/mqtt')).startsWith('none'));
  assert.match(await of('/other'), /^protocol,.*serves no WebSocket on the path \/other.*404/);
  assert.match(await of('/forbidden'), /^login,.*refuses the WebSocket/);
  assert.match(await of('/away'), /^busy,.*takes no WebSocket now/);
  for (const more of [{}, { alpn: ['http/1.1'] }]) await deliver(t, broker, url, { ...tls, ...more });
});

test('stunnel demands a certificate of the gateway, and takes those of its authority', async (t) => {
  const [authority, other] = [Authority.make(t), Authority.make(t, 'Another authority')];
  const broker = authority && (await Mosquitto.start(t));
  if (authority === undefined || other === undefined || broker === undefined) return;
  const { cert, key } = authority.sign('proxy');
  const port = await freePort();
  const lines = [`connect = 127.0.0.1:${broker.port}`, `cert = ${cert}`, `key = ${key}`];
  const proxy = await stunnel(t, port, [...lines, `CAfile = ${authority.ca}`, 'verifyChain = yes', 'requireCert = yes']);
  if (proxy === undefined) return;
  const { ca } = authority;
  const url = `mqtts://localhost:${port}`;
  const none = await faults(url, { ca });
  assert.match(none.join(), /demands? a certificate of this gateway/);
  const stranger = await faults(url, { ca, ...other.sign('stranger') });
  assert.match(stranger.join(), /refuses the certificate of this gateway .*authority|certificate of this gateway\?/);
  const late = await faults(url, { ca, ...authority.sign('late', { from: -9, until: -2 }) });
  assert.match(late.join(), /refuses the certificate of this gateway .*expired|certificate of this gateway\?/);
  await deliver(t, broker, url, { ca, ...authority.sign('gateway', { names: '' }) });
});

/** HAProxy keeps the keys of its tickets in memory, so a session of before is not known afterwards. */
const PROXIES: Readonly<
  Record<string, (t: TestContext, port: number, to: number, files: Authority) => Promise<TlsProxy | undefined>>
> = {
  HAProxy: (t, port, to, authority) =>
    haproxy(
      t,
      port,
      `listen tls
  mode tcp
  bind 127.0.0.1:${port} ssl crt ${inOneFile(authority.sign('proxy'))}
  server one 127.0.0.1:${to}
`,
    ),
  stunnel: (t, port, to, authority) => {
    const { cert, key } = authority.sign('proxy');
    return stunnel(t, port, [`connect = 127.0.0.1:${to}`, `cert = ${cert}`, `key = ${key}`]);
  },
};

for (const [name, start] of Object.entries(PROXIES))
  test(`${name} is killed and started again: everything arrives, and nothing counts twice`, async (t) => {
    const authority = Authority.make(t);
    const broker = authority && (await Mosquitto.start(t));
    if (authority === undefined || broker === undefined) return;
    const proxy = await start(t, await freePort(), broker.port, authority);
    if (proxy === undefined) return;
    const tls = { ca: authority.ca };
    const url = `mqtts://localhost:${proxy.port}`;
    await deliver(t, broker, url, tls, async () => {
      await proxy.kill();
      assert.equal((await faults(url, tls))[0], 'refused');
      await proxy.start();
    });
    // The broker behind it goes, and the proxy stays.
    const nothing = await faults(url, tls);
    assert.equal(nothing[0], 'none');
    await broker.stop();
    assert.match((await faults(url, tls)).join(), /^hung-up,/);
    await broker.start();
    assert.equal((await faults(url, tls))[0], 'none');
  });
