/** A client of the socket for flows that a test leads: it says what the test says, and keeps every line that comes. */
import net from 'node:net';
import type { TestContext } from 'node:test';
import { waitFor } from './wait-for.ts';

export type Line = Readonly<Record<string, unknown>> & { readonly type: string };

export class FlowsClient {
  readonly lines: Line[] = [];
  readonly socket: net.Socket;
  closed = false;
  #rest = '';
  #calls = 0;

  constructor(socket: net.Socket) {
    this.socket = socket;
    socket.setEncoding('utf8');
    socket.on('error', () => {});
    socket.on('close', () => {
      this.closed = true;
    });
    socket.on('data', (text: string) => {
      const lines = (this.#rest + text).split('\n');
      this.#rest = lines.pop() ?? '';
      for (const line of lines) this.lines.push(JSON.parse(line) as Line);
    });
  }

  say(line: object): void {
    this.socket.write(`${JSON.stringify(line)}\n`);
  }

  hello(token: string): void {
    this.say({ type: 'hello', v: 1, token, client: 'test' });
  }

  /** The first line from the given place on for which this holds. */
  line(what: string, is: (line: Line) => boolean, from = 0): Promise<Line> {
    return waitFor(
      () =>
        `${what}; the last lines are ${JSON.stringify(this.lines.slice(-5)).slice(0, 2000)}, ${this.closed ? 'closed' : 'open'}`,
      () => this.lines.slice(from).find(is),
    );
  }

  /** The answer to a call, with the parts before it. */
  async call(
    call: object,
  ): Promise<{ result?: Record<string, unknown>; error?: { code: string; message: string }; parts: unknown[] }> {
    const id = `call-${++this.#calls}`;
    this.say({ type: 'call', id, ...call });
    const answer = await this.line(
      `the answer to ${JSON.stringify(call).slice(0, 200)}`,
      (l) => l.type === 'answer' && l.id === id,
    );
    const parts = this.lines.filter((l) => l.type === 'part' && l.id === id).flatMap((l) => l.readings as unknown[]);
    return { ...(answer as object), parts };
  }

  /** Readings of a subscription, flat. */
  readings(id: string): Record<string, unknown>[] {
    return this.lines.filter((l) => l.type === 'readings' && l.id === id).flatMap((l) => l.readings as Record<string, unknown>[]);
  }

  async ended(): Promise<void> {
    await waitFor('the end of the connection', () => this.closed);
  }
}

export async function flowsClient(t: TestContext, path: string, token?: string): Promise<FlowsClient> {
  const socket = net.connect(path);
  t.after(() => socket.destroy());
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve);
    socket.once('error', reject);
  });
  const client = new FlowsClient(socket);
  if (token !== undefined) {
    client.hello(token);
    await client.line('the welcome', (line) => line.type === 'welcome');
    await client.line('the inventory', (line) => line.type === 'inventory');
  }
  return client;
}
