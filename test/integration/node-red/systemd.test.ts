/** The units as they are shipped, run by a real systemd: both services, the sockets, the path unit, the users and the limits. */
// Takes minutes: it starts before the others.
// Needs a quiet machine: other programs must keep its pace.
import '../../harness/no-outside.ts';
import assert from 'node:assert/strict';
import { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, rmdirSync, rmSync, statSync } from 'node:fs';
import test from 'node:test';
import { ESCAPE } from '../../harness/hostile-flows.ts';
import { askEditor, startsWith } from '../../harness/node-red-site.ts';
import { SERVICE, unitSite } from '../../harness/unit-site.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { cannot } from '../../peers/peers.ts';

const STOP_SERVICE = 'sluice-node-red-stop.service';
const FLOWS_USER = 902;
const MB = 1024 ** 2;

const execNode = (id: string, command: string): object => ({
  ...{ id, type: 'exec', z: 'tab', command, addpay: '', append: '', useSpawn: 'false', timer: '', wires: [[], [], []] },
});

test('systemd starts Node-RED under its own user and limits, and ends it by the stop file', async (t) => {
  const here = await unitSite(t);
  if (here === undefined) return;
  const { machine } = here;
  here.watch(t);
  const first = await here.until('running');
  assert.equal(first.runsAs, 'service');
  const [pid = 0] = here.nodeReds();
  const status = readFileSync(`/proc/${pid}/status`, 'latin1');
  const field = (name: string): string => new RegExp(`^${name}:\\s+(.*)$`, 'm').exec(status)?.[1] ?? '';
  assert.match(field('Uid'), new RegExp(`^${FLOWS_USER}\\t`));
  assert.match(field('NSpid'), new RegExp(`\\t${first.pid}$`));
  assert.deepEqual([field('CapEff'), field('CapBnd')], ['0000000000000000', '0000000000000000']);
  assert.deepEqual([field('NoNewPrivs'), field('Seccomp')], ['1', '2']);
  assert.equal(readFileSync(`/proc/${pid}/oom_score_adj`, 'latin1').trim(), '500');
  // proc_pid_stat(5): the value of nice is the 17th field after the name.
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  assert.equal(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[16], '10');
  assert.match(readFileSync(`/proc/${pid}/limits`, 'latin1'), /^Max open files +1024 /m);
  const limits = [
    machine.limit(SERVICE, 'memory', ['memory.max', 'memory.limit_in_bytes']),
    machine.limit(SERVICE, 'pids', ['pids.max']),
  ];
  // A host may keep a controller to itself; then systemd has none to set.
  assert.deepEqual(limits, [limits[0] && `${224 * 1024 ** 2}`, limits[1] && '64']);

  // STATE_DIRECTORY is the folder, and only its user enters it. Nobody but the gateway connects.
  const folder = machine.at('/var/lib/sluice-node-red');
  assert.deepEqual([statSync(folder).uid, statSync(folder).mode & 0o777], [FLOWS_USER, 0o700]);
  assert.ok(existsSync(`${folder}/.config.runtime.json`));
  for (const socket of ['gateway.sock', 'editor.sock'])
    assert.equal(lstatSync(machine.at(`/run/sluice-node-red/${socket}`)).mode & 0o777, 0o600);

  // Its view of the machine: nothing of the gateway, of other processes, of homes or devices.
  const inside = (...words: string[]) =>
    machine.run(
      'nsenter',
      `--target=${first.pid}`,
      '--mount',
      `--setuid=${FLOWS_USER}`,
      `--setgid=${FLOWS_USER}`,
      '--',
      ...words,
    );
  assert.notEqual(inside('cat', '/etc/sluice/gateway.yaml').code, 0);
  assert.notEqual(inside('ls', '/var/lib/sluice/').code, 0);
  assert.notEqual(inside('ls', '/run/sluice/').code, 0);
  assert.notEqual(inside('touch', '/var/lib/sluice-node-red-2').code, 0);
  assert.equal(inside('ls', '/proc/1').code, 2);

  const code = "node.warn('user ' + console.constructor.constructor('return process')().getuid()); return msg;";
  await here.deploy(startsWith(code));
  await waitFor('the line of the flow', () => machine.journal('sluice').includes(`user ${FLOWS_USER}`));
  await here.allPolled();

  await here.reload(here.yaml().replace('enabled: true', 'enabled: false'));
  await waitFor('its end', () => machine.show(SERVICE, 'ActiveState') === 'inactive');
  assert.deepEqual(machine.processes(SERVICE), []);
  await waitFor('no stop file', () => !existsSync(machine.at('/run/sluice/node-red.stop')));
  await here.reload(here.yaml());
  await here.until('running', first.pid);
  assert.equal(here.most, 1);
  // The last word has systemd: a stop of the gateway leaves no Node-RED.
  machine.must('systemctl', 'stop', 'sluice');
  await waitFor('its end with the gateway', () => machine.processes(SERVICE).length === 0);
});

