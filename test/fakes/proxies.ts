/** Proxies of a test: HTTP CONNECT and SOCKS 5, with or without a log-in, and listeners of hand-made answers. */
import { connect, createServer, type Socket } from 'node:net';
import type { TestContext } from 'node:test';

/** @returns its port */
export async function listen(t: TestContext, serve: (socket: Socket) => void): Promise<number> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
    serve(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return (server.address() as { port: number }).port;
}

export interface ProxySpy {
  port: number;
  /** `host:port` that were asked for. */
  readonly asked: string[];
  /** `user:password` that came. */
  readonly logins: string[];
}

const join = (near: Socket, host: string, port: number, opened: () => void): void => {
  const far = connect(port, host);
  far.on('error', () => near.destroy());
  far.on('close', () => near.destroy());
  near.on('close', () => far.destroy());
  far.once('connect', () => {
    opened();
    near.pipe(far).pipe(near);
  });
};

/** @param login `user:password` that it demands */
export async function httpProxy(t: TestContext, login?: string): Promise<ProxySpy> {
  const spy: ProxySpy = { port: 0, asked: [], logins: [] };
  spy.port = await listen(t, (near) => {
    let head = '';
    const read = (bytes: Buffer): void => {
      head += bytes.toString('latin1');
      if (!head.includes('\r\n\r\n')) return;
      near.off('data', read);
      near.pause();
      const [, host = '', port = ''] = /^CONNECT ([^ ]+):(\d+) HTTP\/1\.1\r\n/.exec(head) ?? [];
      const [, basic] = /Proxy-Authorization: Basic (\S+)/.exec(head) ?? [];
      spy.asked.push(`${host}:${port}`);
      if (basic !== undefined) spy.logins.push(Buffer.from(basic, 'base64').toString());
      if (login !== undefined && spy.logins.at(-1) !== login) {
        near.end('HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\nContent-Length: 3\r\n\r\nno\n');
        return;
      }
      join(near, host.replace(/^\[|\]$/g, ''), Number(port), () =>
        near.write('HTTP/1.1 200 Connection established\r\nVia: test\r\n\r\n'),
      );
    };
    near.on('data', read);
  });
  return spy;
}

/** @param login `user:password` that it demands @param to a port of this machine, to which every name leads */
export async function socksProxy(t: TestContext, login?: string, to?: number): Promise<ProxySpy> {
  const spy: ProxySpy = { port: 0, asked: [], logins: [] };
  spy.port = await listen(t, (near) => void serveSocks(near, spy, login, to));
  return spy;
}

async function serveSocks(near: Socket, spy: ProxySpy, login: string | undefined, to?: number): Promise<void> {
  const take = async (count: number): Promise<Buffer> => {
    for (;;) {
      const bytes = near.read(count) as Buffer | null;
      if (bytes !== null) return bytes;
      await new Promise((resolve) => near.once('readable', resolve));
    }
  };
  const [, count = 0] = await take(2);
  const methods = [...(await take(count))];
  const method = login === undefined ? 0 : 2;
  if (!methods.includes(method)) return void near.end(Uint8Array.of(5, 255));
  near.write(Uint8Array.of(5, method));
  if (login !== undefined) {
    const [, userLength = 0] = await take(2);
    const user = await take(userLength);
    const [length = 0] = await take(1);
    spy.logins.push(`${user}:${length === 0 ? '' : await take(length)}`);
    if (spy.logins.at(-1) !== login) return void near.end(Uint8Array.of(1, 1));
    near.write(Uint8Array.of(1, 0));
  }
  const [, , , kind] = await take(4);
  const host = kind === 3 ? String(await take((await take(1))[0] as number)) : [...(await take(4))].join('.');
  const port = (await take(2)).readUInt16BE();
  spy.asked.push(`${host}:${port}`);
  join(near, to === undefined ? host : '127.0.0.1', to ?? port, () => near.write(Uint8Array.of(5, 0, 0, 3, 2, 0x61, 0x62, 0, 0)));
}
