import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { machineBoot, systemProbes } from '../../../src/time/probes.ts';
import { timeService } from '../../../src/time/services.ts';
import { ClockMachine } from '../../fakes/clock-machine.ts';
import { scratch } from '../../harness/scratch.ts';
import { waitFor } from '../../harness/wait-for.ts';

const LATER = 'it has not reached a time server yet';
const machine = (set: (m: ClockMachine) => void) => {
  const made = new ClockMachine();
  set(made);
  return made;
};

test('no time service', async () => {
  const found = machine((m) => {
    m.names = ['systemd', 'bash', 'sluice'];
  });
  assert.deepEqual(await timeService(found), { name: undefined, synchronised: false });
  assert.deepEqual(found.asked, []);
});

test('systemd-timesyncd, seen by its folder, its control group or its process', async () => {
  for (const set of [
    (m: ClockMachine) => void m.paths.add('/run/systemd/timesync'),
    (m: ClockMachine) => void m.paths.add('/sys/fs/cgroup/system.slice/systemd-timesyncd.service'),
    (m: ClockMachine) => void m.names.push('systemd-timesyn'),
  ]) {
    const found = machine(set);
    assert.deepEqual(await timeService(found), { name: 'systemd-timesyncd', synchronised: false, why: LATER });
    found.paths.add('/run/systemd/timesync/synchronized');
    assert.deepEqual(await timeService(found), { name: 'systemd-timesyncd', synchronised: true });
    assert.deepEqual(found.asked, []);
  }
});

test('chrony: without a server, with its own clock as reference, with a server', async () => {
  // As chronyc(1) 4.3 prints it.
  const unsynced = machine((m) => m.chrony('00000000', '', 'Not synchronised'));
  assert.deepEqual(await timeService(unsynced), { name: 'chrony', synchronised: false, why: LATER });
  const local = await timeService(machine((m) => m.chrony('7F7F0101', '', 'Normal')));
  assert.equal(local.synchronised, false);
  assert.match(local.why ?? '', /clock of this board/);
  for (const leap of ['Normal', 'Insert second', 'Delete second'])
    assert.deepEqual(await timeService(machine((m) => m.chrony('C0A80001', '192.168.0.1', leap))), {
      name: 'chrony',
      synchronised: true,
    });
  // A receiver on the board itself.
  assert.equal((await timeService(machine((m) => m.chrony('50505300', 'PPS', 'Normal')))).synchronised, true);
});

test('chronyc is not there: the kernel is asked, and only its yes counts', async () => {
  for (const [kernel, synchronised] of [
    ['NTPSynchronized=yes\n', true],
    ['NTPSynchronized=no\n', false],
    [undefined, false],
  ] as const) {
    const found = machine((m) => {
      m.paths.add('/run/chrony');
      if (kernel !== undefined) m.answers.set('timedatectl show -p NTPSynchronized', kernel);
    });
    const service = await timeService(found);
    assert.equal(service.synchronised, synchronised);
    if (!synchronised) assert.match(service.why ?? '', /chronyc does not answer/);
  }
  const cut = machine((m) => {
    m.names = ['chronyd'];
    m.answers.set('chronyc -c tracking', '506 Cannot talk to daemon\n');
  });
  assert.match((await timeService(cut)).why ?? '', /chronyc does not answer/);
});

test('chrony beside a timesyncd that was stopped: chrony counts', async () => {
  const found = machine((m) => {
    m.timesyncd(true);
    m.chrony('00000000', '', 'Not synchronised');
  });
  assert.deepEqual(await timeService(found), { name: 'chrony', synchronised: false, why: LATER });
});

test('other services: by the kernel, else by ntpq', async () => {
  const ntp = (set: (m: ClockMachine) => void) =>
    timeService(
      machine((m) => {
        m.names = ['ntpd'];
        set(m);
      }),
    );
  assert.deepEqual(await ntp((m) => m.answers.set('timedatectl show -p NTPSynchronized', 'NTPSynchronized=yes\n')), {
    ...{ name: 'ntp', synchronised: true, why: undefined },
  });
  assert.deepEqual(await ntp((m) => m.answers.set('timedatectl show -p NTPSynchronized', 'NTPSynchronized=no\n')), {
    ...{ name: 'ntp', synchronised: false, why: LATER },
  });
  for (const [said, synchronised] of [
    ['associd=0 status=0615, leap=00\n', true],
    ['leap=leap_none\n', true],
    ['leap=01\n', true],
    ['leap=11\n', false],
    ['associd=0 status=c016 leap_alarm, sync_unspec, leap=alarm\n', false],
    ['leap=leap_alarm\n', false],
  ] as const)
    assert.equal((await ntp((m) => m.answers.set('ntpq -c rv 0 leap', said))).synchronised, synchronised, said);
  const mute = await ntp(() => {});
  assert.equal(mute.synchronised, false);
  assert.match(mute.why ?? '', /neither timedatectl nor ntpq answers/);
});

test('this machine is asked without a program hanging or flooding', async () => {
  // A loaded machine may take longer than a program has.
  await waitFor('an answer', async () => (await systemProbes.run('/bin/echo', 'hello')) === 'hello\n');
  assert.equal(await systemProbes.run('sluice-no-such-program'), undefined);
  assert.equal(await systemProbes.run('/bin/false'), undefined);
  assert.equal(await systemProbes.run('sleep', '60'), undefined, 'ended after its time limit');
  assert.equal(await systemProbes.run('yes'), undefined, 'too much');
  assert.equal(systemProbes.exists('/proc/self'), true);
  assert.equal(systemProbes.exists('/no/such/path'), false);
  assert.ok(systemProbes.processes().includes(readFileSync('/proc/self/comm', 'utf8').trim()));
});

test('the kernel gives its boot a name, and the daemon a place within it', async (t) => {
  const boot = machineBoot();
  assert.match(boot?.id ?? '', /^[0-9a-f-]{36}$/);
  // The same moment, whenever it is asked; but something else may run between the reads of the two clocks.
  await waitFor('two that agree', () => Math.abs((machineBoot()?.origin ?? 0) - (machineBoot()?.origin ?? 0)) < 1);
  assert.ok((boot?.origin ?? 0) > 0);
  assert.equal(machineBoot('/no/such/file'), undefined);
  const file = path.join(scratch(t), 'boot_id');
  writeFileSync(file, 'not one\n');
  assert.equal(machineBoot(file), undefined);
});
