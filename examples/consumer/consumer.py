#!/usr/bin/env python3
"""Takes what Sluice gateways deliver to an MQTT broker into SQLite, each reading once.

    sudo apt-get install -y python3-paho-mqtt
    python3 consumer.py 127.0.0.1 2883 readings.db

Compare what arrived with what a gateway has (exit status 0: all of it is here, 1: something is missing or different):

    sluice export -c gateway.yaml > export.csv
    python3 consumer.py --verify readings.db export.csv

Without an export, --verify says what the table holds and which numbers never came.

Three things make it right, whatever breaks in between:
- the session at the broker is persistent: the broker keeps what comes while this program is away;
- readings and the high-water mark of their topic are stored in one transaction, and paho acknowledges the batch after that;
- a record whose number is not above the mark is a repeat and is left out. One that came from another broker is left out by its key.

A message that can never be stored goes into the table refused, so that it does not stop what is behind it.
postgres.py does the same with PostgreSQL and several workers.
"""
import argparse
import csv
import json
import math
import os
import signal
import sqlite3
import sys
import time

CLIENT_ID = "sluice-consumer"  # names the session at the broker: no two programs may use one id
TABLES = """
create table if not exists mark (source text, gateway text, log text, topic text, seq integer,
  primary key (source, gateway, log, topic)) without rowid;
create table if not exists reading (gateway text, log text, seq integer, device text, point text,
  time integer, value, quality text, reason text, lane text, estimated integer,
  primary key (gateway, log, seq, point)) without rowid;
create table if not exists notice (gateway text, log text, seq integer, kind text, name text, time integer, body text,
  primary key (gateway, log, seq)) without rowid;
create table if not exists span (gateway text, log text, lane text, boot text, first integer, last integer,
  primary key (gateway, log, lane, first)) without rowid;
create table if not exists repeat (gateway text, log text, topic text, count integer,
  primary key (gateway, log, topic)) without rowid;
create table if not exists refused (number integer primary key autoincrement, topic text, why text, size integer, payload blob);
"""
LARGEST = 16 << 20  # bytes of one message
REFUSED, KEPT = 1000, 256 << 10  # refused messages that are kept, and bytes of each


def check(topic, message):
    """Raises ValueError with the reason for a message that can never be stored."""
    def need(true, words):
        if not true:
            raise ValueError(words)

    def names(*values):
        need(all(isinstance(value, str) and value.encode() and len(value) <= 200 and "\0" not in value for value in values),
             "a name is no text")

    def wholes(*values):
        need(all(type(value) is int and 0 <= value < 1 << 62 for value in values), "a number is not whole")

    def storable(value):
        return isinstance(value, str) and value.encode() is not None or isinstance(value, (int, float)) and math.isfinite(value)

    need(isinstance(message, dict) and message.get("v") == 1, 'the message has no "v": 1')
    kind = topic.split("/")[2]
    names(topic.split("/")[1], message.get("log"))
    if kind in ("alarm", "event"):
        names(message.get("rule" if kind == "alarm" else "event"))
        need(isinstance(message.get("message"), str) and storable(message["message"]), "message is no text")
        return wholes(message.get("seq"), message.get("time"))
    # Who may publish is decided by topic. So a gateway cannot write under the name of another one.
    need(message.get("gateway") == topic.split("/")[1], "gateway is not the one of the topic")
    names(message.get("boot"))
    wholes(message.get("first"), message.get("last"))
    need(isinstance(message.get("records"), list), "records is no list")
    for record in message["records"]:
        need(isinstance(record, dict), "a record is no object")
        need(all(isinstance(record.get(key, {}), dict) for key in ("values", "bad", "uncertain")), "values are no object")
        wholes(record.get("seq"), record.get("time"))
        need(message["first"] <= record["seq"] <= message["last"], "a record is outside first..last")
        names(record.get("device"), *record.get("values", {}), *record.get("bad", {}), *record.get("bad", {}).values(),
              *record.get("uncertain", {}).values())
        need(all(storable(value) for value in record.get("values", {}).values()), "a value is no number, text or bool")


