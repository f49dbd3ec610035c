/** Tokens of Azure IoT Hub, checked by Python, and the keys that they are made of. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import path from 'node:path';
import test from 'node:test';
import fc from 'fast-check';
import { commandOf, methodOf, statusOf } from '../../../src/forwarders/mqtt/dialects/azure-iot-hub/methods.ts';
import { keyOf, sasToken } from '../../../src/forwarders/mqtt/dialects/azure-iot-hub/token.ts';
import { fittingAnswer, inventoryParts } from '../../../src/forwarders/mqtt/dialects/fitting.ts';
import { peer } from '../../peers/peers.ts';

const CHECK = path.join(import.meta.dirname, '../../peers/sas-check.py');
const HUB = 'contoso.azure-devices.net';

test('Python finds every token right, and one with a changed letter wrong', (t) => {
  const python = peer(t, 'python3', 'apt-get install -y python3');
  if (python === undefined) return;
  const check = (token: string, key: Uint8Array) =>
    JSON.parse(execFileSync(python, [CHECK, token, Buffer.from(key).toString('base64')], { encoding: 'utf8' }));
  for (const device of ['ghat-1', 'Pump_7:north@site=2.b', 'x'.repeat(128)])
    for (const length of [32, 64]) {
      const key = randomBytes(length);
      const token = sasToken({ hub: HUB, device, key, ends: 1_795_000_000 });
      const fields = ['se', 'sig', 'sr'];
      const right = {
        kind: 'SharedAccessSignature',
        valid: true,
        resource: `${HUB}/devices/${device}`,
        ends: 1_795_000_000,
        fields,
      };
      assert.deepEqual(check(token, key), right);
      assert.equal(check(token.replace('se=1795000000', 'se=1795000001'), key).valid, false);
    }
});

test('a key is taken alone or from the connection string of its device', () => {
  const key = randomBytes(32);
  const base64 = key.toString('base64');
  const of = { hub: HUB, device: 'ghat-1' };
  const text = `HostName=Contoso.azure-devices.net;DeviceId=ghat-1;SharedAccessKey=${base64}`;
  for (const written of [base64, ` ${base64}\n`, text, `${text};GatewayHostName=edge`])
    assert.deepEqual(Buffer.from(keyOf(written, of)), key);
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string({ unit: 'binary' }),
        fc.base64String({ maxLength: 20 }),
        fc.constant(randomBytes(200).toString('base64')),
      ),
      (written) => {
        assert.throws(() => keyOf(written, of), /^SluiceError: .*`azure-iot-hub.key`/);
      },
    ),
  );
});

test('whatever comes as a method is a command with an id of our own, or nothing', () => {
  const path = fc.string({ unit: 'binary', minLength: 0, maxLength: 40 });
  fc.assert(
    fc.property(path, path, fc.uint8Array({ maxLength: 200 }), (name, request, payload) => {
      const method = methodOf(`$iothub/methods/POST/${name}/?$rid=${request}`);
      if (method === undefined) return;
      const command = commandOf(method, payload, 3);
      assert.match(String(command.id), /^az-3\.[0-9a-f]{16}$/);
      assert.equal(command.do, method.name);
      // The topic of the answer has no place for another level or a wildcard.
      assert.ok(!/[#+\0]/.test(method.request), 'what MQTT forbids in a topic');
    }),
  );
  for (const request of ['#', '+', '\0']) assert.equal(methodOf(`$iothub/methods/POST/write/?$rid=${request}`), undefined);
  assert.equal(methodOf('$iothub/methods/POST/write/?$rid=1&x=2')?.request, '1');
  assert.equal(methodOf(`$iothub/methods/POST/${'w'.repeat(129)}/?$rid=1`), undefined);
});

test('each outcome of a command has a status', () => {
  const codes = { forbidden: 403, 'not-found': 404, conflict: 409, busy: 429, timeout: 504, internal: 500, 'write-refused': 400 };
  assert.equal(statusOf('{"ok":true}'), 200);
  for (const [code, status] of Object.entries(codes)) assert.equal(statusOf(JSON.stringify({ ok: false, code })), status);
});

test('parts of an inventory fit, and together are the whole', () => {
  const device = fc.record({
    bus: fc.string({ unit: 'grapheme' }),
    points: fc.dictionary(fc.string(), fc.string({ maxLength: 300 })),
  });
  fc.assert(
    fc.property(
      fc.dictionary(fc.stringMatching(/^[a-z][a-z0-9]{0,9}$/), device),
      fc.integer({ min: 600, max: 3000 }),
      (devices, most) => {
        const json = JSON.stringify({ v: 1, revision: 5, devices });
        const { parts, leftOut } = inventoryParts(json, most);
        for (const part of parts) assert.ok(Buffer.byteLength(part) <= most);
        const together = Object.assign({}, ...parts.map((part) => JSON.parse(part).devices));
        for (const name of leftOut) {
          assert.ok(!(name in together));
          together[name] = devices[name];
        }
        assert.deepEqual(together, JSON.parse(JSON.stringify(devices)));
      },
    ),
  );
});

test('an answer that is too large becomes one that says so', () => {
  const json = JSON.stringify({ v: 1, id: 'a', do: 'read', target: 'pump', ok: true, time: 1, result: 'ü'.repeat(600) });
  assert.equal(fittingAnswer(json, 2000), json);
  const { ok, code, message, id } = JSON.parse(fittingAnswer(json, 1000));
  assert.deepEqual([ok, code, id], [false, 'request-invalid', 'a']);
  assert.match(message, /has 12\d\d bytes, and the platform takes 1000 at most; ask for less at once/);
});
