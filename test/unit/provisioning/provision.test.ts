import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { keepLastGood } from '../../../src/care/last-good.ts';
import { checkMade } from '../../../src/cli/provision.ts';
import { Disk, PowerCut } from '../../../src/provisioning/disk.ts';
import { BOARD_A, CARD, checked, FakeBoard, SECRETS } from '../../harness/fake-board.ts';
import { scratch } from '../../harness/scratch.ts';

const OLD = 'name: Old name\nupstream: {url: "mqtt://old.example.org", username: old, password: old-secret-1}\n';

test('a card becomes a configuration, secrets go into files, and the status names the result', (t) => {
  const board = new FakeBoard(scratch(t, 'cards', '/dev/shm'));
  board.write(CARD);
  // As the service has it.
  const mask = process.umask(0o077);
  const done = board.start();
  assert.equal(process.umask(mask), 0o077);
  assert.deepEqual([done.outcome, done.id, done.change, done.faults], ['applied', 'sluice-a1b2c3', 'first', []]);
  const { faults } = checkMade(board.yaml, board.config);
  assert.deepEqual(faults, []);
  assert.match(board.yaml, /name: Ghat 1 water point, Basti/);
  assert.match(board.yaml, /port: 8443\n\s+tls: true/);
  for (const secret of SECRETS) {
    assert.ok(!board.yaml.includes(secret) && !board.status.includes(secret) && !board.card().includes(secret), secret);
    assert.ok(
      Object.values(board.files()).some((text) => text.includes(secret)),
      `${secret} is kept on the board`,
    );
  }
  const mode = (name: string) => (statSync(name).mode & 0o777).toString(8);
  assert.equal(mode(board.config), '640');
  for (const file of ['claim', 'gateway.key', 'provision/applied.json'])
    assert.equal(mode(path.join(board.stateDir, file)), '600', file);
  assert.equal(mode(path.join(board.root, 'etc/NetworkManager/system-connections/sluice-wifi.nmconnection')), '600');
  assert.equal(mode(path.join(board.stateDir, 'secrets')), '700');
  // systemd-timesyncd has a user of its own.
  assert.equal(mode(path.join(board.root, 'etc/systemd/timesyncd.conf.d')), '755');
  assert.equal(mode(path.join(board.root, 'etc/systemd/timesyncd.conf.d/sluice.conf')), '644');
  const wifi = board.files()['root/etc/NetworkManager/system-connections/sluice-wifi.nmconnection'] ?? '';
  assert.match(wifi, /^ssid=71;104;97;116;$/m);
  assert.match(wifi, /^psk=wifi-secret-1$/m);
  assert.match(board.status, /^Result: {6}sluice\.yaml was put in force\.\r$/m);
  assert.match(board.status, /^Page: {8}https:\/\/sluice-a1b2c3\.local:8443\/ or https:\/\/192\.0\.2\.7:8443\/\r$/m);
  assert.match(board.status, /^Key: {9}([0-9a-f]{4} ){7}[0-9a-f]{4}\r$/m);
  assert.ok(
    board.status
      .split('\n')
      .slice(0, -1)
      .every((line) => line.endsWith('\r')),
  );
});

