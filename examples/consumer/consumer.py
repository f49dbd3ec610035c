#!/usr/bin/env python3
"""Takes what Sluice gateways deliver to an MQTT broker into SQLite, each reading once.

    apt-get install -y python3-paho-mqtt
    python3 consumer.py 127.0.0.1 2883 readings.db

Three things make it right, whatever breaks in between:
- the session at the broker is persistent: the broker keeps what comes while this program is away;
- readings and the high-water mark of their topic are stored in one transaction, and only then is the batch acknowledged;
- a record whose number is not above the mark is a repeat and is left out.
"""
import json
import signal
import sqlite3
import sys

import paho.mqtt.client as mqtt

TABLES = """
create table if not exists mark (source text, gateway text, log text, topic text, seq integer,
  primary key (source, gateway, log, topic)) without rowid;
create table if not exists reading (gateway text, log text, seq integer, device text, point text,
  time integer, value, quality text, reason text, lane text, estimated integer,
  primary key (gateway, log, seq, point)) without rowid;
create table if not exists notice (gateway text, log text, seq integer, kind text, name text, time integer, body text,
  primary key (gateway, log, seq)) without rowid;
"""


class Store:
    def __init__(self, file, source):
        self.source = source  # marks belong to the broker that keeps the order
        self.repeats = 0
        self.db = sqlite3.connect(file, isolation_level=None)
        self.db.executescript(TABLES)

    def take(self, topic, payload, retained):
        """One message, all or nothing. Returns in words what it was, or None."""
        kind = topic.split("/")[2]
        if not payload or kind not in ("data", "history", "alarm", "event"):
            return None
        message = json.loads(payload)
        self.db.execute("begin immediate")
        try:
            if kind in ("data", "history"):
                words = self.batch(topic, kind, message)
            else:
                words = self.notice(topic, kind, message, retained)
            self.db.execute("commit")
            return words
        except BaseException:
            self.db.execute("rollback")
            raise

    def batch(self, topic, lane, batch):
        key = (self.source, batch["gateway"], batch["log"], topic)
        row = self.db.execute(
            "select seq from mark where source = ? and gateway = ? and log = ? and topic = ?", key).fetchone()
        mark = row[0] if row else -1
        estimated = int(batch.get("clock") == "estimated")
        fresh = [record for record in batch["records"] if record["seq"] > mark]
        self.repeats += len(batch["records"]) - len(fresh)
        for record in fresh:
            uncertain = record.get("uncertain", {})
            rows = [(point, value, "uncertain" if point in uncertain else "good", uncertain.get(point))
                    for point, value in record["values"].items()]
            rows += [(point, None, "bad", reason) for point, reason in record.get("bad", {}).items()]
            self.db.executemany(
                "insert into reading values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [(batch["gateway"], batch["log"], record["seq"], record["device"], point, record["time"],
                  value, quality, reason, lane, estimated) for point, value, quality, reason in rows])
        self.db.execute("insert or replace into mark values (?, ?, ?, ?, ?)", (*key, max(mark, batch["last"])))
        return f"{lane} {batch['first']}..{batch['last']}: {len(fresh)} of {len(batch['records'])} records are new"

    def notice(self, topic, kind, notice, retained):
        # A retained alarm is a copy for latecomers and may come before older ones that wait in the session: so alarms
        # and events, which are few, are kept by their key and not by a mark.
        gateway, name = topic.split("/")[1], notice["rule"] if kind == "alarm" else notice["event"]
        new = self.db.execute(
            "insert or ignore into notice values (?, ?, ?, ?, ?, ?, ?)",
            (gateway, notice["log"], notice["seq"], kind, name, notice["time"], json.dumps(notice))).rowcount
        self.repeats += int(not new and not retained)
        return f"{kind} {name}: {notice['message']}" if new else None


def main(host, port, file):
    store = Store(file, f"{host}:{port}")
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id="sluice-consumer", clean_session=False,
                         manual_ack=True)

    def on_connect(client, _userdata, _flags, reason, _properties):
        print(f"connected: {reason}", flush=True)
        client.subscribe([(f"sluice/+/{kind}", 1) for kind in ("data", "history", "alarm/+", "event")])

    def on_message(client, _userdata, message):
        words = store.take(message.topic, message.payload, message.retain)
        client.ack(message.mid, message.qos)  # stored: now the broker may forget it
        if words:
            print(words, flush=True)

    client.on_connect, client.on_message = on_connect, on_message
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    client.connect(host, port)
    client.loop_forever()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