class Store:
    def __init__(self, file, source):
        self.source = source  # marks belong to the broker that keeps the order
        self.new = 0
        self.repeats = 0
        self.db = sqlite3.connect(file, isolation_level=None)
        self.db.executescript(TABLES)

    def take(self, topic, payload, retained):
        """One message, all or nothing. Returns in words what it was, or None."""
        kind = topic.split("/")[2]
        if not payload or kind not in ("data", "history", "alarm", "event"):
            return None
        try:
            if len(payload) > LARGEST:
                raise ValueError(f"it is larger than {LARGEST} bytes")
            message = json.loads(payload)
            check(topic, message)
        except (ValueError, OverflowError, RecursionError) as error:
            return self.refuse(topic, payload, str(error).encode("utf-8", "replace").decode())
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

    def refuse(self, topic, payload, why):
        """Puts a message aside as bytes, so that it is not lost silently. The newest are kept."""
        self.db.execute("begin immediate")
        number = self.db.execute("insert into refused (topic, why, size, payload) values (?, ?, ?, ?)",
                                 (topic[:1000], why[:500], len(payload), payload[:KEPT])).lastrowid
        self.db.execute("delete from refused where number <= ?", (number - REFUSED,))
        self.db.execute("commit")
        return f"REFUSED message {number} on {topic!r}: {why}. It is in the table refused."

    def batch(self, topic, lane, batch):
        key = (self.source, batch["gateway"], batch["log"], topic)
        row = self.db.execute(
            "select seq from mark where source = ? and gateway = ? and log = ? and topic = ?", key).fetchone()
        mark = row[0] if row else -1
        estimated = int(batch.get("clock") == "estimated")
        fresh = [record for record in batch["records"] if record["seq"] > mark]
        new = len(fresh)
        for record in fresh:
            uncertain = record.get("uncertain", {})
            # JSON writes 1e20 as a whole number, which SQLite takes as a float only.
            rows = [(point, float(value) if type(value) is int else value, "uncertain" if point in uncertain else "good", uncertain.get(point))
                    for point, value in record.get("values", {}).items()]
            rows += [(point, None, "bad", reason) for point, reason in record.get("bad", {}).items()]
            stored = self.db.executemany(
                "insert or ignore into reading values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [(batch["gateway"], batch["log"], record["seq"], record["device"], point, record["time"],
                  value, quality, reason, lane, estimated) for point, value, quality, reason in rows]).rowcount
            if rows and not stored:
                new -= 1  # it came from another broker already
        self.db.execute("insert or replace into mark values (?, ?, ?, ?, ?)", (*key, max(mark, batch["last"])))
        self.covers(batch, lane)
        self.repeated(batch["gateway"], batch["log"], topic, len(batch["records"]) - new)
        self.new += new
        return f"{lane} {batch['first']}..{batch['last']}: {new} of {len(batch['records'])} records are new"

    def covers(self, batch, lane):
        """Only for --verify: which numbers came. Neighbours become one row, so there are few."""
        key = (batch["gateway"], batch["log"], lane)
        row = self.db.execute("select first, last from span where gateway = ? and log = ? and lane = ? and boot = ?"
                              " and first <= ? order by first desc limit 1",
                              (*key, batch["boot"], batch["first"])).fetchone()
        if row and batch["first"] <= row[1] + 1:
            self.db.execute("update span set last = ? where gateway = ? and log = ? and lane = ? and first = ?",
                            (max(row[1], batch["last"]), *key, row[0]))
        else:
            self.db.execute("insert or replace into span values (?, ?, ?, ?, ?, ?)",
                            (*key, batch["boot"], batch["first"], batch["last"]))

    def repeated(self, gateway, log, topic, count):
        self.repeats += count
        if count:
            self.db.execute("insert or ignore into repeat values (?, ?, ?, 0)", (gateway, log, topic))
            self.db.execute("update repeat set count = count + ? where gateway = ? and log = ? and topic = ?",
                            (count, gateway, log, topic))

    def notice(self, topic, kind, notice, retained):
        # A retained alarm is a copy for latecomers and may come before older ones that wait in the session: so alarms
        # and events, which are few, are kept by their key and not by a mark.
        gateway, name = topic.split("/")[1], notice["rule"] if kind == "alarm" else notice["event"]
        new = self.db.execute(
            "insert or ignore into notice values (?, ?, ?, ?, ?, ?, ?)",
            (gateway, notice["log"], notice["seq"], kind, name, notice["time"], json.dumps(notice))).rowcount
        self.repeated(gateway, notice["log"], topic, int(not new and not retained))
        return f"{kind} {name}: {notice['message']}" if new else None


