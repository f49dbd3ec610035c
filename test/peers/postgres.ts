/** A real PostgreSQL in a folder of its own, and psql. The server refuses to run as root, so it then runs as `nobody`. */
import { appendFileSync, chmodSync, chownSync } from 'node:fs';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { Child } from '../harness/child.ts';
import { freePort } from '../harness/free-port.ts';
import { scratch } from '../harness/scratch.ts';
import { waitFor } from '../harness/wait-for.ts';
import { findProgram, peer } from './peers.ts';

const INSTALL = 'apt-get install -y postgresql';
const NOBODY = 65_534;
/** Newest first; Debian has the programs of each version in a folder. */
const VERSIONS = [18, 17, 16, 15, 14];

export class Postgres {
  readonly port: number;
  readonly #programs: string;
  readonly #folder: string;
  readonly #user: number | undefined;
  #child: Child | undefined;

  private constructor(programs: string, folder: string, port: number) {
    this.#programs = programs;
    this.#folder = folder;
    this.port = port;
    this.#user = process.geteuid?.() === 0 ? NOBODY : undefined;
  }

  /** A cluster with the database `sluice`, which listens on 127.0.0.1; undefined after a skip. It does not outlive the test. */
  static async start(t: TestContext): Promise<Postgres | undefined> {
    const folders = VERSIONS.map((version) => `/usr/lib/postgresql/${version}/bin`);
    const programs = folders.find((folder) => findProgram(path.join(folder, 'postgres')) !== undefined);
    if (programs === undefined) {
      peer(t, 'postgres', INSTALL);
      return undefined;
    }
    // Its own folder goes after its end.
    let stop = async () => {};
    t.after(() => stop());
    const folder = scratch(t, 'postgres');
    const postgres = new Postgres(programs, folder, await freePort());
    chmodSync(folder, 0o700);
    if (postgres.#user !== undefined) chownSync(folder, postgres.#user, postgres.#user);
    stop = () => postgres.kill();
    await postgres.#run('initdb', '-D', postgres.#data, '-U', 'owner', '-A', 'trust', '-E', 'UTF8', '--locale=C', '--no-sync');
    appendFileSync(
      path.join(postgres.#data, 'postgresql.conf'),
      `port = ${postgres.port}\nlisten_addresses = '127.0.0.1'\nunix_socket_directories = ''\nfsync = off\nshared_buffers = 16MB\n`,
    );
    await postgres.up();
    await postgres.sql('create database sluice', 'postgres');
    return postgres;
  }

  get #data(): string {
    return path.join(this.#folder, 'data');
  }
  /** How psycopg2 and psql reach the database. */
  dsn(user = 'owner', database = 'sluice'): string {
    return `host=127.0.0.1 port=${this.port} user=${user} dbname=${database}`;
  }

  async #run(program: string, ...args: string[]): Promise<void> {
    const child = new Child(path.join(this.#programs, program), args, { cwd: this.#folder, user: this.#user });
    const code = await child.ended;
    if (code !== 0) throw new Error(`${program} ended with ${code}:\n${child.stderr.join('\n')}`);
  }

  /** Resolves when it answers. */
  async up(): Promise<void> {
    const child = new Child(path.join(this.#programs, 'postgres'), ['-D', this.#data], { cwd: this.#folder, user: this.#user });
    this.#child = child;
    await waitFor(
      () => `PostgreSQL to answer:\n${child.stderr.slice(-10).join('\n')}`,
      () => this.sql('select 1', 'postgres').then(() => true),
      { every: 50 },
    );
  }

  /** Ends it as a crash does (SIGQUIT, an immediate stop): the next start recovers from its write-ahead log. */
  async crash(): Promise<void> {
    await this.#child?.stop('SIGQUIT');
  }
  /** SIGKILL would leave its children. */
  kill(): Promise<void> {
    return this.crash();
  }

  /** Runs statements in one session; a fault rejects. @returns the rows of the last one, as psql writes them with --csv */
  async sql(statements: string, database = 'sluice', user = 'owner'): Promise<string[]> {
    return this.psql(['-t', '--csv', '-c', statements], database, user);
  }

  /** @param input lines for its standard input @returns the lines of psql, which ends at the first fault */
  async psql(args: readonly string[], database = 'sluice', user = 'owner', input = ''): Promise<string[]> {
    const words = ['-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', this.dsn(user, database), ...args];
    const child = new Child(path.join(this.#programs, 'psql'), words, { stdin: true });
    if (input !== '') child.write(input);
    child.endInput();
    const code = await child.ended;
    if (code !== 0) throw new Error(`psql ended with ${code}: ${child.stderr.join('\n')}`);
    return child.stdout;
  }
}
