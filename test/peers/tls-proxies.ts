/** Foreign programs that end TLS in front of a broker, or route by what a handshake begins with: HAProxy and stunnel. */
import { readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import path from 'node:path';
import type { TestContext } from 'node:test';
import type { Pair } from '../harness/certificates.ts';
import { Child } from '../harness/child.ts';
import { scratch } from '../harness/scratch.ts';
import { waitFor } from '../harness/wait-for.ts';
import { peer } from './peers.ts';

/** One of them, on a port that stays the same. It does not outlive the test. */
export class TlsProxy {
  readonly port: number;
  readonly #program: string;
  readonly #args: readonly string[];
  #child: Child | undefined;

  constructor(t: TestContext, program: string, args: readonly string[], port: number) {
    this.port = port;
    this.#program = program;
    this.#args = args;
    t.after(() => this.kill());
  }

  /** What it wrote. */
  get log(): string {
    return [...(this.#child?.stdout ?? []), ...(this.#child?.stderr ?? [])].join('\n');
  }

  /** Resolves when it listens. */
  async start(): Promise<void> {
    const child = new Child(this.#program, this.#args);
    this.#child = child;
    await waitFor(
      () => `${this.#program} to listen on ${this.port}:\n${this.log}`,
      async () => {
        if (child.over !== undefined) throw new Error(`${this.#program} ended: ${this.log}`);
        return accepts(this.port);
      },
    );
  }

  async kill(): Promise<void> {
    await this.#child?.stop('SIGKILL');
  }
}

/**
 * @param port where it listens, as the sections say
 * @param sections of its configuration, after `global` and `defaults`
 * @returns one that listens; undefined after a skip
 */
export async function haproxy(t: TestContext, port: number, sections: string): Promise<TlsProxy | undefined> {
  const program = peer(t, 'haproxy', 'apt-get install -y haproxy');
  if (program === undefined) return undefined;
  const file = path.join(scratch(t, 'haproxy'), 'haproxy.cfg');
  const head = `global
  log stdout format raw local0
  maxconn 100
defaults
  log global
  retries 0
  timeout connect 5s
  timeout client 1m
  timeout server 1m
  timeout tunnel 1h
`;
  writeFileSync(file, head + sections);
  const proxy = new TlsProxy(t, program, ['-db', '-f', file], port);
  await proxy.start();
  return proxy;
}

/** @param lines of its service @returns one that listens; undefined after a skip */
export async function stunnel(t: TestContext, port: number, lines: readonly string[]): Promise<TlsProxy | undefined> {
  const program = peer(t, 'stunnel4', 'apt-get install -y stunnel4');
  if (program === undefined) return undefined;
  const file = path.join(scratch(t, 'stunnel'), 'stunnel.conf');
  const text = ['foreground = yes', 'pid =', 'syslog = no', 'debug = 5', '[broker]', `accept = 127.0.0.1:${port}`, ...lines];
  writeFileSync(file, `${text.join('\n')}\n`);
  const proxy = new TlsProxy(t, program, [file], port);
  await proxy.start();
  return proxy;
}

/** Certificate and key in one file, as HAProxy wants them. */
export function inOneFile({ cert, key }: Pair): string {
  const file = `${cert}.both`;
  writeFileSync(file, readFileSync(cert, 'utf8') + readFileSync(key, 'utf8'));
  return file;
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
