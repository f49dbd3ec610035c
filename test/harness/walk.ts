/**
 * Follows a page as a person does, in a home folder of its own with ports and paths of its own, and compares the shape of what
 * the programs show. The convention of the pages is in walk-page.ts. SLUICE_RENEW_PAGES=1 writes what was shown into the page.
 */
import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { Child } from './child.ts';
import { scratch } from './scratch.ts';
import { Terminal } from './terminal.ts';
import { waitFor } from './wait-for.ts';
import { type Command, readPage, type Step } from './walk-page.ts';
import { difference, joinLines, type Match, match, renewed } from './walk-shape.ts';

const ROOT = path.join(import.meta.dirname, '..', '..');
/** For one step: some need several polls of ten seconds, and machines are busy. */
const STEP = { timeout: 120_000, every: 100 };
/** Files that may name a port or a path which the walk replaces. */
const TEXTS = /\.(?:ya?ml|conf|json|py)$/;

/** @param file from the top folder, for example `docs/start/technician.md` */
export async function walkPage(t: TestContext, file: string): Promise<void> {
  const { steps, own } = readPage(readFileSync(path.join(ROOT, file), 'utf8'), file);
  const walk = new Walk(t, file, steps, await ownValues(own));
  for (const step of steps) await walk.follow(step);
  await walk.end();
}

/** A free port for each port, a path beside each path; all as long as in the page, so that lines break where they did. */
async function ownValues(names: readonly string[]): Promise<Map<string, string>> {
  const values = new Map<string, string>();
  for (const name of names) {
    const taken = [...names, ...values.values()];
    if (/^\d+$/.test(name)) values.set(name, await freeShortPort(taken));
    else {
      const letters = Array.from(path.basename(name), () => String.fromCharCode(97 + Math.floor(Math.random() * 26)));
      values.set(name, path.join(path.dirname(name), letters.join('')));
    }
  }
  return values;
}

/** Four digits: below the range from which the system gives ports to others. */
async function freeShortPort(taken: readonly string[]): Promise<string> {
  for (;;) {
    const port = String(2000 + Math.floor(Math.random() * 8000));
    if (!taken.includes(port) && (await isFree(Number(port)))) return port;
  }
}

