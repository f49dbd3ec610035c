/** `sluice backup`, `sluice restore`. */
import { closeSync, existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { Archive } from '../../care/archive.ts';
import { makeBackup } from '../../care/backup.ts';
import { type Entry, revisionOf } from '../../care/entries.ts';
import { writtenFolders } from '../../care/last-good.ts';
import { inspect, restore } from '../../care/restore.ts';
import { SluiceError } from '../../core/errors.ts';
import { formatSize } from '../../core/units.ts';
import { VERSION } from '../../core/version.ts';
import { FileSource, firstLine, isFolder, openToRead, WholeFile } from '../bundle/bundle-file.ts';
import { readConfig, readText, refusedWords } from '../config-file.ts';
import { isConfirmed, newPassword } from '../password-prompt.ts';
import { baseOf, pushedProfiles, ranOf } from '../pushed-config.ts';
import { lastGoodConfig } from '../start-config.ts';
import { count } from '../words.ts';

/** Signs: a passphrase is what keeps the accounts of a lost stick closed. */
const LEAST_PASSPHRASE = 8;
const MOST_PASSPHRASE = 4096;

export interface BackupOptions {
  readonly config: string;
  readonly withLog?: boolean;
  readonly encrypt?: boolean;
  readonly passphraseFile?: string;
  readonly json?: boolean;
}

export async function backup(to: string | undefined, options: BackupOptions): Promise<void> {
  const read = readConfig(options.config, { readSecrets: false });
  const last = read.config === undefined ? lastGoodConfig(options.config, false) : undefined;
  const found = read.config ?? last?.config;
  if (found === undefined) throw new SluiceError('config-invalid', refusedWords(read.faults));
  const { id, stateDir } = found.gateway;
  const made = Date.now();
  const name = `${id}-${new Date(made).toISOString().slice(0, 16).replaceAll(/[-:]/g, '').replace('T', '-')}.sluice-backup`;
  const target = to === undefined ? name : isFolder(to) ? path.join(to, name) : to;
  const passphrase = await passphraseOf(options, 'new');
  const file = WholeFile.for(target, 0o600);
  try {
    const report = await makeBackup({
      ...{ configFile: options.config, stateDir, gateway: id, program: VERSION, made, passphrase },
      profiles: [
        ...(read.read === undefined ? [] : ranOf(options.config, read.read).profiles.map(({ file: profile }) => profile)),
        ...pushedProfiles(options.config, stateDir, baseOf(read)),
      ],
      lastGood: last?.config === undefined ? undefined : last.good,
      withLog: options.withLog === true,
      write: (bytes) => file.write(bytes),
    });
    const where = file.finish(path.basename(target));
    const bytes = report.entries.reduce((sum, { size }) => sum + size, 0);
    if (options.json) {
      process.stdout.write(`${JSON.stringify({ file: where, gateway: id, encrypted: passphrase !== undefined, ...report })}\n`);
      return;
    }
    const lines = [
      `Wrote ${where}: ${count(report.entries.length, 'file')}, ${formatSize(bytes)}${options.withLog === true ? ', with the readings' : ', without readings'}.`,
      ...report.notes,
      passphrase === undefined
        ? 'It is not encrypted, and it holds keys and passwords: keep it where only you can read it.'
        : 'It is encrypted. Without the passphrase nobody can open it, you neither.',
      `On the new board: sudo sluice restore ${path.basename(where)}`,
    ];
    process.stdout.write(`${lines.join('\n')}\n`);
  } finally {
    file.abandon();
  }
}

export interface RestoreOptions {
  readonly config: string;
  readonly passphraseFile?: string;
  readonly yes?: boolean;
  readonly list?: boolean;
  readonly json?: boolean;
}

export async function restoreBackup(from: string, options: RestoreOptions): Promise<void> {
  const fd = openToRead(from);
  try {
    const archive = new Archive(new FileSource(fd));
    const { head } = archive;
    if (head.kdf !== undefined) archive.unlock((await passphraseOf({ ...options, encrypt: true }, 'old')) ?? '');
    const found = inspect(archive, VERSION);
    if (options.list) {
      const rows = found.entries.map(({ where, name, size }) => `${where}/${name}  ${formatSize(size)}`);
      process.stdout.write(options.json ? `${JSON.stringify({ ...head, entries: found.entries })}\n` : `${rows.join('\n')}\n`);
      return;
    }
    const { config, faults } = readText(found.text, path.resolve(options.config));
    // Profiles that come with the backup are not in their place yet.
    const unknown = config === undefined && !faults.every(({ path: at }) => at.endsWith('.profile'));
    if (unknown)
      throw new SluiceError(
        'config-invalid',
        `this version refuses the configuration of the backup, and nothing was changed:\n${refusedWords(faults)}`,
      );
    const stateDir = config?.gateway.stateDir ?? stateDirIn(found.text, options.config);
    if (isUsed(stateDir) && options.yes !== true) {
      const question = `${stateDir} holds the state of a gateway. It is replaced, its readings too. Type yes to continue: `;
      if (!(await isConfirmed(question)))
        throw new SluiceError(
          'usage',
          `${stateDir} holds the state of a gateway, and its readings would go: "sluice export" saves them. To continue: sluice restore --yes`,
        );
    }
    restore(archive, found, { configFile: options.config, stateDir });
    const flows = lastRevision(found.entries, options.config);
    const made = new Date(head.made).toISOString().slice(0, 16).replace('T', ' ');
    const done = {
      gateway: head.gateway,
      made: head.made,
      configFile: path.resolve(options.config),
      stateDir,
      files: found.entries.length,
      ...(flows === undefined ? {} : { flows }),
    };
    const flowWords =
      flows === undefined
        ? ''
        : `The flows of Node-RED lie outside the state directory, so they are not in place. Put them back when the gateway runs: sluice flows restore ${flows}\n`;
    process.stdout.write(
      options.json
        ? `${JSON.stringify(done)}\n`
        : `Restored ${head.gateway} of ${made} UTC: ${count(found.entries.length, 'file')} to ${done.configFile} and ${stateDir}.\nNext: sluice check, then sudo systemctl start sluice. Never start the old board again with this gateway.\n${flowWords}`,
    );
  } finally {
    closeSync(fd);
  }
}

/** The newest revision of flows, where the folder of Node-RED is not in the backup and Node-RED is on. */
function lastRevision(entries: readonly Entry[], configFile: string): number | undefined {
  const numbers = entries.flatMap(({ where, name }) => (where === 'state' ? revisionOf(name) : undefined) ?? []);
  if (numbers.length === 0) return undefined;
  const nodeRed = readConfig(configFile, { readSecrets: false }).config?.nodeRed;
  return nodeRed?.enabled === true && !nodeRed.unsafeSameUser ? Math.max(...numbers) : undefined;
}

function stateDirIn(text: string, config: string): string {
  const [dir] = writtenFolders('stateDir', text);
  return path.resolve(path.dirname(path.resolve(config)), dir ?? '/var/lib/sluice');
}

function isUsed(stateDir: string): boolean {
  return existsSync(stateDir) && readdirSync(stateDir).some((name) => ['log.db', 'access.json', 'history.db'].includes(name));
}

async function passphraseOf(
  { encrypt, passphraseFile }: Pick<BackupOptions, 'encrypt' | 'passphraseFile'>,
  which: 'new' | 'old',
): Promise<string | undefined> {
  if (passphraseFile === undefined && encrypt !== true) return undefined;
  const text =
    passphraseFile === undefined
      ? await newPassword(false, 'this backup', '--passphrase-file')
      : firstLine(passphraseFile, MOST_PASSPHRASE);
  if (which === 'new' && text.length < LEAST_PASSPHRASE)
    throw new SluiceError('usage', `the passphrase has fewer than ${LEAST_PASSPHRASE} signs: take a longer one`);
  return text;
}
