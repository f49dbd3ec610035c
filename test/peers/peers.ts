/**
 * Foreign programs that tests work against. A machine that lacks one skips the test and is told the exact install line;
 * with SLUICE_REQUIRE_PEERS=1 (as CI sets it) the test fails instead, so that nothing is skipped unnoticed. All skips are here.
 */
import { spawnSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { installFault } from '../../src/node-red/place.ts';

/** Debian keeps daemons in sbin, which is not on the PATH of ordinary users. */
const FOLDERS = [...(process.env.PATH ?? '').split(path.delimiter), '/usr/local/sbin', '/usr/sbin', '/sbin'];

/** The full path of a program, or undefined. */
export function findProgram(program: string): string | undefined {
  for (const folder of path.isAbsolute(program) ? [''] : FOLDERS) {
    const file = path.join(folder, program);
    try {
      accessSync(file, constants.X_OK);
      return file;
    } catch {
      // not in this folder
    }
  }
  return undefined;
}

/**
 * The path of `program`, or undefined after the test was marked as skipped: `if (mosquitto === undefined) return;`
 * @param install the exact line that installs it, for example `apt-get install -y mosquitto`
 * @throws when SLUICE_REQUIRE_PEERS=1 and the program is missing
 */
export function peer(t: TestContext, program: string, install: string): string | undefined {
  const found = findProgram(program);
  if (found === undefined) missing(t, program, install);
  return found;
}

/** As `peer`, for a module of the system's Python: the path of python3, or undefined after a skip. */
export function pythonPeer(t: TestContext, module: string, install: string): string | undefined {
  const python = '/usr/bin/python3';
  if (findProgram(python) !== undefined && spawnSync(python, ['-c', `import ${module}`]).status === 0) return python;
  missing(t, `python3 with ${module}`, install);
  return undefined;
}

/** As `peer`, for a module of the system's Perl: the path of perl, or undefined after a skip. */
export function perlPeer(t: TestContext, module: string, install: string): string | undefined {
  const perl = '/usr/bin/perl';
  if (findProgram(perl) !== undefined && spawnSync(perl, [`-M${module}`, '-e', '1']).status === 0) return perl;
  missing(t, `perl with ${module}`, install);
  return undefined;
}

/**
 * false after the test was marked as skipped: it does what only root may do.
 * @param why completes "needs root, to …"
 * @throws when SLUICE_REQUIRE_PEERS=1 and the tests do not run as root
 */
export function asRoot(t: TestContext, why: string): boolean {
  if (process.geteuid?.() === 0) return true;
  skip(t, `needs root, to ${why}`);
  return false;
}

/** false after the test was marked as skipped: Node-RED is not installed beside the gateway. */
export function nodeRedPeer(t: TestContext): boolean {
  const fault = installFault();
  if (fault !== undefined) missing(t, 'Node-RED', 'sh scripts/setup-node-red.sh');
  return fault === undefined;
}

function missing(t: TestContext, what: string, install: string): void {
  skip(t, `needs ${what}: ${install}`);
}

/**
 * Marks the test as skipped: this machine cannot do what it needs, whoever runs it and whatever is installed. So it is skipped with
 * SLUICE_REQUIRE_PEERS=1 as well: a machine that forbids this gets no package that helps.
 * @param why completes "this machine cannot …"
 */
export function cannot(t: TestContext, why: string): void {
  t.skip(`this machine cannot ${why}`);
}

/**
 * false after the test was marked as skipped: this machine forbids what the test needs.
 * @param fault completes "this machine cannot …"; undefined: it can
 * @throws with SLUICE_REQUIRE_PEERS=1, unlike `cannot`: where all tests are asked for, this one is among them
 */
export function able(t: TestContext, fault: string | undefined): boolean {
  if (fault !== undefined) skip(t, `this machine cannot ${fault}`);
  return fault === undefined;
}

/** The only place where a test is skipped for what can be installed, or for who runs it. */
function skip(t: TestContext, words: string): void {
  if (process.env.SLUICE_REQUIRE_PEERS === '1') throw new Error(words);
  t.skip(words);
}
