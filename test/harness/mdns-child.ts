/** A responder of its own in a network of its own: `node mdns-child.ts`. SIGTERM ends it with a good-bye. */
import { once } from 'node:events';
import { MdnsResponder } from '../../src/admin/mdns/responder.ts';
import { systemClock } from '../../src/core/clock.ts';
import { silentLogger } from '../../src/core/logger.ts';

const logger = { ...silentLogger, warn: (_: object, text: string) => console.log(text) };
const responder = new MdnsResponder({
  ...{ clock: systemClock, logger },
  announced: () => ({ instance: 'ghat-1', host: 'sluice-a1b2c3', port: 8443 }),
});
responder.start();
console.log('started');
// A socket that is not counted and a signal that is waited for keep no process alive.
const alive = setInterval(() => {}, 60_000);
await once(process, 'SIGTERM');
clearInterval(alive);
await responder.stop();
console.log(`counts ${JSON.stringify(responder.counts)}`);
console.log('stopped');
process.exit(0);
