/**
 * Each board on a machine as its kernel shows it: test/cases/boards/<board>/case.yaml has the files, expected.json what is found.
 * SLUICE_GOLDEN=write writes what is found now; look at the difference.
 */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { parse } from 'yaml';
import { BoardLibrary } from '../../../src/boards/library.ts';
import { lookAt, remarksOf } from '../../../src/boards/look.ts';
import { machineAt } from '../../../src/boards/machine.ts';
import { scratch } from '../../harness/scratch.ts';

const ROOT = path.join(import.meta.dirname, '..', '..', '..');
const CASES = path.join(ROOT, 'test', 'cases', 'boards');
const BOARDS = path.join(ROOT, 'hardware-profiles', 'boards');
const library = new BoardLibrary(BOARDS);

interface Case {
  readonly arch: string;
  readonly named?: { readonly board?: string; readonly hats?: readonly string[] };
  readonly files: Readonly<Record<string, string>>;
}

test('every board file is valid, and every board has a case', () => {
  assert.deepEqual(library.faults, []);
  assert.deepEqual(
    library.all().map(({ name }) => name),
    readdirSync(CASES).sort(),
  );
});

for (const name of readdirSync(CASES))
  test(`board ${name}: it is recognised, with its ports, LED and limits`, (t) => {
    const { arch, named, files } = parse(readFileSync(path.join(CASES, name, 'case.yaml'), 'utf8')) as Case;
    const root = scratch(t, 'board');
    for (const [file, text] of Object.entries(files)) {
      mkdirSync(path.dirname(path.join(root, file)), { recursive: true });
      writeFileSync(path.join(root, file), text);
    }
    const machine = machineAt(root, arch);
    const look = lookAt(library, machine, named);
    const found = {
      board: look.board?.name ?? null,
      hats: look.hats.map((hat) => hat.name),
      because: look.because,
      model: look.machine.model ?? null,
      ports: Object.fromEntries(look.ports.map((port) => [port.name, port.found ?? null])),
      led: look.led ?? null,
      limits: look.limits === undefined ? null : { ...look.limits, nodeRedMemory: look.limits.nodeRedMemory ?? null },
      remarks: remarksOf(look).map(({ severity, message, remedy }) => `${severity}: ${message} ${remedy}`),
    };
    const file = path.join(CASES, name, 'expected.json');
    if (process.env.SLUICE_GOLDEN === 'write') writeFileSync(file, `${JSON.stringify(found, null, 2)}\n`);
    assert.ok(existsSync(file), 'SLUICE_GOLDEN=write writes it');
    assert.deepEqual(found, JSON.parse(readFileSync(file, 'utf8')));
    // The start looks at fewer files, and finds the same.
    const fitting = BoardLibrary.fitting(BOARDS, machine, named ?? {});
    assert.deepEqual(lookAt(fitting, machine, named), look);
    assert.ok(fitting.all().length <= 3, `${fitting.all().length} of ${library.all().length} are read`);
    const board = library.get(name);
    assert.ok(board !== undefined && (look.board === board || look.hats.includes(board)), `${name} is what its case is of`);
  });