def receive(host, port, file):
    try:
        import paho.mqtt.client as mqtt
    except ImportError:
        fail("the Python package paho-mqtt is missing. Install it:\n"
             "  sudo apt-get install -y python3-paho-mqtt\n"
             "or, in a virtual environment:  pip install paho-mqtt")
    store = Store(file, f"{host}:{port}")
    # paho 2 asks which form of callbacks it shall use; paho 1 knows one. The functions below take both.
    form = [mqtt.CallbackAPIVersion.VERSION2] if hasattr(mqtt, "CallbackAPIVersion") else []
    client = mqtt.Client(*form, client_id=CLIENT_ID, clean_session=False)

    told = False

    def tell():
        # A session gets nothing before it has its subscriptions, and a kept one may have had them before.
        nonlocal told
        if not told:
            say("connected: Success")
        told = True

    def on_connect(client, _userdata, _flags, reason, *_):
        nonlocal told
        words = mqtt.connack_string(reason) if isinstance(reason, int) else str(reason)
        if reason != 0:
            say(f"the broker {host}:{port} refuses this program: {words}. Trying again.")
            return
        told = False
        client.subscribe([(f"sluice/+/{kind}", 1) for kind in ("data", "history", "alarm/+", "event")])

    def on_subscribe(_client, _userdata, _mid, reasons, *_):
        refused = [reason for reason in reasons if (reason if isinstance(reason, int) else reason.value) >= 128]
        if refused:
            say(f"the broker refuses {len(refused)} of the subscriptions of this program. Give its account the right to read sluice/#.")
        tell()

    def on_connect_fail(*_):
        say(f"nothing answers at {host}:{port}. Is the broker running? Trying again.")

    def on_disconnect(_client, _userdata, *rest):
        reason = rest[0] if len(rest) == 1 else rest[1]  # paho 2 gives flags before it
        silent = reason == 16 if isinstance(reason, int) else "eep alive" in str(reason)
        why = "the broker did not answer for a minute" if silent else "the broker ended the connection, or the network broke"
        say(f"disconnected: {why}. Connecting again; the broker keeps what comes meanwhile.")

    def on_message(_client, _userdata, message):
        # When this returns, paho acknowledges: then the broker may forget the message.
        tell()
        while True:
            try:
                words = store.take(message.topic, message.payload, message.retain)
                return say(words) if words else None
            except sqlite3.OperationalError as error:
                say(f"{file} takes nothing: {error}. Trying again; the broker keeps what comes.")
                time.sleep(1)

    client.on_connect, client.on_connect_fail = on_connect, on_connect_fail
    client.on_disconnect, client.on_message = on_disconnect, on_message
    client.on_subscribe = on_subscribe
    client.reconnect_delay_set(1, 30)
    # Ctrl-C and a stop by the system end it alike; a transaction that is under way is rolled back.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        client.connect_async(host, port)
        client.loop_forever(retry_first_connection=True)
    except KeyboardInterrupt:
        client.on_disconnect = None
        say(f"stopped: {records(store.new)} stored in {file}, {records(store.repeats, 'repeat')} dropped."
            " The broker keeps what comes until the next start.")


# What follows is for --verify.

def verify(file, export):
    """Exit status: 0 all that the export has is here, 1 something is missing or different."""
    if not os.path.exists(file):
        fail(f"there is no file {file}")
    db = sqlite3.connect(file)
    db.executescript(TABLES)
    logs = db.execute("select gateway, log from reading union select gateway, log from notice").fetchall()
    if not logs:
        say(f"{file} holds no readings yet.")
    for gateway, log in logs:
        describe(db, gateway, log)
    refused = db.execute("select coalesce(max(number), 0) from refused").fetchone()[0]
    if refused:
        say(f"{records(refused, 'message')} refused: the newest {REFUSED} are in the table refused")
    if export is None:
        return 0
    with (sys.stdin if export == "-" else open(export, newline="", encoding="utf-8")) as lines:
        return compare(db, csv.DictReader(lines))


def describe(db, gateway, log):
    say(f"gateway {gateway}, log {log}")
    for lane in ("data", "history"):
        count, readings, bad, first, last = db.execute(
            "select count(distinct seq), count(*), coalesce(sum(quality = 'bad'), 0), min(seq), max(seq) from reading"
            " where gateway = ? and log = ? and lane = ?", (gateway, log, lane)).fetchone()
        where = f", numbers {first}..{last}" if count else ""
        say(f"  {lane:8} {records(count)} with {records(readings, 'reading')}, {bad} of them bad{where};"
            f" {records(repeats(db, gateway, log, lane), 'repeat')} dropped")
    for kind in ("alarm", "event"):
        count, = db.execute("select count(*) from notice where gateway = ? and log = ? and kind = ?",
                            (gateway, log, kind)).fetchone()
        say(f"  {kind:8} {records(count, 'message')}; {records(repeats(db, gateway, log, kind), 'repeat')} dropped")
    skipped, open_gaps = gaps(db, gateway, log)
    if skipped:
        say(f"  {records(skipped, 'number')} skipped where the gateway started: no reading has them")
    for first, last in open_gaps[:10]:
        say(f"  gap      {first}..{last}: never came. Readings that wait at the gateway come later as history; else the"
            " gateway thinned or lost them, and an event says so")
    if len(open_gaps) > 10:
        say(f"  gap      … and {len(open_gaps) - 10} more")
    if not open_gaps:
        say("  no gap")