test('under systemd a crash or a killed gateway leads to one new Node-RED; a hang ends by order', async (t) => {
  const here = await unitSite(t, ['exec']);
  if (here === undefined) return;
  const { machine } = here;
  here.watch(t);
  const first = await here.until('running');
  // In a session and a group of its own, so no signal to a group reaches it.
  const flow = startsWith("node.warn('left'); return msg;", [execNode('left', 'setsid sleep 4321')]);
  await here.deploy(flow);
  const sleepers = (): number[] =>
    machine.processes(SERVICE).filter((pid) => readFileSync(`/proc/${pid}/cmdline`, 'latin1') === 'sleep\x004321\0');
  const [left = 0] = await waitFor('the program', () => (sleepers().length > 0 ? sleepers() : undefined));
  process.kill(here.nodeReds()[0] ?? 0, 'SIGKILL');
  const second = await here.until('running', first.pid);
  assert.equal(existsSync(`/proc/${left}`), false, 'what it started ended with it');
  assert.equal(second.crashes, 1);
  await here.deploy([]);

  // A killed gateway: systemd starts it again, and it has the old Node-RED ended before it starts one.
  machine.must('systemctl', 'kill', '--signal=KILL', 'sluice.service');
  const third = await here.until('running', second.pid);
  await here.allPolled();

  // It does not hear SIGTERM while it loops: systemd kills it after 15 s.
  await here.deploy(startsWith('setTimeout(() => { for (;;); }, 200); return null;'));
  await waitFor('the loop', async () => {
    const editor = machine.at('/run/sluice-node-red/editor.sock');
    return (await askEditor(editor, 'GET', '/settings', undefined, 3_000).catch(() => undefined)) === undefined;
  });
  await here.reload(here.yaml().replace('enabled: true', 'enabled: false'));
  await waitFor('its end', () => machine.show(SERVICE, 'ActiveState') !== 'active' && here.nodeReds().length === 0);
  assert.equal(existsSync(`/proc/${third.pid}`) && here.nodeReds().length > 0, false);
  await here.allPolled();
  assert.equal(here.most, 1);
});

test('under systemd memory and tasks of flows end at the limits of the unit', async (t) => {
  const here = await unitSite(t, ['exec']);
  if (here === undefined) return;
  const { machine } = here;
  const first = await here.until('running');
  const missing = ['memory', 'pids'].filter(
    (one) => machine.limit(SERVICE, one, ['memory.max', 'memory.limit_in_bytes', 'pids.max']) === undefined,
  );
  if (missing.length > 0) {
    cannot(t, `limit what flows use: the host does not hand down the controllers ${missing.join(' and ')}`);
    return;
  }
  const once = "if (context.get('once', 'file')) return null; context.set('once', 1, 'file');";
  await here.deploy(startsWith(`${once} const all = []; setInterval(() => all.push(Buffer.alloc(4e6, 1)), 5); return null;`));
  await waitFor('its end', async () => (await here.flows()).crashes > 0);
  const second = await here.until('running', first.pid);
  await here.deploy([]);

  await here.deploy(startsWith("node.warn('forks'); return msg;", [execNode('bomb', 'while :; do sleep 4321 & done')]));
  const tasks = (): number => Number(machine.limit(SERVICE, 'pids', ['pids.current']) ?? 0);
  await waitFor('all tasks that it may have', () => tasks() >= 60);
  assert.ok(tasks() <= 64);
  await here.allPolled();
  await here.reload(here.yaml().replace('enabled: true', 'enabled: false'));
  await waitFor(
    'the end of all',
    () => machine.show(SERVICE, 'ActiveState') !== 'active' && machine.processes(SERVICE).length === 0,
  );
  assert.notEqual(second.pid, undefined);
  await here.allPolled();
});

