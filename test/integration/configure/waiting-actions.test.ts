/** Actions and escalations that wait while a signed configuration is on trial: what a roll-back and a confirmation make of them. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import { type FakeRequest, rightPdu, type Script, withMbap } from '../../fakes/modbus-device.ts';
import { configureSite } from '../../harness/configure-site.ts';
import { waitFor } from '../../harness/wait-for.ts';

const POINT = (address: number, more = '') => `{table: holding, address: ${address}, type: uint16${more}}`;
const WRITE = ', write: {min: 0, max: 60000, every: 0ms}';
/** A device that always answers gets a minute: on a busy machine a late answer brings its write twice. */
const DEVICES = `
  d1: {bus: plant, unit: 1, timeout: 60s, interval: 50ms, points: {n: ${POINT(0)}, m: ${POINT(1)}}}
  siren: {bus: plant, unit: 8, timeout: 60s, interval: 500ms, points: {first: ${POINT(0, WRITE)}, second: ${POINT(1, WRITE)}}}
  pump: {bus: plant, unit: 9, interval: 500ms, points: {first: ${POINT(0, WRITE)}, second: ${POINT(1, WRITE)}}}`;
/** The pump takes no write until the end, and the siren is for whoever does not answer. Registers of a fake keep their values. */
const acts = (which: 'first' | 'second', value: number, after: string) =>
  `do: [{write: pump.${which}, value: ${value}, retries: 10}], escalate: {after: ${after}, do: [{write: siren.${which}, value: ${value}}]}`;
const FIRST = `first: {point: d1.n, below: 5, ${acts('first', 7, '2s')}}`;
const SECOND = `second: {point: d1.m, below: 5, ${acts('second', 38, '4s')}}`;
/** The same alarm, which does nothing. */
const QUIET = 'first: {point: d1.n, below: 5}';

test('what waits survives a roll-back, and a confirmation that leaves its rule alone', async (t) => {
  const s = await configureSite(t, { devices: DEVICES, bus: 'timeout: 300ms, retries: 0' });
  if (s === undefined) return;
  const { device, gateway } = s;
  const level = { n: 9, m: 9 };
  let takes = false;
  const taken: string[] = [];
  const script: Script = (request, reply) => {
    if (request.code === 3) {
      const pdu = rightPdu(request);
      // The levels are the first registers of unit 1; all others are those of every fake.
      if (request.unit === 1)
        for (let i = 0; i < request.count; i++) pdu.writeUInt16BE(request.start + i === 0 ? level.n : level.m, 3 + i * 2);
      reply.send(withMbap(pdu, request.transaction));
    } else if (request.unit === 8 || takes) {
      taken.push(`${request.unit === 8 ? 'siren' : 'pump'}.${request.start === 0 ? 'first' : 'second'}`);
      const pdu = Buffer.from([request.unit, request.code, 0, request.start, 0, 0]);
      // A write of one register is answered with its value, one of several with their number: both stand here.
      pdu.writeUInt16BE(request.count, 4);
      reply.send(withMbap(pdu, request.transaction));
    }
  };
  device.script = script;
  const tries = (start: number) =>
    device.requests.filter(({ unit, code, start: at }: FakeRequest) => unit === 9 && code !== 3 && at === start).length;
  gateway.write(s.file(`\nrules: {${FIRST}, ${SECOND}}\n`));
  await gateway.up();
  await gateway.waitForLog(/Connected to the upstream broker/);

  await t.test('a roll-back gives back the write and the escalation of a rule that did nothing on trial', async () => {
    level.n = 1;
    await waitFor('the first try', () => tries(0) > 0);
    assert.equal((await s.ask('quiet', 1, s.file(`\nrules: {${QUIET}, ${SECOND}}\n`))).result?.state, 'trial');
    await gateway.waitForLog(/Reloaded\./);
    // A person reads the file again, and that ends the trial at once.
    await gateway.reload(readFileSync(gateway.config, 'utf8'));
    assert.equal((await s.answer('quiet', 2)).code, 'rolled-back');
    const before = tries(0);
    await waitFor('the next try', () => tries(0) > before);
    await waitFor('the escalation', () => taken.length > 0);
    assert.deepEqual(taken, ['siren.first']);
  });

  await t.test('a confirmation keeps what an unchanged rule waits for, and drops that of a changed one', async () => {
    level.m = 1;
    await waitFor('the first try', () => tries(1) > 0);
    assert.equal((await s.ask('kept', 2, s.file(`\nrules: {${QUIET}, ${SECOND}}\n`))).result?.state, 'trial');
    assert.equal((await s.answer('kept', 2)).result?.state, 'confirmed');
    takes = true;
    await waitFor('the write', () => taken.includes('pump.second'));
    await waitFor('the escalation', () => taken.includes('siren.second'));
    // The pump has little time, so an answer of it that is late brings its write once more.
    assert.deepEqual(
      taken.filter((what, i) => what !== 'pump.second' || taken.indexOf(what) === i).toSorted(),
      ['pump.second', 'siren.first', 'siren.second'],
      'each once, and nothing of the first rule',
    );
    await waitFor('the end of all writes', async () => {
      const { done, superseded, waiting } = (await gateway.status()).actions?.kinds.find(({ kind }) => kind === 'write') ?? {};
      return done === 3 && superseded === 1 && waiting === 0;
    });
  });
});
