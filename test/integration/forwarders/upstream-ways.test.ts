/** The ways to a broker beside plain TCP: MQTT over WebSocket, an HTTP or SOCKS proxy, and all of them together over TLS. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { WebSocketServer } from 'ws';
import { parseProxyUrl } from '../../../src/forwarders/mqtt/address.ts';
import type { ProxyRoute } from '../../../src/forwarders/mqtt/wire/proxy.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';
import { httpProxy, listen, socksProxy } from '../../fakes/proxies.ts';
import { Authority } from '../../harness/certificates.ts';
import { freePort } from '../../harness/free-port.ts';
import { openUpstream, upstreamFault } from '../../harness/open-upstream.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { Mosquitto } from '../../peers/mosquitto.ts';

const TAKEN = ['none', 'it was taken'];

function route(url: string, login: Omit<ProxyRoute, 'address'> = {}): ProxyRoute {
  const address = parseProxyUrl(url);
  if ('wrong' in address) throw new Error(address.wrong);
  return { address, ...login };
}

test('a broker is reached over a WebSocket, with and without TLS', async (t) => {
  const authority = Authority.make(t);
  if (authority === undefined) return;
  const { cert, key } = authority.sign('broker');
  const [plain, secure] = [await freePort(), await freePort()];
  const extra = [`listener ${plain} 127.0.0.1`, 'protocol websockets'];
  extra.push(`listener ${secure} 127.0.0.1`, 'protocol websockets', `certfile ${cert}`, `keyfile ${key}`);
  const broker = await Mosquitto.start(t, { extra });
  if (broker === undefined) return;
  const tls = { ca: authority.ca };
  await waitFor('the other listeners', async () => (await upstreamFault(`ws://localhost:${plain}/mqtt`))[0] !== 'refused');
  for (const url of [`ws://localhost:${plain}/mqtt`, `wss://localhost:${secure}`]) {
    assert.deepEqual(await upstreamFault(url, { tls }), TAKEN);
    const connection = await openUpstream(url, { tls });
    const got: [string, number][] = [];
    connection.received = (topic, payload) => void got.push([topic, payload.length]);
    await connection.subscribe(['echo/#']);
    // Each form of a frame's length, in both directions.
    for (const length of [1, 100, 125, 126, 5000, 60_000])
      await connection.publish({ topic: `echo/${length}`, payload: new Uint8Array(length), qos: 1, retain: false });
    await waitFor('the echoes', () => got.length === 6);
    assert.deepEqual(
      got.map(([, length]) => length),
      [1, 100, 125, 126, 5000, 60_000],
    );
    await connection.publish({ topic: 'large', payload: new Uint8Array(300_000), qos: 1, retain: false });
    await connection.end(2000);
  }
  assert.match((await upstreamFault(`wss://localhost:${secure}`))[1], /an authority that this gateway does not know/);
  assert.match((await upstreamFault(`ws://localhost:${secure}`))[1], /./);
});

test('what is no MQTT behind a WebSocket is named with its path', async (t) => {
  const answer = (text: string) => listen(t, (socket) => socket.once('data', () => socket.end(text)));
  const of = async (text: string) => (await upstreamFault(`ws://127.0.0.1:${await answer(text)}/here`)).join();
  assert.match(
    await of('HTTP/1.1 404 Not Found\r\n\r\n'),
    /^protocol,.*serves no WebSocket on the path \/here; write the path .*404/,
  );
  assert.match(await of('HTTP/1.1 403 Forbidden\r\n\r\n'), /^login,.*refuses the WebSocket/);
  assert.match(await of('HTTP/1.1 503 Busy\r\n\r\n'), /^busy,.*takes no WebSocket now/);
  assert.match(await of('HTTP/1.1 301 Moved\r\nLocation: /x\r\n\r\n'), /^protocol,.*refers to another address/);
  assert.match(await of('HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\n\r\n'), /^protocol,.*does not agree to a WebSocket/);
  assert.match(await of(`HTTP/1.1 101 ${'x'.repeat(9000)}`), /^protocol,.*does not answer in HTTP/);
  assert.match(await of('\x20\x02\0\0'.repeat(3)), /^protocol,.*does not answer in HTTP/);
  assert.match(await of('HTTP/1.1 200'), /^hung-up,.*closed the connection/);
  // A foreign server that knows another subprotocol.
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1', handleProtocols: () => 'chat' });
  t.after(() => server.close());
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as { port: number };
  assert.match((await upstreamFault(`ws://127.0.0.1:${port}`)).join(), /^protocol,.*but not for MQTT; write the path of MQTT/);
});

test('a foreign WebSocket server may cut messages, ping and close as it likes', async (t) => {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1', handleProtocols: () => 'mqtt' });
  t.after(() => {
    for (const client of server.clients) client.terminate();
    server.close();
  });
  let pongs = 0;
  server.on('connection', (socket) => {
    socket.on('pong', () => pongs++);
    socket.once('message', () => {
      socket.ping('are you there');
      // The CONNACK in parts with a ping between them, and an empty message before.
      socket.send(new Uint8Array(0));
      socket.send(Uint8Array.of(0x20), { fin: false });
      socket.ping();
      socket.send(Uint8Array.of(2, 0), { fin: false });
      socket.send(Uint8Array.of(0), { fin: true });
      socket.on('message', (data: Buffer) => data[0] === 0x30 && socket.close(1001, 'going away'));
    });
  });
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as { port: number };
  const connection = await openUpstream(`ws://127.0.0.1:${port}`);
  await waitFor('both pongs', () => pongs === 2);
  await connection.publish({ topic: 'a', payload: 'b', qos: 0, retain: false });
  await connection.closed;
  assert.match(connection.lost().message, /the broker closed the connection/);
});

test('a hostile WebSocket server is cut off by its frames', async (t) => {
  const { createHash } = await import('node:crypto');
  const serve = (frames: Uint8Array) =>
    listen(t, (socket) =>
      socket.once('data', (head: Buffer) => {
        const [, key] = /Sec-WebSocket-Key: (\S+)/.exec(head.toString()) ?? [];
        const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
        socket.write(
          `HTTP/1.1 101 x\r\nUpgrade: WebSocket\r\nConnection: keep-alive, Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n`,
        );
        socket.write(frames);
      }),
    );
  const fault = async (...bytes: number[]) =>
    (await upstreamFault(`ws://127.0.0.1:${await serve(Uint8Array.from(bytes))}`)).join();
  assert.match(await fault(0x81, 1, 65), /^protocol,.*sent text over the WebSocket/);
  assert.match(await fault(0xc2, 1, 65), /^protocol,.*an extension of WebSocket/);
  assert.match(await fault(0x82, 0x81, 0, 0, 0, 0, 1), /^protocol,.*masked/);
  assert.match(await fault(0x80, 0), /^protocol,.*had not begun/);
  assert.match(await fault(0x02, 0, 0x82, 0), /^protocol,.*inside another/);
  assert.match(await fault(0x89, 126, 1, 0), /^protocol,.*control frame with more than 125/);
  assert.match(await fault(0x09, 0), /^protocol,.*in parts/);
  assert.match(await fault(0x83, 0), /^protocol,.*not known \(3\)/);
  assert.match(await fault(0x82, 127, 255, 255, 255, 255, 255, 255, 255, 255), /^protocol,.*without an end/);
  assert.match(await fault(...Array.from({ length: 602 }, () => [0x89, 0]).flat()), /^protocol,.*more than 600 pings/);
  assert.match(await fault(0x82, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0x30), /^protocol,.*began with a packet of type 3/);
  assert.match(await fault(0x82, 6, 0x20, 0xff, 0xff, 0xff, 0x7f, 0), /^protocol,.*declared a packet/);
  assert.match(await fault(0x88, 0), /^hung-up/);
});

test('a broker is reached through an HTTP and a SOCKS proxy, which look up its name', async (t) => {
  const authority = Authority.make(t);
  const pair = authority?.sign('broker');
  const secure = await freePort();
  const broker =
    pair &&
    (await Mosquitto.start(t, { extra: [`listener ${secure} 127.0.0.1`, `certfile ${pair.cert}`, `keyfile ${pair.key}`] }));
  if (authority === undefined || broker === undefined) return;
  const tls = { ca: authority.ca };
  for (const [scheme, make] of [
    ['http', httpProxy],
    ['socks5', socksProxy],
  ] as const) {
    const open = await make(t);
    const proxy = route(`${scheme}://127.0.0.1:${open.port}`);
    assert.deepEqual(await upstreamFault(`mqtt://localhost:${broker.port}`, { proxy }), TAKEN);
    assert.deepEqual(await upstreamFault(`mqtts://localhost:${secure}`, { proxy, tls }), TAKEN);
    assert.deepEqual(await upstreamFault(`mqtt://127.0.0.1:${broker.port}`, { proxy }), TAKEN);
    assert.deepEqual(open.asked, [`localhost:${broker.port}`, `localhost:${secure}`, `127.0.0.1:${broker.port}`]);
    const closed = await make(t, 'anna:geheim ✓');
    const url = `${scheme}://127.0.0.1:${closed.port}`;
    const at = (login: object): Promise<[string, string]> =>
      upstreamFault(`mqtt://localhost:${broker.port}`, { proxy: route(url, login) });
    assert.match((await at({})).join(), /^login,the proxy .* demands a user name and a password; write `proxy: \{url/);
    assert.match((await at({ username: 'anna', password: 'wrong' })).join(), /^login,the proxy .* does not take this user name/);
    assert.deepEqual(await at({ username: 'anna', password: 'geheim ✓' }), TAKEN);
    assert.equal(closed.logins.at(-1), 'anna:geheim ✓');
  }
  const gone = route(`http://127.0.0.1:${await freePort()}`);
  assert.match(
    (await upstreamFault(broker.url, { proxy: gone })).join(),
    /^refused,the proxy .* cannot be reached: nothing listens there/,
  );
});

test('what a proxy refuses is told as what it means for the broker', async (t) => {
  const url = 'mqtt://broker.example.org:8883';
  const http = async (text: string) => {
    const port = await listen(t, (socket) => socket.once('data', () => socket.end(text)));
    return (await upstreamFault(url, { proxy: route(`http://127.0.0.1:${port}`) })).join();
  };
  assert.match(
    await http('HTTP/1.1 403 Forbidden\r\n\r\n'),
    /^login,.*does not allow a connection to broker\.example\.org:8883; .*443/,
  );
  assert.match(await http('HTTP/1.0 502 Bad Gateway\r\n\r\n'), /^hung-up,.*does not reach broker\.example\.org:8883/);
  assert.match(await http('HTTP/1.1 200'), /^hung-up,the proxy .* cannot be reached/);
  assert.match(await http('SSH-2.0-x\r\n'), /^protocol,.*does not answer in HTTP/);
  assert.match(await http(`HTTP/1.1 200 OK\r\n${'X-A: b\r\n'.repeat(2000)}`), /^protocol,.*does not answer in HTTP/);
  const socks = async (within: number, ...answers: number[][]) => {
    const port = await listen(t, (socket) => {
      const left = [...answers];
      socket.on('data', () => {
        const next = left.shift();
        if (next === undefined) socket.end();
        else socket.write(Uint8Array.from(next));
      });
    });
    return (await upstreamFault(url, { proxy: route(`socks5://127.0.0.1:${port}`), connectTimeout: within })).join();
  };
  assert.match(await socks(60_000, [5, 0], [5, 5, 0, 1, 0, 0, 0, 0, 0, 0]), /^refused,.*nothing listens there/);
  assert.match(await socks(60_000, [5, 0], [5, 4, 0, 1, 0, 0, 0, 0, 0, 0]), /^unreachable,.*no way to the broker/);
  assert.match(await socks(60_000, [5, 0], [5, 2, 0, 1, 0, 0, 0, 0, 0, 0]), /^login,.*does not allow this connection/);
  assert.match(await socks(60_000, [5, 0], [5, 77, 0, 1]), /^hung-up,.*code 77/);
  assert.match(await socks(60_000, [5, 0], [5, 0, 0, 9]), /^protocol,.*address of a kind/);
  assert.match(await socks(60_000, [5, 2]), /^protocol,.*was not offered/);
  assert.match(await socks(60_000, [4, 90]), /^protocol,.*does not speak SOCKS 5; is it an HTTP proxy/);
  assert.match(await socks(60_000, [0x48, 0x54]), /^protocol,.*does not speak SOCKS 5/);
  for (const cut of [[], [5], [5, 0]]) assert.match(await socks(2000, cut, []), /^(hung-up|silent),/);
});

test('a silent proxy is told from a silent broker', async (t) => {
  let asked = 0;
  const mute = await listen(t, (socket) => socket.on('data', () => asked++));
  /** Time begins to pass when the request is there: a connection has all that it needs. */
  const silentTo = async (url: string, more: Parameters<typeof upstreamFault>[1] = {}): Promise<string> => {
    const clock = new ManualClock();
    const before = asked;
    const fault = upstreamFault(url, { ...more, clock, connectTimeout: 3000 });
    await waitFor('the request', () => asked > before);
    await clock.advance(3000);
    return (await fault).join();
  };
  const proxy = route(`http://127.0.0.1:${mute}`);
  assert.match(await silentTo('mqtt://broker.example.org', { proxy }), /^silent,.*the proxy does not answer/);
  assert.match(await silentTo(`ws://127.0.0.1:${mute}`), /^silent,.*no answer to the request for a WebSocket/);
});
