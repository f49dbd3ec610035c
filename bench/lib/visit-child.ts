/** Visits of one alarm, as a forwarder under a budget makes them: `node visit-child.ts URL ALARM VISITS [CA]`. A line for each: what it counted. */
import { setTimeout as sleep } from 'node:timers/promises';
import { TlsSessions } from '../../src/forwarders/mqtt/wire/tls-sessions.ts';
import { allBytes, WireMeter } from '../../src/forwarders/mqtt/wire/wire-meter.ts';
import { openUpstream } from '../../test/harness/open-upstream.ts';

const [url = '', alarm = '', visits = '1', ca] = process.argv.slice(2);
/** A forwarder waits so long for a further alarm, and longer; acknowledgements of TCP have left then. */
const WAIT = 500;
const meter = new WireMeter(() => performance.now());
const sessions = new TlsSessions();
for (let i = 0; i < Number(visits); i++) {
  const before = meter.total;
  const connection = await openUpstream(url, {
    ...{ thrifty: true, meter, sessions, clientId: 'sluice-ghat-1-cloud' },
    ...(ca === undefined ? {} : { tls: { ca } }),
  });
  await connection.publish({ topic: 'sluice/ghat-1/alarm/warm', payload: alarm, qos: 1, retain: true });
  await sleep(WAIT);
  await connection.end(1000);
  await sleep(WAIT);
  console.log(JSON.stringify({ headers: meter.total.headers - before.headers, all: allBytes(meter.total) - allBytes(before) }));
}
process.exit(0);
