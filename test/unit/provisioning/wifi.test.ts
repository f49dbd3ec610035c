/** Wi-Fi of a card, as different systems read it, and the words where a system does none. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import fc from 'fast-check';
import { secretsOfCard } from '../../../src/cli/care/factory-reset.ts';
import { NO_WIFI } from '../../../src/provisioning/network.ts';
import { readApplied } from '../../../src/provisioning/record.ts';
import { keyOf, WIFI_FILES, type Wifi, wifiWay } from '../../../src/provisioning/wifi.ts';
import { BOARD_A, CARD, FakeBoard } from '../../harness/fake-board.ts';
import { scratch } from '../../harness/scratch.ts';

const IMAGE = 'usr/lib/systemd/system/sluice-wifi@.service';
const [MANAGER_FILE = '', IMAGE_FILE = ''] = WIFI_FILES;
/** Signs that mean something to a shell, to quotes, to comments and to escapes. */
const STRANGE = ' "a\' #b\\s\\\\;$x%" ';

test('on a Sluice image the card becomes a file of wpa_supplicant that only root reads', (t) => {
  const board = new FakeBoard(scratch(t, 'cards', '/dev/shm'), BOARD_A);
  board.wifiBy(IMAGE);
  board.write(CARD);
  const { outcome, remarks } = board.start();
  assert.deepEqual([outcome, remarks], ['applied', []]);
  const file = path.join(board.root, IMAGE_FILE);
  assert.equal(statSync(file).mode & 0o777, 0o600);
  assert.equal(statSync(path.dirname(file)).mode & 0o777, 0o755);
  assert.equal(
    readFileSync(file, 'utf8'),
    [
      '# Made by "sluice provision" from sluice.yaml.',
      'ctrl_interface=/run/wpa_supplicant',
      'country=BD',
      'network={',
      '\tssid=47686174',
      '\tkey_mgmt=WPA-PSK WPA-PSK-SHA256',
      '\tieee80211w=1',
      `\t#password=${Buffer.from('wifi-secret-1').toString('hex')}`,
      `\tpsk=${keyOf('Ghat', 'wifi-secret-1')}`,
      '}',
      '',
    ].join('\n'),
  );
  assert.equal(existsSync(path.join(board.root, MANAGER_FILE)), false);
  assert.ok(!board.card().includes('wifi-secret-1') && !board.status.includes('wifi-secret-1'));
  // The erased password stays in force when the name changes, and a reset takes the file away.
  board.write(board.card().replace('name: Ghat\n', 'name: Hut\n  hidden: true\n'));
  assert.equal(board.start().outcome, 'applied');
  const hut = readFileSync(file, 'utf8');
  assert.match(hut, /^\tssid=487574\n\tscan_ssid=1\n/m);
  assert.ok(hut.includes(`\tpsk=${keyOf('Hut', 'wifi-secret-1')}\n`), hut);
  assert.deepEqual(secretsOfCard(board.stateDir, board.root), [file]);
});

test('a system without Wi-Fi says so at each start, and keeps no password', (t) => {
  const board = new FakeBoard(scratch(t, 'cards', '/dev/shm'), BOARD_A);
  board.wifiBy(undefined);
  board.write(CARD);
  for (const [outcome, options] of [
    ['applied', {}],
    ['unchanged', {}],
    ['unchanged', { reportOnly: true }],
  ] as const) {
    const done = board.start(options);
    assert.deepEqual([done.outcome, done.remarks], [outcome, [NO_WIFI]]);
    assert.ok(board.status.replaceAll('\r', '').includes(`\nRemarks:\n  - ${NO_WIFI}\n`), board.status);
  }
  assert.match(board.yaml, /name: Ghat 1 water point/);
  assert.ok(Object.values(board.files()).every((text) => !text.includes('wifi-secret-1')));
  assert.equal(readApplied(board.stateDir)?.wifi, true);
  board.write(board.card().replace(/wifi:\n( .*\n)+/, ''));
  assert.deepEqual([board.start().remarks, readApplied(board.stateDir)?.wifi], [[], false]);
});

test('the key of a network is that of the standard', () => {
  // IEEE 802.11, annex J.4.2.
  assert.equal(keyOf('IEEE', 'password'), 'f42c6fc52df0ebef9ebb4b90b38a5f902e83fe1b135a70e23aed762e9710a12e');
  assert.equal(keyOf('ThisIsASSID', 'ThisIsAPassword'), '0dc0d6eb90555ed6419756b9a15ec3e3209b63df707dd508d14581f8982721af');
});

test('every name and password of Wi-Fi can be read back from what is written', (t) => {
  const root = scratch(t, 'root');
  const password = fc.oneof(
    fc.string({
      unit: fc.integer({ min: 0x20, max: 0x7e }).map((code) => String.fromCharCode(code)),
      minLength: 8,
      maxLength: 63,
    }),
    fc.stringMatching(/^[0-9a-fA-F]{64}$/),
    fc.constant(STRANGE),
  );
  for (const sign of ['usr/sbin/NetworkManager', IMAGE]) {
    const board = new FakeBoard(path.join(root, sign), BOARD_A);
    board.wifiBy(sign);
    const way = wifiWay(board.root);
    assert.ok(way !== undefined);
    fc.assert(
      fc.property(fc.string({ minLength: 1, maxLength: 8 }), password, fc.boolean(), (name, secret, hidden) => {
        const wifi: Wifi = { name, hidden };
        const text = way.text(wifi, secret);
        assert.equal(way.passwordIn(text), secret);
        assert.equal(way.passwordIn(way.text(wifi, undefined)), undefined, 'an open network');
        // No line comes from a name or a password.
        assert.equal(text.split('\n').length, way.text({ name: 'a', hidden }, 'b'.repeat(8)).split('\n').length);
      }),
      { numRuns: 200 },
    );
  }
});