def repeats(db, gateway, log, kind):
    return db.execute("select coalesce(sum(count), 0) from repeat where gateway = ? and log = ? and"
                      " (topic like '%/' || ? or topic like '%/' || ? || '/%')", (gateway, log, kind, kind)).fetchone()[0]


def gaps(db, gateway, log):
    """How many numbers were skipped at starts, and the ranges that never came. Alarms and events have numbers too."""
    rows = db.execute(
        "select first, last, boot, '' from span where gateway = ? and log = ? union all"
        " select seq, seq, null, name from notice where gateway = ? and log = ? order by 1", (gateway, log, gateway, log))
    skipped, found, reached, boot = 0, [], None, None
    for first, last, of, name in rows:
        if reached is not None and first > reached + 1:
            if name == "start" or None not in (of, boot) and of != boot:
                skipped += first - reached - 1
            else:
                found.append((reached + 1, first - 1))
        reached = last if reached is None else max(reached, last)
        if of is not None or name == "start":
            boot = of  # alarms and events do not name it
    return skipped, found


def compare(db, rows):
    if rows.fieldnames is None or not {"log", "seq", "device", "point", "time", "value", "quality"} <= set(rows.fieldnames):
        fail("the second file is no output of `sluice export` in CSV with single readings (do not use --every)")
    newest = dict(db.execute("select log, max(seq) from mark group by log"))
    equal, missing, coming, different = 0, [], [], []
    for row in rows:
        log, seq = row["log"], int(row["seq"])
        found = db.execute("select time, value, quality, estimated from reading where log = ? and seq = ? and point = ?"
                           " and device = ?", (log, seq, row["point"], row["device"])).fetchone()
        if found is None:
            add(coming if seq > newest.get(log, -1) else missing, log, seq)
        elif not same(row, *found):
            different.append(f"log {log} number {seq} {row['device']}.{row['point']}:"
                             f" {row['value'] or row['quality']} at the gateway, {found[1]} here")
        else:
            equal += 1
    say(f"Compared with the export: {records(equal, 'reading')} the same.")
    for log, first, last in coming:
        say(f"  not here yet: log {log}, {first}..{last}, newer than all that came")
    for log, first, last in missing[:20]:
        say(f"  missing: log {log}, {first}..{last}. `sluice status` says whether readings still wait for the platform")
    for words in different[:20]:
        say(f"  different: {words}")
    if missing or different:
        say(f"NOT COMPLETE: {records(len(missing), 'range')} missing, {records(len(different), 'reading')} different.")
        return 1
    say("Complete: every reading of the export is here, each once, with the same value and time."
        if not coming else "Complete up to the newest that came; the rest is still to come.")
    return 0


def add(ranges, log, seq):
    """Rows of an export come in the order of their numbers."""
    if ranges and ranges[-1][0] == log and seq <= ranges[-1][2] + 1:
        ranges[-1] = (log, ranges[-1][1], max(seq, ranges[-1][2]))
    else:
        ranges.append((log, seq, seq))


def same(row, time, value, quality, estimated):
    text = row["value"]
    if row["quality"] != quality:
        return False
    # A time that was estimated may have become better in the log since.
    if not estimated and not row["time"].endswith("?") and millis(row["time"]) != time:
        return False
    if value is None or text in ("true", "false"):
        return text == {None: "", 1: "true", 0: "false"}[value]
    if isinstance(value, str):
        return text in (value, "'" + value)  # the export protects a spreadsheet from formulas
    return float(text) == float(value)


def millis(text):
    from datetime import datetime, timezone
    whole = datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=timezone.utc)
    return round(whole.timestamp() * 1000)


def records(count, what="record"):
    return f"{count} {what}{'' if count == 1 else 's'}"


def say(words):
    print(words, flush=True)


def fail(words):
    print(f"consumer.py: {words}", file=sys.stderr)
    sys.exit(2)


def main():
    parser = argparse.ArgumentParser(description="Takes the readings of Sluice gateways from an MQTT broker into SQLite.",
                                     usage="consumer.py HOST PORT FILE\n       consumer.py --verify FILE [EXPORT]")
    parser.add_argument("--verify", action="store_true",
                        help="say what FILE holds; compare it with EXPORT, the output of `sluice export` (- is standard input)")
    parser.add_argument("words", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    words = options.words
    if options.verify and len(words) <= 2:
        sys.exit(verify(words[0], words[1] if len(words) == 2 else None))
    if options.verify or len(words) != 3:
        parser.error("write HOST PORT FILE, or --verify FILE [EXPORT]")
    if not words[1].isdigit() or not 0 < int(words[1]) < 65536:
        parser.error(f"PORT is a number from 1 to 65535, not {words[1]!r}")
    receive(words[0], int(words[1]), words[2])


if __name__ == "__main__":
    main()