test('under systemd a flow that fills its folder stops at nodeRed.disk until there is room', async (t) => {
  const here = await unitSite(t, [], 'disk: 16MB');
  if (here === undefined) return;
  const { machine } = here;
  const first = await here.until('running');
  // The folder is closed to the gateway: what is known of it comes from Node-RED.
  const folder = machine.at('/var/lib/sluice-node-red');
  const { disk } = await waitFor('a measured folder', async () => {
    const flows = await here.flows();
    return flows.disk?.used === undefined ? undefined : flows;
  });
  assert.ok((disk?.used ?? 0) > 0 && (disk?.used ?? 0) < 16 * MB, `${disk?.used} bytes of a new folder`);
  // Once for all processes. One file ends at LimitFSIZE of the unit; the whole is more than the gateway allows.
  const flow =
    startsWith(`${ESCAPE} const fs = load('fs'); if (fs.existsSync('began')) return null; fs.writeFileSync('began', '');
const put = (name, pieces) => { try { for (let i = 0; i < pieces; i++) fs.appendFileSync(name, Buffer.alloc(1 << 20, 1)); } catch (e) { return e.code; } };
node.warn('one file: ' + put('big-0', 24)); for (let n = 1; n < 4; n++) put('big-' + n, 6); return null;`);
  await here.deploy(flow);
  await waitFor('the end of one file', () => machine.journal('sluice').includes('one file: EFBIG'));
  assert.equal(statSync(`${folder}/big-0`).size, 16 * MB);
  const full = await here.until('safe-mode', first.pid);
  assert.match(full.disk?.full ?? '', /^its folder takes more than it may: nodeRed\.disk allows 16MB; remove files from /);
  assert.deepEqual([full.crashes, full.restarts, full.safeMode], [0, 0, full.disk?.full]);
  await here.allPolled();
  for (const name of readdirSync(folder)) if (name.startsWith('big-')) rmSync(`${folder}/${name}`);
  const again = await here.until('running', full.pid);
  assert.equal(again.disk?.full, undefined);
  assert.equal(existsSync(`${folder}/big-0`), false);
  await here.allPolled();
});

test('a second gateway of the machine does not take Node-RED away from the first one', async (t) => {
  const here = await unitSite(t);
  if (here === undefined) return;
  const { machine } = here;
  const first = await here.until('running');
  machine.write(
    '/etc/sluice/second.yaml',
    here.yaml('', '/var/lib/sluice-second').replace('{id: g1,', '{id: g2, runtimeDir: /run/sluice-second,'),
  );
  const unit = [
    '--unit=second',
    '--uid=sluice',
    '--gid=sluice',
    '-p',
    'StateDirectory=sluice-second',
    '-p',
    'RuntimeDirectory=sluice-second',
  ];
  machine.must('systemd-run', ...unit, '/usr/bin/sluice', 'run', '-c', '/etc/sluice/second.yaml');
  const refused = await waitFor('the refusal', async () => {
    const flows = await here.flows('/var/lib/sluice-second');
    return flows.state === 'backing-off' ? flows : undefined;
  });
  assert.match(refused.reason ?? '', /^another gateway of this machine \(process \d+\) runs the service sluice-node-red/);
  await here.allPolled();
  const still = await here.flows();
  assert.deepEqual([still.state, still.pid, still.restarts], ['running', first.pid, 0]);
  // With the first one gone, it is free.
  machine.must('systemctl', 'stop', 'sluice');
  await waitFor('the second one has it', async () => (await here.flows('/var/lib/sluice-second')).state === 'running');
});

test('a stop file that cannot be removed is tried again with a pause, and without end', async (t) => {
  const here = await unitSite(t);
  if (here === undefined) return;
  const { machine } = here;
  const first = await here.until('running');
  const file = machine.at('/run/sluice/node-red.stop');
  // `rm -f` takes no folder.
  mkdirSync(file);
  const tries = (): number[] =>
    machine
      .run('journalctl', '--no-pager', '-o', 'short-monotonic', '-u', STOP_SERVICE)
      .out.split('\n')
      .filter((line) => /: cannot remove /.test(line))
      .map((line) => Number(/^\[\s*(\d+\.\d+)\]/.exec(line)?.[1]));
  const seen = await waitFor('six tries', () => (tries().length >= 6 ? tries() : undefined));
  // A loaded machine makes a pause longer. The journal may be late with the first line, so one pause alone may look shorter.
  const mean = ((seen.at(-1) ?? 0) - (seen[0] ?? 0)) / (seen.length - 1);
  assert.ok(mean >= 4, `a try each ${mean} s: ${seen}`);
  assert.equal(machine.show('sluice-node-red-stop.path', 'ActiveState'), 'active');
  assert.deepEqual(here.nodeReds(), [], 'it ended although its file stays');
  await here.allPolled();
  rmdirSync(file);
  await here.until('running', first.pid);
  assert.equal(here.nodeReds().length, 1);
});