function isFree(port: number): Promise<boolean> {
  const server = createServer();
  return new Promise((resolve) => {
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}

class Walk {
  readonly #file: string;
  readonly #folder: string;
  readonly #home: string;
  readonly #values: ReadonlyMap<string, string>;
  readonly #terminals = new Map<string, Terminal>();
  /** All lines that the page shows of a terminal: such lines may come again. */
  readonly #known = new Map<string, string[]>();
  /** Line of the page, counted from 1, and what the lines from there on have to be. */
  readonly #renewals = new Map<number, string[]>();
  #cwd = ROOT;

  constructor(t: TestContext, file: string, steps: readonly Step[], values: ReadonlyMap<string, string>) {
    this.#file = file;
    this.#values = values;
    this.#folder = scratch(t, 'walk');
    this.#home = path.join(this.#folder, 'home');
    mkdirSync(this.#home);
    for (const step of steps) {
      if (!('name' in step)) continue;
      const output = step.kind === 'terminal' ? step.command.output : 'output' in step ? step.output : [];
      this.#known.set(step.name, [...(this.#known.get(step.name) ?? []), ...joinLines(output)]);
    }
    t.after(async () => {
      await this.#stopAll();
      for (const value of values.values()) if (path.isAbsolute(value)) rmSync(value, { force: true });
    });
  }

  async follow(step: Step): Promise<void> {
    switch (step.kind) {
      case 'run':
        for (const command of step.commands) await this.#run(command, step.until);
        return;
      case 'terminal':
        for (const command of step.before) await this.#run(command, false);
        await this.#terminals.get(step.name)?.stop();
        this.#terminals.set(step.name, this.#open(step.command.command, step.name));
        return this.#shows(step.name, step.command.output, step.command.line + 1);
      case 'type':
        this.#terminal(step.name).type(step.output[0] ?? '');
        return this.#shows(step.name, step.output, step.line + 1);
      case 'shows':
        return this.#shows(step.name, step.output, step.line + 1);
      case 'save':
        return writeFileSync(path.join(this.#cwd, step.file), this.#toOwn(step.text));
      case 'edit':
        return this.#edit(step);
      case 'stop':
        return this.#terminal(step.name).stop();
      case 'kill':
        return this.#terminal(step.name).kill();
    }
  }

  /** Ends what runs. With SLUICE_RENEW_PAGES=1 the page gets what was shown. */
  async end(): Promise<void> {
    await this.#stopAll();
    if (process.env.SLUICE_RENEW_PAGES !== '1') return;
    const lines = readFileSync(path.join(ROOT, this.#file), 'utf8').split('\n');
    const places = [...this.#renewals].sort(([a], [b]) => b - a);
    for (const [line, now] of places) {
      const length = lines.slice(line - 1).findIndex((l) => l === '```' || l.startsWith('$ ') || l === '^C');
      lines.splice(line - 1, length, ...now);
    }
    writeFileSync(path.join(ROOT, this.#file), lines.join('\n'));
  }

  async #stopAll(): Promise<void> {
    await Promise.all([...this.#terminals.values()].map((terminal) => terminal.stop()));
  }

  #terminal(name: string): Terminal {
    const terminal = this.#terminals.get(name);
    assert.ok(terminal, `the terminal ${name} runs`);
    return terminal;
  }

  #environment(): NodeJS.ProcessEnv {
    const folders = [path.join(ROOT, 'bin'), '/usr/local/bin', '/usr/bin', '/bin', process.env.PATH];
    return { HOME: this.#home, SHELL: '/bin/sh', TERM: 'xterm', PATH: folders.join(path.delimiter) };
  }

  #open(command: string, name: string): Terminal {
    const pidFile = path.join(this.#folder, `${name}.pid`);
    return new Terminal(this.#toOwn(command), this.#cwd, this.#environment(), pidFile);
  }

  /** A command that ends, by itself or by Ctrl-C. */
  async #run(command: Command, until: boolean): Promise<void> {
    const [, folder] = /^cd (\S+)$/.exec(command.command) ?? [];
    if (folder !== undefined) {
      this.#cwd = path.resolve(this.#cwd, folder.replace(/^~/, this.#home));
      return;
    }
    if (command.interrupted) {
      const terminal = this.#open(command.command, `at-${command.line}`);
      this.#terminals.set(`at-${command.line}`, terminal);
      await this.#shows(`at-${command.line}`, command.output, command.line + 1, command.output);
      return terminal.stop();
    }
    const page = joinLines(command.output);
    let written: string[] = [];
    const attempt = async (): Promise<boolean> => {
      const child = new Child('sh', ['-c', `{ ${this.#toOwn(command.command)}\n} 2>&1`], {
        cwd: this.#cwd,
        env: this.#environment(),
      });
      await child.ended;
      written = this.#toPage(child.stdout);
      return match(page, joinLines(written)).is === 'whole';
    };
    const fault = () => this.#fault(command.line, command.command, page, joinLines(written));
    if (until) await waitFor(fault, attempt, STEP);
    else if (!(await attempt())) assert.fail(fault());
    this.#renewals.set(command.line + 1, renewed(command.output, written));
    this.#makeOwn(this.#home);
  }

  /** Waits until a terminal has shown this, behind what it has shown before. */
  async #shows(
    name: string,
    output: readonly string[],
    line: number,
    known: readonly string[] = this.#known.get(name) ?? [],
  ): Promise<void> {
    const terminal = this.#terminal(name);
    const page = joinLines(output);
    const written = () => joinLines(this.#toPage(terminal.lines)).slice(terminal.seen);
    const fault = () => this.#fault(line, `terminal ${name}${terminal.over === undefined ? '' : ' (ended)'}`, page, written());
    const result = await waitFor(
      fault,
      (): Match | undefined => {
        // First whether it goes on, then what there is: its last line is complete then.
        const over = terminal.over !== undefined;
        const now = match(page, written(), joinLines(known));
        return over || now.is !== 'so far' ? now : undefined;
      },
      STEP,
    );
    if (result.is !== 'whole') return assert.fail(fault());
    this.#renewals.set(line, renewed(output, linesOf(this.#toPage(terminal.lines), terminal.seen, result.used)));
    terminal.seen += result.used;
  }

  #fault(line: number, what: string, page: readonly string[], written: readonly string[]): string {
    return `${this.#file}:${line}: ${what}\nThe page (-) and the program (+) differ:\n${difference(page, written.slice(0, 60))}`;
  }

  #edit(step: Step & { readonly kind: 'edit' }): void {
    if (step.asRoot && process.geteuid?.() !== 0) return;
    const file = path.join(this.#cwd, step.file);
    let text = readFileSync(file, 'utf8');
    for (const { from, to } of step.changes) {
      assert.ok(text.includes(this.#toOwn(from)), `${this.#file}:${step.line}: "${from}" is not in ${step.file}`);
      text = text.replace(this.#toOwn(from), this.#toOwn(to));
    }
    writeFileSync(file, text);
  }

  /** What commands have just written gets the ports and paths of this walk. */
  #makeOwn(folder: string): void {
    for (const entry of readdirSync(folder, { withFileTypes: true, recursive: true })) {
      if (!entry.isFile() || !TEXTS.test(entry.name)) continue;
      const file = path.join(entry.parentPath, entry.name);
      const text = readFileSync(file, 'utf8');
      if (this.#toOwn(text) !== text) writeFileSync(file, this.#toOwn(text));
    }
  }

  #toOwn(text: string): string {
    return [...this.#values].reduce((t, [page, own]) => t.replace(whole(page), own), text);
  }

  #toPage(lines: readonly string[]): string[] {
    return lines.map((line) => [...this.#values].reduce((t, [page, own]) => t.replace(whole(own), page), line));
  }
}

/** A port or a path, and no part of a longer number. */
function whole(name: string): RegExp {
  return new RegExp(`(?<!\\d)${name.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}(?!\\d)`, 'g');
}

/** The lines as they were written, of joined ones. */
function linesOf(lines: readonly string[], seen: number, used: number): string[] {
  const counts = lines.map((_, i) => joinLines(lines.slice(0, i + 1)).length);
  return lines.filter((_, i) => (counts[i] ?? 0) > seen && (counts[i] ?? 0) <= seen + used);
}
