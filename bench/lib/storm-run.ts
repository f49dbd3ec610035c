/** What the parts of the bench of storms share: a storm as a process of its own, and what its broker used meanwhile. */
import { type ChildProcess, fork } from 'node:child_process';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Beats, now } from './beats.ts';
import { cpuSeconds, memory } from './proc.ts';
import type { Broker } from './storm-brokers.ts';
import type { Order, Kind as StormKind } from './storm-load.ts';
import type { Workspace } from './workspace.ts';

export class Storm {
  /** When its flood had no connection, as it says at its end. */
  aways: readonly (readonly [number, number])[] = [];
  readonly #child: ChildProcess;

  constructor(space: Workspace, kind: StormKind, broker: Broker, count?: number) {
    const { port, tlsPort, httpsPort, device, reader } = broker;
    const order: Order = { port, tlsPort, httpsPort, device, reader, count };
    this.#child = fork(path.join(import.meta.dirname, 'storm-load.ts'), [kind, JSON.stringify(order)], {
      execArgv: ['--disable-warning=ExperimentalWarning'],
    });
    space.after(() => this.#child.kill('SIGKILL'));
  }

  /** It has done what it does once. */
  said(): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.#child.once('message', resolve);
      // Its last message may still be on the way when it exits; the channel closes behind that message.
      this.#child.once('disconnect', () =>
        reject(new Error(`the storm ended with ${this.#child.exitCode ?? this.#child.signalCode}`)),
      );
    });
  }

  async stop(): Promise<Readonly<Record<string, number>>> {
    const said = this.said() as Promise<{ done: Record<string, number>; aways: [number, number][] }>;
    this.#child.send('stop');
    const { done, aways } = await said;
    this.aways = aways;
    return done;
  }
}

export interface Span {
  readonly from: number;
  readonly to: number;
  readonly cpu: number;
  readonly most: number;
  readonly load: number;
}

/** Megabytes resident: cheap for the process that is asked. */
export const resident = (pid: number): number => memory(pid).rss;

/** @returns what the broker used in that time */
export async function watch(broker: Broker, ms: number): Promise<Span> {
  const from = now();
  const cpu = cpuSeconds(broker.pid);
  let most = 0;
  while (now() - from < ms * 1000) {
    await sleep(500);
    most = Math.max(most, resident(broker.pid));
  }
  return { from, to: now(), cpu: cpuSeconds(broker.pid) - cpu, most, load: os.loadavg()[0] as number };
}

export async function withBeats(space: Workspace, broker: Broker): Promise<Beats> {
  const beats = new Beats(broker.port, { publisher: broker.beats, subscriber: broker.healthy });
  space.after(() => beats.stop());
  await beats.start();
  return beats;
}

export const ms = (n: number): string => (Number.isNaN(n) ? '' : n < 10 ? n.toFixed(1) : Math.round(n).toLocaleString('en'));
export const worst = (values: readonly number[]): number => values.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
