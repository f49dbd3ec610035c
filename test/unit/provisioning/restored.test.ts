/** A gateway that a card made is put back from its backup: on the same board, and on another one. */
import assert from 'node:assert/strict';
import { appendFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { Archive } from '../../../src/care/archive.ts';
import { makeBackup } from '../../../src/care/backup.ts';
import { inspect, restore } from '../../../src/care/restore.ts';
import { VERSION } from '../../../src/core/version.ts';
import { BOARD_A, BOARD_B, CARD, FakeBoard } from '../../harness/fake-board.ts';
import { scratch } from '../../harness/scratch.ts';

const HANDS = '# changed by hand\n';
const PASSWORD = 'upstream-secret-1';

async function backupOf({ config, stateDir }: FakeBoard): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  await makeBackup({
    ...{ configFile: config, stateDir, gateway: 'g1', profiles: [], withLog: false, passphrase: undefined },
    ...{ program: VERSION, made: 1_795_000_000_000, write: (bytes: Uint8Array) => void pieces.push(Buffer.from(bytes)) },
  });
  return Buffer.concat(pieces);
}

function putBack({ config, stateDir }: FakeBoard, bytes: Buffer): void {
  const archive = () => new Archive({ size: bytes.length, read: (at, n) => bytes.subarray(at, at + n) });
  mkdirSync(stateDir, { recursive: true });
  mkdirSync(path.dirname(config), { recursive: true });
  restore(archive(), inspect(archive(), VERSION), { configFile: config, stateDir });
}

/** What the configuration in force names as the password of the upstream. */
function passwordOf(board: FakeBoard): string | undefined {
  const [, file = ''] = /\n\s+file: (\S+)/.exec(board.yaml) ?? [];
  return existsSync(file) ? readFileSync(file, 'utf8') : undefined;
}

test('a restore on the same board keeps the card in force, and its password for later cards', async (t) => {
  const board = new FakeBoard(scratch(t, 'cards', '/dev/shm'));
  board.write(CARD);
  board.start();
  appendFileSync(board.config, HANDS);
  const whole = board.yaml;
  const backup = await backupOf(board);
  putBack(board, backup);
  const done = board.start();
  assert.deepEqual([done.outcome, done.id, done.faults], ['unchanged', 'sluice-a1b2c3', []]);
  assert.deepEqual([board.yaml, passwordOf(board)], [whole, PASSWORD]);
  board.write(board.card().replace('Ghat 1 water point', 'Ghat 2 water point'));
  assert.equal(board.start().outcome, 'applied', 'a later card, with the password erased');
  assert.deepEqual([/Ghat 2/.test(board.yaml), passwordOf(board)], [true, PASSWORD]);

  // The backup has an older password than the record of this board names.
  board.write(CARD.replace(PASSWORD, 'upstream-secret-2'));
  assert.equal(board.start().outcome, 'applied');
  putBack(board, backup);
  assert.deepEqual([board.start().outcome, board.yaml, passwordOf(board)], ['unchanged', whole, PASSWORD]);
  board.write(board.card().replace('Ghat 1 water point', 'Ghat 3 water point'));
  const lost = board.start();
  assert.match(lost.faults.join('\n'), /upstream\.password: the password was erased .* write the password again/);
  assert.deepEqual([board.yaml, passwordOf(board)], [whole, PASSWORD]);
});

test('a restore on a new board is the old gateway, and no card is applied over it', async (t) => {
  const folder = scratch(t, 'cards', '/dev/shm');
  const old = new FakeBoard(folder, BOARD_A);
  old.write(CARD);
  old.start();
  appendFileSync(old.config, HANDS);
  writeFileSync(path.join(old.stateDir, 'access.json'), '{}');
  const whole = old.yaml;
  const card = old.card();
  const backup = await backupOf(old);
  for (const onCard of [undefined, card, 'name: Another\n']) {
    for (const dir of [old.root, old.boot, old.stateDir, path.dirname(old.config)]) rmSync(dir, { recursive: true });
    const board = new FakeBoard(folder, BOARD_B);
    if (onCard !== undefined) board.write(onCard);
    // The card of another gateway was in force before; the card of the old one comes with the backup.
    if (onCard !== card) board.start();
    putBack(board, backup);
    const done = board.start();
    const outcome = onCard === undefined ? 'no-file' : onCard === card ? 'unchanged' : 'refused';
    assert.deepEqual([done.outcome, done.id, done.change], [outcome, 'sluice-a1b2c3', 'first'], onCard);
    if (outcome === 'refused') assert.match(done.faults.join('\n'), /this file is for the gateway sluice-b1b2b3/);
    assert.deepEqual([board.yaml, passwordOf(board)], [whole, PASSWORD], onCard);
  }
});
