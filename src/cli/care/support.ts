/** `sluice bundle`: one file for somebody who helps from far away. */
import { execFile } from 'node:child_process';
import { readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { request, text } from '../../admin/client.ts';
import { filesBeside } from '../../care/files-beside.ts';
import { statusForSupport } from '../../care/status-for-support.ts';
import { makeSupport, type Part, versions } from '../../care/support.ts';
import { formatFault } from '../../config/fault.ts';
import { readYamlFile } from '../../config/yaml-source.ts';
import { isPersonal } from '../../core/privacy.ts';
import { formatSize } from '../../core/units.ts';
import { VERSION } from '../../core/version.ts';
import { isFolder, WholeFile } from '../bundle/bundle-file.ts';
import { readConfig } from '../config-file.ts';
import { type RunningOptions, socketOf } from '../running.ts';
import { lastGoodConfig } from '../start-config.ts';
import { findingsOf } from './doctor.ts';

/** Lines of the journal, bytes of the metrics, and milliseconds for the journal. */
const LINES = 2000;
const MOST_METRICS = 1024 * 1024;
const JOURNAL_WITHIN = 10_000;
const MOST_SECRET = 64 * 1024;

export interface SupportCommand extends RunningOptions {
  readonly list?: boolean;
}

export async function supportBundle(to: string | undefined, options: SupportCommand): Promise<void> {
  const read = readConfig(options.config);
  const config = read.config ?? lastGoodConfig(options.config).config;
  const raw = readYamlFile(options.config).value;
  // Without a configuration nobody knows which points are private.
  const isPrivate = config === undefined || Object.values(config.privacy?.points ?? {}).some(isPersonal);
  const parts = partsOf(options, raw, read.faults.map(formatFault), isPrivate);
  if (options.list) {
    const rows = [{ name: 'CONTENTS.txt', about: 'this list' }, ...parts].map(({ name, about }) => ({ name, about }));
    process.stdout.write(
      options.json
        ? `${JSON.stringify({ parts: rows })}\n`
        : rows.map(({ name, about }) => `${name.padEnd(20)} ${about}\n`).join(''),
    );
    return;
  }
  const gateway = config?.gateway.id ?? 'gateway';
  const made = Date.now();
  const { bytes, files } = await makeSupport({
    ...{ gateway, title: config?.gateway.name, parts, made },
    stateDir: config?.gateway.stateDir ?? '/var/lib/sluice',
    configs: [raw, ...(config === undefined ? [] : [[...config.forwarders.values()], [...config.buses.values()]])],
    secrets: secretFiles(options.config, raw),
  });
  const name = `sluice-support-${gateway}-${new Date(made).toISOString().slice(0, 16).replaceAll(/[-:]/g, '').replace('T', '-')}.tar.gz`;
  const target = to === undefined ? name : isFolder(to) ? path.join(to, name) : to;
  const file = new WholeFile(path.dirname(path.resolve(target)), 0o600);
  try {
    file.write(bytes);
    const where = file.finish(path.basename(target));
    process.stdout.write(
      options.json
        ? `${JSON.stringify({ file: where, bytes: bytes.length, files })}\n`
        : `Wrote ${where} (${formatSize(bytes.length)}). Passwords, keys, names of places and coordinates were taken out.\nLook before you send it: tar -xzf ${path.basename(where)}\n`,
    );
  } finally {
    file.abandon();
  }
}

function partsOf(options: SupportCommand, raw: unknown, faults: readonly string[], isPrivate: boolean): Part[] {
  const socket = (): string => socketOf(options);
  return [
    { name: 'versions.json', about: 'versions of the program and the system, the board', make: async () => versions(VERSION) },
    {
      name: 'configuration.json',
      about: 'the configuration without comments and secrets, and its faults',
      make: async () => ({ faults, configuration: raw ?? null }),
    },
    { name: 'doctor.json', about: 'what "sluice doctor" finds', make: () => findingsOf(options) },
    {
      name: 'status.json',
      about: isPrivate ? 'the status of the running gateway, without values of alarms' : 'the status of the running gateway',
      make: async () => statusForSupport(await request(socket(), 'GET', '/api/v1/status'), isPrivate),
    },
    { name: 'metrics.txt', about: 'its figures', make: () => metrics(socket()) },
    { name: 'journal.txt', about: `the last ${LINES} lines of the journal, with events`, make: journal },
  ];
}

async function metrics(socket: string): Promise<string> {
  let all = '';
  for await (const piece of text(socket, '/metrics')) if (all.length < MOST_METRICS) all += piece;
  return all;
}

function journal(): Promise<string> {
  return new Promise((resolve, reject) => {
    const args = ['-u', 'sluice', '-n', String(LINES), '-o', 'short-iso', '--no-pager', '-q'];
    execFile('journalctl', args, { timeout: JOURNAL_WITHIN, maxBuffer: 16 * 1024 * 1024 }, (error, stdout) => {
      if (error !== null)
        reject(new Error('the journal cannot be read: run it as root, or as a member of the group systemd-journal'));
      else if (stdout.trim() === '') reject(new Error('the journal has no line of the service sluice'));
      else resolve(stdout);
    });
  });
}

/** What stands in small files beside the configuration may be a secret: none of their lines leaves. */
function secretFiles(configFile: string, raw: unknown): string[] {
  const folder = path.dirname(path.resolve(configFile));
  return filesBeside(configFile, raw).flatMap((name) => {
    const file = path.join(folder, name);
    try {
      if (/\.ya?ml$/.test(name) || statSync(file).size > MOST_SECRET) return [];
      return readFileSync(file, 'utf8')
        .split(/\r?\n/)
        .filter((line) => !line.startsWith('-----'));
    } catch {
      return [];
    }
  });
}
