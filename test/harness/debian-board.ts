/** What a test asks of a Debian board that has the packages, and what it does to it. */
import { copyFileSync, existsSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import Database from 'better-sqlite3';
import { HISTORY_FILE } from '../../src/store/files/history-layout.ts';
import { LOG_FILE } from '../../src/store/files/layout.ts';
import { birthOf } from '../../src/store/hot/log-file.ts';
import type { SystemdMachine } from './systemd-machine.ts';

const STATE = '/var/lib/sluice';
const CASES = path.join(import.meta.dirname, '..', 'cases', 'store');
/** What a machine keeps of an installation that is purged: its own diary, and the group for lines of the board, which others may use. */
const KEPT = [
  /^\/(?:proc|sys|dev|run|tmp|root)\//,
  /^\/var\/(?:log|cache|tmp|lib\/dpkg|lib\/apt|lib\/systemd)\//,
  /^\/etc\/(?:passwd|group|shadow|gshadow|subuid|subgid)-?$/,
  /^\/etc\/(?:\.pwd\.lock|\.updated|apt\/.*|ld\.so\.cache)$/,
];

/** Files and folders of the machine, by their paths. */
export function everything(machine: SystemdMachine): string[] {
  const found = machine.must('find', '/', '-xdev', '-print').split('\n');
  return found.filter((file) => !KEPT.some((kept) => kept.test(file))).sort();
}

/** Without questions. */
export function apt(machine: SystemdMachine, ...words: string[]): void {
  machine.must('env', 'DEBIAN_FRONTEND=noninteractive', 'apt-get', '-y', '-qq', '--no-install-recommends', ...words);
}

/** What bash offers for the last of these words of `sluice`. */
export function complete(machine: SystemdMachine, ...words: string[]): string {
  const script = `. /usr/share/bash-completion/completions/sluice; COMP_WORDS=(sluice "$@"); COMP_CWORD=$#
_sluice 2>/dev/null; echo "\${COMPREPLY[*]}"`;
  return machine.must('bash', '-c', script, 'complete', ...words);
}

export const isActive = (machine: SystemdMachine): boolean => machine.show('sluice.service', 'ActiveState') === 'active';
export const status = (machine: SystemdMachine): { log: { id: string }; gateway: { version: string } } =>
  JSON.parse(machine.must('sluice', 'status', '--json')) as { log: { id: string }; gateway: { version: string } };

/** What listens, as the page of the security scorecard writes it: `127.0.0.1:1883 TCP`, sorted. */
export function openPorts(machine: SystemdMachine): string[] {
  const lines = machine.must('ss', '--no-header', '--listening', '--numeric', '--tcp', '--udp').split('\n');
  return lines
    .filter((line) => line !== '')
    .map((line) => line.split(/\s+/))
    .map(([protocol = '', , , , address = '']) => `${address} ${protocol.toUpperCase()}`)
    .sort();
}

/** The version of the layout of the log, as the file says it. @param folder for a copy: SQLite takes no path into a container */
export function layoutOf(machine: SystemdMachine, folder: string): unknown {
  const copy = path.join(mkdtempSync(path.join(folder, 'layout-')), LOG_FILE);
  for (const end of ['', '-wal']) {
    const file = machine.at(`${STATE}/${LOG_FILE}${end}`);
    if (existsSync(file)) copyFileSync(file, `${copy}${end}`);
  }
  const db = new Database(copy);
  try {
    return db.pragma('user_version', { simple: true });
  } finally {
    db.close();
  }
}

/**
 * The log that a program of an older layout wrote takes the place of the one of a gateway that is stopped.
 * @param version a folder of test/cases/store @returns its records, as `sluice export` writes them
 */
export function putOldLog(machine: SystemdMachine, version: string, folder: string): string[] {
  machine.must('sh', '-c', `rm -f ${STATE}/${LOG_FILE}* ${STATE}/${HISTORY_FILE}*; rm -rf /run/sluice/tail-*`);
  for (const file of [LOG_FILE, HISTORY_FILE]) {
    copyFileSync(path.join(CASES, version, file), machine.at(`${STATE}/${file}`));
    machine.must('chown', 'sluice:sluice', `${STATE}/${file}`);
  }
  // An upgrade finds the very file that the old program wrote; a copy begins a new log.
  const log = machine.at(`${STATE}/${LOG_FILE}`);
  const copy = path.join(mkdtempSync(path.join(folder, 'log-')), LOG_FILE);
  copyFileSync(log, copy);
  const db = new Database(copy);
  db.prepare("update meta set value = ? where name = 'birth'").run(birthOf(log));
  db.close();
  // Into the file that is there, which keeps its birth.
  writeFileSync(log, readFileSync(copy));
  return readFileSync(path.join(CASES, version, 'expected.jsonl'), 'utf8')
    .trimEnd()
    .split('\n');
}
