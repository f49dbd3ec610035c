import assert from 'node:assert/strict';
import test from 'node:test';
import { listenFault } from '../../../src/core/listen-fault.ts';

const failed = (code: string) => Object.assign(new Error(`listen ${code}`), { code });
const local = (port: number) => ({ host: '127.0.0.1', port });

test('an address that cannot be listened on is told with what to do', () => {
  const mqtt = listenFault(local(1883), failed('EADDRINUSE'), 'broker.listen');
  assert.match(mqtt, /another program listens on 127\.0\.0\.1:1883 .*ss -ltnp.*disable --now mosquitto.*broker\.listen/);
  const http = listenFault(local(8080), failed('EADDRINUSE'), 'dashboard.listen');
  assert.match(http, /127\.0\.0\.1:8080 .*dashboard\.listen/);
  assert.doesNotMatch(http, /mosquitto/);
  assert.match(listenFault(local(80), failed('EACCES'), 'dashboard.listen'), /below 1024/);
  assert.match(listenFault(local(1883), failed('EADDRNOTAVAIL'), 'broker.listen'), /does not have the address 127\.0\.0\.1/);
  assert.match(listenFault(local(1883), failed('EMFILE'), 'broker.listen'), /EMFILE/);
});
