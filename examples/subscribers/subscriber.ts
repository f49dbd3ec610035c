/**
 * Stores what Sluice gateways deliver to an MQTT broker in SQLite, each record once: node subscriber.ts HOST PORT FILE
 * It needs Node 24 and `npm install mqtt@5`. The client id names the session: no two programs may use one.
 */
import { DatabaseSync } from 'node:sqlite';
import { connect } from 'mqtt';

interface One {
  readonly seq: number;
  readonly time: number;
  readonly device?: string;
  readonly rule?: string;
  readonly event?: string;
}

const [host = '127.0.0.1', port = '1883', file = 'readings.db'] = process.argv.slice(2);
const db = new DatabaseSync(file, { timeout: 5000 }); // milliseconds that it waits for another program
db.exec(`create table if not exists record (gateway, log, seq, kind, name, time, body,
  primary key (gateway, log, seq)) without rowid`);
const insert = db.prepare('insert or ignore into record values (?, ?, ?, ?, ?, ?, ?)');

const client = connect({ host, port: Number(port), clientId: 'sluice-subscriber-ts', clean: false });
client.on('connect', () => client.subscribe(['data', 'history', 'alarm/+', 'event'].map((kind) => `sluice/+/${kind}`), { qos: 1 }));
client.on('error', ({ message }) => console.error(message)); // the client connects again by itself
client.handleMessage = ({ topic, payload }, acknowledge) => {
  const [, gateway = '', kind = ''] = topic.split('/');
  // An empty message: a rule was removed, and its retained alarm with it.
  if (payload.length === 0) return acknowledge();
  const body = JSON.parse(payload.toString()) as One & { readonly log: string; readonly records?: readonly One[] };
  db.exec('begin');
  // An alarm or an event is a message of its own.
  for (const one of body.records ?? [body])
    insert.run(gateway, body.log, one.seq, kind, one.device ?? one.rule ?? one.event ?? '', one.time, JSON.stringify(one));
  db.exec('commit');
  acknowledge(); // When the lines above fail, the program ends, and the broker keeps the message.
};