test('the same card twice changes no byte, and hands on the configuration stay', (t) => {
  const board = new FakeBoard(scratch(t, 'cards', '/dev/shm'));
  board.write(CARD);
  board.start();
  board.start();
  const before = board.files();
  assert.equal(board.start().outcome, 'unchanged');
  assert.deepEqual(board.files(), before);
  writeFileSync(board.config, `${board.yaml}# a hand\n`);
  board.start();
  assert.match(board.yaml, /# a hand/);
  board.write(board.card().replace('10s', '20s'));
  assert.equal(board.start().outcome, 'applied');
  assert.match(board.yaml, /interval: 20s/);
  const [file = ''] = /upstream-password-[0-9a-f]{8}/.exec(board.yaml) ?? [];
  assert.equal(board.state(`secrets/${file}`), 'upstream-secret-1', 'an erased password stays in force');
  assert.match(board.files()['etc/gateway.yaml.before-provisioning'] ?? '', /# a hand/);
});

test('a start keeps secrets of the last good configuration, and makes a lost file anew', async (t) => {
  const board = new FakeBoard(scratch(t, 'cards', '/dev/shm'));
  board.write(CARD);
  board.start();
  const good = board.yaml;
  const [secret = ''] = /upstream-password-[0-9a-f]{8}/.exec(good) ?? [];
  // A hand broke the file, and the gateway runs with what it was.
  await keepLastGood(board.stateDir, { file: board.config, text: good, profiles: [] }, '1.0.0', 1_795_000_000_000);
  writeFileSync(board.config, 'gateway: {id: sluice-a1b2c3}\n');
  assert.equal(board.start().outcome, 'unchanged');
  assert.equal(board.state(`secrets/${secret}`), 'upstream-secret-1');
  // A card that was repaired may have lost the file, or what was in it.
  for (const lose of [() => rmSync(board.config), () => writeFileSync(board.config, '')]) {
    lose();
    assert.equal(board.start().outcome, 'applied');
    const [name = ''] = /upstream-password-[0-9a-f]{8}/.exec(board.yaml) ?? [];
    assert.equal(board.state(`secrets/${name}`), 'upstream-secret-1');
    assert.equal(board.start().outcome, 'unchanged');
  }
});

test('a bad file keeps the last good configuration and its secrets, and keeps its own', (t) => {
  const board = new FakeBoard(scratch(t, 'cards', '/dev/shm'));
  board.write(CARD);
  board.start();
  const good = board.yaml;
  board.write(CARD.replace('xy-md02', 'no-such-model').replace('upstream-secret-1', 'another'));
  const { outcome, faults } = board.start();
  assert.equal(outcome, 'refused');
  assert.match(faults.join(), /^sluice\.yaml:15:34: buses\.field\.devices\.fridge\.profile: there is no profile/);
  assert.equal(board.yaml, good);
  assert.match(board.card(), /another/, 'a person corrects the file that he wrote');
  assert.match(board.status, /- sluice\.yaml:15:34: buses\.field\.devices\.fridge\.profile/);
});

test('a claimed gateway keeps its accounts and refuses the file of another card', (t) => {
  const board = new FakeBoard(scratch(t, 'cards', '/dev/shm'));
  board.write(CARD);
  board.start();
  writeFileSync(path.join(board.stateDir, 'access.json'), '{}');
  const [good, own] = [board.yaml, board.card()];
  board.write(CARD.replace('broker.example.org', 'thief.example.org'));
  assert.match(board.start().faults.join(), /claimed and keeps its configuration.*id: sluice-a1b2c3/);
  board.write(`${CARD}id: ghat-9\n`);
  assert.match(board.start().faults.join(), /:23:5: id: this file is for the gateway ghat-9\. This gateway is sluice-a1b2c3/);
  assert.equal(board.yaml, good);
  board.write(own.replace('Ghat 1 water', 'Ghat 2 water').replace('claimCode: xxxxxxxx', 'claimCode: 1111-2222-3333'));
  const done = board.start();
  assert.equal(done.outcome, 'applied');
  assert.match(done.remarks.join(), /claim code has no effect/);
  assert.equal(board.state('access.json'), '{}');
  assert.equal(board.state('claim'), '7K3M-Q2XV-9TRD\n');
  assert.match(board.yaml, /Ghat 2 water/);
});

test('a file that names an id gives it to a gateway that nobody has claimed', (t) => {
  const board = new FakeBoard(scratch(t, 'cards', '/dev/shm'));
  board.write(`id: ghat-7\n${CARD}`);
  const done = board.start();
  assert.deepEqual([done.outcome, done.id], ['applied', 'ghat-7']);
  assert.match(board.yaml, /id: ghat-7/);
  assert.deepEqual([board.start().outcome, board.start().id], ['unchanged', 'ghat-7']);
  assert.match(board.status, /Gateway id: {2}ghat-7/);
});

test('a power cut at any step leaves the old or the new configuration, each with its secrets', (t) => {
  const folder = scratch(t, 'cards', '/dev/shm');
  const prepared = new FakeBoard(path.join(folder, 'prepared'));
  prepared.write(OLD);
  prepared.start();
  prepared.write(CARD);
  const expected = prepared.copyTo(path.join(folder, 'whole'), BOARD_A);
  let steps = 0;
  expected.start({ disk: new Disk(() => void steps++) });
  assert.ok(steps > 30, `${steps} steps`);
  const seen = new Set<string>();
  for (let cut = 0; cut < steps; cut++) {
    const board = prepared.copyTo(path.join(folder, `cut-${cut}`), BOARD_A);
    let left = cut;
    const disk = new Disk(() => {
      if (left-- === 0) throw new PowerCut();
    });
    assert.throws(() => board.start({ disk }), PowerCut);
    const text = board.yaml;
    assert.deepEqual(
      checked(text.replaceAll(board.stateDir, '/state').replace(/password-[0-9a-f]{8}/, 'password'), board.config).faults,
      [],
      `cut ${cut}`,
    );
    const isNew = text.includes('broker.example.org');
    seen.add(isNew ? 'new' : 'old');
    const [file = ''] = /upstream-password-[0-9a-f]{8}/.exec(text) ?? [];
    assert.equal(board.state(`secrets/${file}`), isNew ? 'upstream-secret-1' : 'old-secret-1', `cut ${cut}`);
    // Whatever is off the card is on the board.
    const all = Object.entries(board.files());
    for (const secret of SECRETS)
      assert.ok(
        all.some(([, content]) => content.includes(secret)),
        `cut ${cut}: ${secret}`,
      );

    const after = board.start();
    assert.ok(after.outcome === 'applied' || after.outcome === 'unchanged', `cut ${cut}: ${after.result} ${after.faults.join()}`);
    board.start();
    const strip = (b: FakeBoard) =>
      Object.fromEntries(
        Object.entries(b.files())
          .filter(([name]) => !name.includes('applied.json') && !name.includes('.key'))
          .map(([name, content]) => [
            name.replace(/password-[0-9a-f]{8}/, `password ${content}`),
            content.replaceAll(b.stateDir, 'S').replace(/password-[0-9a-f]{8}/g, 'password'),
          ]),
      );
    expected.start();
    assert.deepEqual(strip(board), strip(expected), `cut ${cut}`);
    // A person can go back to the configuration before, with its secrets.
    const before = board.files()['etc/gateway.yaml.before-provisioning'] ?? '';
    assert.match(before, /old\.example\.org/, `cut ${cut}`);
    const [old = ''] = /upstream-password-[0-9a-f]{8}/.exec(before) ?? [];
    assert.equal(board.state(`secrets/${old}`), 'old-secret-1', `cut ${cut}`);
  }
  assert.deepEqual([...seen].sort(), ['new', 'old']);
});

test('a read-only card is put in force once, and the status says that its secrets stay', (t) => {
  const board = new FakeBoard(scratch(t, 'cards', '/dev/shm'));
  board.write(CARD);
  const disk = new (class extends Disk {
    override put(...args: Parameters<Disk['put']>): void {
      if (args[0].startsWith(board.boot)) throw Object.assign(new Error('read-only file system'), { code: 'EROFS' });
      super.put(...args);
    }
    override overwrite(): void {
      throw Object.assign(new Error('read-only file system'), { code: 'EROFS' });
    }
  })();
  const done = board.start({ disk });
  assert.equal(done.outcome, 'applied');
  assert.match(done.remarks.join('\n'), /secrets are still on the card/);
  assert.match(done.remarks.join('\n'), /sluice-status\.txt cannot be written/);
  const good = board.yaml;
  assert.equal(board.start({ disk }).outcome, 'unchanged');
  assert.equal(board.yaml, good);
});

test('a full card loses its secrets where they lie', (t) => {
  const board = new FakeBoard(scratch(t, 'cards', '/dev/shm'));
  board.write(CARD);
  const disk = new (class extends Disk {
    override put(...args: Parameters<Disk['put']>): void {
      if (args[0].startsWith(board.boot)) throw Object.assign(new Error('no space left'), { code: 'ENOSPC' });
      super.put(...args);
    }
  })();
  board.start({ disk });
  assert.equal(board.card().length, CARD.length);
  for (const secret of SECRETS) assert.ok(!board.card().includes(secret), secret);
  assert.equal(board.start({ disk }).outcome, 'unchanged');
});

test('another file in the place of the one that was read is left, and counts at the next start', (t) => {
  // Between the last look and the rename no file system knows a step in one, so these moments are left out.
  for (const moment of ['before writing over', 'after writing over']) {
    const board = new FakeBoard(path.join(scratch(t, 'cards', '/dev/shm'), moment));
    board.write(CARD);
    const next = CARD.replace('Basti', 'Ghat');
    let swaps = 0;
    const disk = new Disk((what) => {
      if (what !== `${moment} ${path.join(board.boot, 'sluice.yaml')}`) return;
      swaps++;
      board.write(next);
    });
    const done = board.start({ disk });
    assert.deepEqual([swaps, done.outcome], [1, 'applied'], moment);
    assert.equal(board.card(), next, moment);
    assert.match(done.remarks.join('\n'), /was changed while the gateway read it/);
    assert.equal(board.start().outcome, 'applied');
    for (const secret of SECRETS) assert.ok(!board.card().includes(secret), secret);
  }
});

test('a full card gives the room of the old answer to the new one', (t) => {
  const board = new FakeBoard(scratch(t, 'cards', '/dev/shm'));
  board.write(CARD);
  board.start();
  const status = path.join(board.boot, 'sluice-status.txt');
  const disk = new (class extends Disk {
    override put(...args: Parameters<Disk['put']>): void {
      if (args[0].startsWith(board.boot) && existsSync(status))
        throw Object.assign(new Error('no space left'), { code: 'ENOSPC' });
      super.put(...args);
    }
  })();
  board.write('name: [');
  assert.equal(board.start({ disk }).outcome, 'refused');
  assert.match(board.status, /has mistakes/);
});

test('a folder that cannot be written is a failure in words, and the old configuration stays', (t) => {
  const board = new FakeBoard(scratch(t, 'cards', '/dev/shm'));
  board.write(CARD);
  mkdirSync(board.stateDir);
  writeFileSync(path.join(board.stateDir, 'secrets'), 'a file in place of the folder');
  const done = board.start();
  assert.equal(done.outcome, 'failed');
  assert.match(done.result, /secrets is not a folder; move it away/);
  assert.equal(existsSync(board.config), false);
  assert.match(board.status, /move it away/);
  chmodSync(board.stateDir, 0o750);
});

test('the later report names the address and changes nothing else', (t) => {
  const board = new FakeBoard(scratch(t, 'cards', '/dev/shm'));
  board.write(CARD);
  board.start({ addresses: [] });
  assert.match(board.status, /none yet/);
  const before = board.files();
  board.start({ reportOnly: true, addresses: ['192.0.2.44'] });
  assert.match(board.status, /^Address: {5}192\.0\.2\.44\r$/m);
  assert.deepEqual({ ...board.files(), 'boot/sluice-status.txt': '' }, { ...before, 'boot/sluice-status.txt': '' });
  board.write(board.card().replace('Basti', 'Ghat'));
  board.start({ reportOnly: true });
  assert.match(board.status, /next start of the board puts it in force/);
});
