/** The units of hooks as they are shipped, run by a real systemd: the socket, the user, the folders, and the end of what a hook starts. */
import '../../harness/no-outside.ts';
import assert from 'node:assert/strict';
import { chmodSync, chownSync } from 'node:fs';
import test from 'node:test';
import { HOOK_SOCKET, runInUnit } from '../../../src/control/actions/hook-unit.ts';
import { systemClock } from '../../../src/core/clock.ts';
import type { SluiceError } from '../../../src/core/errors.ts';
import { type SystemdMachine, systemdMachine } from '../../harness/systemd-machine.ts';
import { waitFor } from '../../harness/wait-for.ts';

const FOLDER = '/usr/local/lib/sluice-hooks';
const HOOK_USER = 903;

function install(machine: SystemdMachine, name: string, script: string, mode = 0o755): string {
  const file = `${FOLDER}/${name}`;
  machine.write(file, `#!/bin/sh\n${script}\n`);
  chmodSync(machine.at(file), mode);
  return file;
}

test('a hook runs in a service of its own, and nothing of it stays', async (t) => {
  const machine = await systemdMachine(t);
  if (machine === undefined) return;
  machine.must('systemctl', 'start', 'sluice-hook.socket');
  const ask = (run: string[], timeout = 20_000) =>
    runInUnit({ run, input: '{"v":1}\n', timeout }, systemClock, machine.at(HOOK_SOCKET));
  const refused = (run: string[], words: RegExp, timeout?: number) =>
    assert.rejects(ask(run, timeout), (error: SluiceError) => {
      assert.match(error.message, words);
      return true;
    });

  assert.equal(machine.must('stat', '-c', '%U %a', HOOK_SOCKET), 'sluice 600', 'only the gateway may connect');
  const say = install(
    machine,
    'say',
    'read -r line; id -u; printf "%s|" "$line" "$@"; cat /etc/sluice/gateway.yaml 2>&1; exit 0',
  );
  machine.write('/etc/sluice/gateway.yaml', 'secret: hunter2\n');
  const said = await ask([say, '--', '$(reboot)', '-x']);
  assert.match(said, new RegExp(`^${HOOK_USER} \\{"v":1\\}\\|--\\|\\$\\(reboot\\)\\|-x\\|`));
  assert.doesNotMatch(said, /hunter2/);

  await refused(['/bin/true'], /\/bin\/true is not run: it is not in \/usr\/local\/lib\/sluice-hooks/);
  await refused([install(machine, 'open', 'echo no', 0o777)], /can be changed by others/);
  const theirs = install(machine, 'theirs', 'echo no');
  chownSync(machine.at(theirs), HOOK_USER, HOOK_USER);
  await refused([theirs], /can be changed by others/);
  await refused([install(machine, 'fails', 'echo broken; exit 4')], /ended with 4: broken/);

  // It leaves its group and its session: only the service can end it.
  const hangs = install(machine, 'hangs', 'setsid sh -c "while :; do sleep 100; done" & while :; do sleep 100; done');
  await refused([hangs], /it took longer than 1s/, 1000);
  const running = () => machine.run('systemctl', 'list-units', '--no-legend', '--plain', '--state=active', 'sluice-hook@*').out;
  await waitFor(
    () => `the end of all instances: ${running()}`,
    () => running() === '' && machine.run('pgrep', '-u', String(HOOK_USER)).out === '',
  );
});

test('without the socket the error says what to run', async () => {
  await assert.rejects(
    runInUnit({ run: ['/x'], input: '', timeout: 1000 }, systemClock, '/nowhere/run.sock'),
    /the service sluice-hook is not there \(\/nowhere\/run\.sock\): run systemctl enable --now sluice-hook\.socket/,
  );
});
