/**
 * The first start of a card, with cloud-init of Debian 13 and its configuration as Raspberry Pi OS has it. The snippet is the one of the
 * page. No Raspberry Pi OS runs here: its cloud-init has more modules, and its question for a user is a unit that waits.
 */
import assert from 'node:assert/strict';
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { isActive } from '../../harness/debian-board.ts';
import { nspawnMachine } from '../../harness/nspawn-machine.ts';
import { CLOUD_SOURCE, DIALOG, DIALOG_FILE, DIALOG_WANTED, DIALOG_WANTED_FILE, META_DATA } from '../../harness/stock-os.ts';
import type { SystemdMachine } from '../../harness/systemd-machine.ts';

const ROOT = path.join(import.meta.dirname, '..', '..', '..');
const PAGE = path.join(ROOT, 'docs', 'how-to', 'install-from-the-card.md');
const CARD = '/boot/firmware';

/** The snippet as the page shows it. */
export function snippetOf(page: string): string {
  const found = /^```yaml\n(#cloud-config\n[\s\S]*?)^```$/m.exec(page)?.[1];
  if (found === undefined) throw new Error('the page shows no file of cloud-init');
  return found;
}

/** @param debs of this processor. @param out for files of the test */
export async function firstStart(t: TestContext, debs: readonly string[], out: string): Promise<void> {
  const snippet = snippetOf(readFileSync(PAGE, 'utf8'));
  const card = path.join(out, 'card');
  mkdirSync(card);
  const deb = debs.find((file) => path.basename(file).startsWith('sluice_')) ?? '';
  // dpkg reads inside the package what it is for. Cards take the one for arm64 by its name.
  copyFileSync(deb, path.join(card, path.basename(deb).replace('amd64', 'arm64')));
  copyFileSync(path.join(ROOT, 'packaging', 'card', 'sluice.yaml'), path.join(card, 'sluice.yaml'));
  writeFileSync(path.join(card, 'user-data'), snippet);
  writeFileSync(path.join(card, 'meta-data'), META_DATA);
  const source = path.join(out, '99_raspberry-pi.cfg');
  writeFileSync(source, CLOUD_SOURCE);
  const dialog = path.join(out, 'userconfig.service');
  writeFileSync(dialog, DIALOG);
  const wanted = path.join(out, 'wanted.conf');
  writeFileSync(wanted, DIALOG_WANTED);
  const files = {
    [CARD]: card,
    '/etc/cloud/cloud.cfg.d/99_raspberry-pi.cfg': source,
    [`/${DIALOG_FILE}`]: dialog,
    [`/${DIALOG_WANTED_FILE}`]: wanted,
  };
  const { machine, off } = await nspawnMachine(t, files, 'cloud');

  await t.test('its schema takes the snippet of the page, and refuses a wrong key', () => {
    assert.match(schema(machine, snippet).out, /^Valid schema/m);
    for (const [right, wrong] of [
      ['runcmd:', 'runcmds:'],
      ['[systemctl, start, sluice.service]', '{systemctl: start}'],
    ] as const) {
      const { code, out: words } = schema(machine, snippet.replace(right, wrong));
      assert.equal(code, 1, `${wrong}: ${words}`);
      assert.match(words, /Invalid schema/);
    }
  });

  await t.test('it takes line ends of Windows, refuses a BOM, and of two parts runcmd takes the last', () => {
    assert.equal(schema(machine, snippet.replaceAll('\n', '\r\n')).code, 0);
    assert.match(schema(machine, `\uFEFF${snippet}`).out, /Unrecognized user-data header/);
    const twice = `${snippet}runcmd:\n  - [echo, last]\n`;
    assert.equal(schema(machine, twice).code, 0);
    const read = 'from cloudinit import util; print(util.load_yaml(open("/root/user-data").read())["runcmd"])';
    assert.equal(machine.must('python3', '-c', read), "[['echo', 'last']]");
  });

  await t.test('nothing waits for somebody who answers on a screen', () => {
    assert.equal(machine.run('systemctl', 'is-enabled', 'userconfig').out.trim(), 'masked');
    assert.equal(machine.run('systemctl', 'is-active', 'userconfig').out.trim(), 'inactive');
    assert.equal(machine.must('systemctl', 'list-jobs', '--no-legend').trim(), '');
  });

  await t.test('it makes one script of the commands, in the order of the page', () => {
    const script = machine.must('cat', '/var/lib/cloud/instance/scripts/runcmd').split('\n');
    assert.equal(script.length, 4, script.join('\n'));
    assert.match(
      script[1] ?? '',
      /^'sh' '-c' 'set -- \/boot\/firmware\/sluice_\*_arm64\.deb; .*dpkg -i "\$1" \|\| echo .* > \/boot\/firmware\/sluice-status\.txt'$/,
    );
    assert.deepEqual(script.slice(2), ["'systemctl' 'start' 'sluice-provision.service'", "'systemctl' 'start' 'sluice.service'"]);
  });

  await t.test('the gateway runs with the site of the card, and cloud-init ended without an error', () => {
    const result = machine.must('cat', '/run/cloud-init/result.json');
    assert.deepEqual((JSON.parse(result) as { v1: { errors: unknown[] } }).v1.errors, []);
    assert.match(machine.must('cat', '/var/log/cloud-init-output.log'), /^Setting up sluice \(0\.1\.0\)/m);
    assert.ok(isActive(machine), machine.journal('sluice'));
    assert.match(machine.must('sluice', 'status'), /^sluice-\w+ \(Water point, Ghat 1, Basti\)/);
    assert.match(machine.must('cat', `${CARD}/sluice-status.txt`), /^Result: +sluice\.yaml is in force\./m);
    assert.match(machine.must('cat', `${CARD}/sluice.yaml`), /^id: sluice-\w+/m);
    assert.equal(installations(machine), 1);
  });

  await t.test('cloud-init counts the commands as done for this card', () => {
    const done = machine.must('ls', '/var/lib/cloud/instance/sem').split('\n');
    assert.deepEqual(
      ['config_runcmd', 'config_scripts_user'].filter((name) => !done.includes(name)),
      [],
    );
  });

  assert.deepEqual(await off(), []);
}

function schema(machine: SystemdMachine, text: string): { readonly code: number | null; readonly out: string } {
  machine.write('/root/user-data', text);
  return machine.run('cloud-init', 'schema', '--config-file', '/root/user-data');
}

/** How often dpkg has put the package in place. */
function installations(machine: SystemdMachine): number {
  return machine
    .must('cat', '/var/log/dpkg.log')
    .split('\n')
    .filter((line) => / (?:install|upgrade) sluice:/.test(line)).length;
}
