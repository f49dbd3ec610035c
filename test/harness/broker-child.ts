/**
 * An embedded broker in a process of its own, with its file, for tests that kill it: `node broker-child.ts STATE RUNTIME PORT [patient]`.
 * Clients may publish below `plant/`; `patient`: they have an account, and no disk is
 * late, however busy the machine is. It says where it listens.
 */
import { type Clock, systemClock } from '../../src/core/clock.ts';
import { silentLogger } from '../../src/core/logger.ts';
import { EmbeddedBroker } from '../../src/forwarders/broker/embedded-broker.ts';
import { BrokerFile } from '../../src/store/broker-store.ts';
import { knownAccess, openAccess } from '../fakes/open-access.ts';

const [stateDir = '', runtimeDir = '', port = '', how] = process.argv.slice(2);
const SLOWER = 60;
/** Its time goes more slowly. */
const patient: Clock = {
  ...systemClock,
  monotonic: () => systemClock.monotonic() / SLOWER,
  after: (ms, run) => systemClock.after(SLOWER * ms, run),
};
const say = (what: object): void => void process.stdout.write(`${JSON.stringify(what)}\n`);
const broker = new EmbeddedBroker({
  listen: [{ host: '127.0.0.1', port: Number(port) }],
  root: 'sluice/g1',
  identity: { boot: 'b1', version: '0.0.1' },
  logger: silentLogger,
  clock: how === 'patient' ? patient : systemClock,
  now: () => Date.now(),
  latest: { get: () => undefined, all: () => [] },
  encodeBatch: () => undefined,
  onEvent: (event) => say({ event }),
  onListen: (fault) => say({ port: fault === undefined ? broker.status().address?.port : undefined, fault }),
  store: new BrokerFile({
    ...{ stateDir, runtimeDir, clock: systemClock },
    onFault: (fault) => say({ fault }),
    onRepair: (repair) => say({ repair }),
  }),
  access: how === 'patient' ? knownAccess('plant/#') : openAccess('plant/#'),
});
broker.start();
const listening = setInterval(() => {
  const { address } = broker.status();
  if (address === undefined) return;
  clearInterval(listening);
  say({ port: address.port });
}, 5);
process.once('SIGTERM', () => {
  void broker.stop().then(() => process.exit(0));
});
