#!/usr/bin/env python3
"""Takes what Sluice gateways deliver to an MQTT broker into PostgreSQL, each reading once. Several workers may share the work.

    sudo apt-get install -y python3-paho-mqtt python3-psycopg2
    psql -d sluice -f postgres.sql                                  # the tables, once
    python3 postgres.py 127.0.0.1 2883 dbname=sluice w1             # a worker: w1 names its session at the broker
    python3 postgres.py 127.0.0.1 2883 dbname=sluice w2             # another one beside it
    python3 postgres.py 127.0.0.1 2883 dbname=sluice all --plain    # on Mosquitto: one that takes everything

Workers share readings by a shared subscription of MQTT 5. Mosquitto forgets shared subscriptions when it restarts, and then throws
away what comes before a worker is back. A worker with --plain has an ordinary subscription, which outlives the restart. It needs no
MQTT 5. How to fill PostgreSQL (docs/how-to/fill-postgresql.md) says which workers a broker needs.

Four things make it right, whatever breaks in between:
- The session at the broker outlives this program. The broker keeps what comes while a worker is away.
- A message is acknowledged after the commit. What is not acknowledged comes again.
- Every insert is by the key (gateway, log, seq) and does nothing when the key exists. So order and repeats do not matter.
- One thread does all. Messages of a connection that broke are dropped here, because the broker sends them again.
"""
import argparse
import json
import math
import sys
import time
import zlib

MOST_MESSAGES = 100            # that are not acknowledged: in memory, and in one transaction
MOST_BYTES = 16 << 20          # of payloads in memory, before reading stops
LARGEST = 16 << 20             # bytes of one message; a larger one is refused
KEPT = 256 << 10               # bytes of a refused message that are kept
REFUSED = 1000                 # refused messages that are kept
NAME = 200                     # bytes of a name, so that every key fits into an index
AWAY = 30 * 86400              # seconds for which the broker keeps the session of a worker that is away
QUIET = 5                      # seconds without a message after which --drain has all
BATCHES, NOTICES = ("data", "history", "resend"), ("alarm", "event")

READING = """
insert into reading (gateway, log, seq, point, device, boot, lane, time, value, text, quality, reason, estimated)
select gateway, log, seq, point, device, boot, lane, timestamptz 'epoch' + ms * interval '1 millisecond', value, text, quality, reason,
  estimated
from unnest(%s::text[], %s::text[], %s::bigint[], %s::text[], %s::text[], %s::text[], %s::text[], %s::bigint[], %s::float8[],
  %s::text[], %s::text[], %s::text[], %s::boolean[])
  as r (gateway, log, seq, point, device, boot, lane, ms, value, text, quality, reason, estimated)
on conflict do nothing"""
NOTICE = """
insert into notice (gateway, log, seq, kind, name, severity, state, message, time, body)
values (%s, %s, %s, %s, %s, %s, %s, %s, timestamptz 'epoch' + %s * interval '1 millisecond', %s) on conflict do nothing"""
STEP = """
insert into clock_step (gateway, log, boot, last, off, event_log, event_seq) values (%s, %s, %s, %s, %s, %s, %s)
on conflict (gateway, log, boot, last) do update set off = excluded.off, event_log = excluded.event_log, event_seq = excluded.event_seq
where clock_step.event_log <> excluded.event_log or clock_step.event_seq < excluded.event_seq"""
INVENTORY = """
insert into inventory (gateway, revision, body) values (%s, %s, %s)
on conflict (gateway, revision) do update set body = excluded.body where inventory.body <> excluded.body"""
NUMBERS = """
insert into numbers (gateway, log, block, came) values (%s, %s, %s, %s::int8multirange)
on conflict (gateway, log, block) do update set came = numbers.came + excluded.came, changed = now()"""
PUT_ASIDE = """
with one as (update refused_count set count = count + 1 returning count)
insert into refused select count %% %s, now(), %s, %s, %s, %s, %s from one
on conflict (slot) do update set at = excluded.at, worker = excluded.worker, topic = excluded.topic, why = excluded.why,
  size = excluded.size, payload = excluded.payload"""


class Rows:
    """What messages become. Each list is sorted, so that two workers take locks in the same order."""

    def __init__(self):
        self.readings, self.notices, self.steps, self.inventories, self.numbers = [], [], [], [], {}

    def add(self, topic, payload):
        """All of a message, or nothing. Raises ValueError, OverflowError or RecursionError for one that can never be stored."""
        if not payload:
            return  # a rule was removed, and its retained alarm with it
        levels = topic.split("/")
        need(len(levels) >= 3 and levels[0] == "sluice", "the topic is none of a gateway")
        gateway, kind = name(levels[1], "the gateway of the topic"), levels[2]
        message = decoded(payload)
        need(isinstance(message, dict) and message.get("v") == 1, 'the message has no "v": 1')
        if kind in BATCHES:
            self.batch(gateway, kind, message)
        elif kind in NOTICES:
            self.notice(gateway, kind, message)
        elif kind == "inventory":
            need(isinstance(message.get("devices"), dict), "devices is no object")
            self.inventories.append((gateway, whole(message.get("revision"), "revision"), json.dumps(message)))
        else:
            raise ValueError("the topic is none of a gateway")

    def batch(self, gateway, lane, batch):
        # Who may publish is decided by topic. So a gateway cannot write under the name of another one.
        need(batch.get("gateway") == gateway, "gateway is not the one of the topic")
        log, boot = name(batch.get("log"), "log"), name(batch.get("boot"), "boot")
        first, last = whole(batch.get("first"), "first"), whole(batch.get("last"), "last")
        estimated = batch.get("clock") == "estimated"
        need(isinstance(batch.get("records"), list) and first <= last, "records or first and last are wrong")
        rows = []
        for record in batch["records"]:
            need(isinstance(record, dict), "a record is no object")
            seq, at = whole(record.get("seq"), "seq"), moment(record.get("time"))
            need(first <= seq <= last, "a record is outside first..last")
            device, uncertain = name(record.get("device"), "device"), members(record, "uncertain")
            for point, value in members(record, "values").items():
                quality = "uncertain" if point in uncertain else "good"
                rows.append((gateway, log, seq, name(point, "point"), device, boot, lane, at, *columns(value), quality,
                             reason(uncertain.get(point)), estimated))
            for point, why in members(record, "bad").items():
                rows.append((gateway, log, seq, name(point, "point"), device, boot, lane, at, None, None, "bad", reason(why), estimated))
        self.readings += rows
        if lane == "resend":  # it may leave records out on request
            for seq in {row[2] for row in rows}:
                self.came(gateway, log, seq, seq)
        else:
            self.came(gateway, log, first, last)

    def notice(self, gateway, kind, notice):
        log, seq, at = name(notice.get("log"), "log"), whole(notice.get("seq"), "seq"), moment(notice.get("time"))
        what = name(notice.get("rule" if kind == "alarm" else "event"), "rule or event")
        words = [str(notice[key])[:4000] if key in notice else None for key in ("severity", "state", "message")]
        found = [(gateway, *step, log, seq) for step in steps(members(notice, "data"))] if what == "clock" else []
        self.notices.append((gateway, log, seq, kind, what, *words, at, json.dumps(notice)))
        self.steps += found
        self.came(gateway, log, seq, seq)

    def came(self, gateway, log, first, last):
        self.numbers.setdefault((gateway, log, first // 100_000), []).append(f"[{first},{last}]")

    def write(self, cursor):
        """@returns how many readings are new"""
        new = 0
        if self.readings:
            cursor.execute(READING, [list(column) for column in zip(*sorted(self.readings, key=lambda row: row[:4]))])
            new = cursor.rowcount
        for sql, rows in ((NOTICE, self.notices), (STEP, self.steps), (INVENTORY, self.inventories)):
            cursor.executemany(sql, sorted(rows, key=lambda row: row[:4]))
        cursor.executemany(NUMBERS, [(*key, "{" + ",".join(ranges) + "}") for key, ranges in sorted(self.numbers.items())])
        return new


def steps(data):
    """(log, boot, last, offset) of each step of a clock that the event `clock` names, as docs/reference/topics.md explains them."""
    groups = {}
    for key, value in data.items():
        group, _, leaf = key.rpartition(".")
        groups.setdefault(group, {})[leaf] = value
    for group, step in groups.items():
        log, boot = step.get("log", data.get("log")), data.get("boot") if group == "" or group.startswith("step") else group
        if "last" in step and "offset" in step:
            yield name(log, "log"), name(boot, "boot"), whole(step["last"], "last", -1), moment(step["offset"])


def need(true, words):
    if not true:
        raise ValueError(words)


def name(value, what):
    need(isinstance(value, str) and 0 < len(value.encode()) <= NAME and "\0" not in value, f"{what} is no name")
    return value


def whole(value, what, least=0):
    need(type(value) is int and least <= value < 1 << 62, f"{what} is no whole number")
    return value


def moment(value):
    """Milliseconds that a number of JavaScript can hold."""
    need(type(value) in (int, float) and abs(value) <= 8.64e15, "a time is no number")
    return round(value)


def members(record, key):
    value = record.get(key, {})
    need(isinstance(value, dict), f"{key} is no object")
    return value


def reason(value):
    need(value is None or isinstance(value, str) and len(value) <= NAME, "a reason is no text")
    return value


def columns(value):
    """The number for charts, and the text that is exact where a number is not."""
    if isinstance(value, bool):
        return float(value), "true" if value else "false"
    if isinstance(value, str):
        return None, value
    need(isinstance(value, (int, float)) and math.isfinite(float(value)), "a value is no number, text or bool")
    return float(value), None


def unpacked(payload):
    """What `compress: gzip` packed, up to one byte more than a message may have. Everything else stays as it is."""
    if payload[:2] != b"\x1f\x8b":
        return payload
    try:
        return zlib.decompressobj(31).decompress(payload, LARGEST + 1)
    except zlib.error:
        return payload


def decoded(payload):
    need(len(payload) <= LARGEST, f"the message is larger than {LARGEST} bytes")
    try:
        return json.loads(payload)
    except RecursionError:
        raise ValueError("the message is nested too deep") from None


class Store:
    def __init__(self, dsn, worker):
        import psycopg2
        self.postgres, self.dsn, self.worker, self.db = psycopg2, dsn, worker, None
        self.retry_at, self.wait, self.fault = 0, 1, None

    def take(self, messages):
        """Stores all of them for good. @returns False when the database cannot, and it is to be tried again after `retry_at`."""
        try:
            self.open()
            self.all_or_each(messages)
        except self.postgres.Error as error:
            self.close()
            words = " ".join(str(error).split())
            if self.fault != words:
                say(f"the database does not take anything: {words}. Trying again; the broker keeps what comes.")
            self.fault, self.retry_at, self.wait = words, time.monotonic() + self.wait, min(2 * self.wait, 10)
            return False
        if self.fault:
            say("the database takes readings again.")
        self.fault, self.wait = None, 1
        return True

    def open(self):
        if self.db:
            return
        self.db = self.postgres.connect(self.dsn, connect_timeout=5, application_name=f"sluice {self.worker}"[:60])
        with self.db.cursor() as cursor:
            # A commit is on the disk. A worker that hangs in a transaction does not stop the others for long.
            cursor.execute("set synchronous_commit = on; set statement_timeout = '60s'; set client_encoding = 'UTF8';"
                           " set idle_in_transaction_session_timeout = '30s'")
        self.db.commit()

    def close(self):
        if self.db:
            try:
                self.db.close()
            except self.postgres.Error:
                pass
        self.db = None

    def all_or_each(self, messages):
        try:
            self.transaction(messages)
        except (self.postgres.Error, ValueError) as error:
            # What no repetition mends: data that the database refuses (class 22), that is too large or too deep for it (54), or that
            # psycopg2 cannot write. Everything else is a fault of the database.
            if isinstance(error, self.postgres.Error) and (error.pgcode or "")[:2] not in ("22", "54"):
                raise
            self.db.rollback()
            if len(messages) > 1:
                for message in messages:
                    self.all_or_each([message])
            else:
                with self.db.cursor() as cursor:
                    self.put_aside(cursor, *messages[0], error)
                self.db.commit()

    def transaction(self, messages):
        rows, refused = Rows(), []
        for topic, payload in messages:
            try:
                rows.add(topic, payload)
            except (ValueError, OverflowError, RecursionError) as error:
                refused.append((topic, payload, error))
        with self.db.cursor() as cursor:
            new = rows.write(cursor)
            for one in refused:
                self.put_aside(cursor, *one)
        self.db.commit()
        if rows.readings or rows.notices:
            say(f"{count(len(messages) - len(refused), 'message')}: {new} of {count(len(rows.readings), 'reading')} new"
                + (f", {count(len(rows.notices), 'alarm or event', 'alarms and events')}" if rows.notices else ""))

    def put_aside(self, cursor, topic, payload, error):
        def clean(text):  # as UTF-8 without NUL
            return text.encode("utf-8", "replace").decode().replace("\0", "?")
        topic, why = clean(topic)[:1000], clean(" ".join(str(error).split()))[:500]
        cursor.execute(PUT_ASIDE, (REFUSED, self.worker, topic, why, len(payload), self.postgres.Binary(payload[:KEPT])))
        say(f"REFUSED a message of {len(payload)} bytes on {topic!r}: {why}. It is in the table refused.")


class Worker:
    def __init__(self, options, store, mqtt):
        self.options, self.store, self.mqtt = options, store, mqtt
        self.waiting, self.bytes, self.heard = [], 0, time.monotonic()
        self.refusal, self.session, self.ready = None, None, False
        version = mqtt.MQTTv311 if options.plain else mqtt.MQTTv5
        clean = {"clean_session": False} if options.plain else {}
        self.client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=f"sluice-postgres-{options.worker}", protocol=version,
                                  manual_ack=True, **clean)
        if options.user:
            with open(options.password_file, encoding="utf-8") as file:
                self.client.username_pw_set(options.user, file.read().rstrip("\n"))
        if options.ca:
            self.client.tls_set(options.ca)
        self.client.on_connect, self.client.on_subscribe = self.on_connect, self.on_subscribe
        self.client.on_message, self.client.on_disconnect = self.on_message, self.on_disconnect
        self.client.on_unsubscribe = lambda *_: setattr(self, "ready", True)

    def properties(self, kind, **values):
        from paho.mqtt.properties import Properties
        if self.options.plain:
            return {}
        found = Properties(kind)
        for key, value in values.items():
            setattr(found, key, value)
        return {"properties": found}

    def connect(self):
        from paho.mqtt.packettypes import PacketTypes
        first = {} if self.options.plain else {"clean_start": False}
        self.client.connect(self.options.host, self.options.port, **first, **self.properties(
            PacketTypes.CONNECT, SessionExpiryInterval=AWAY, ReceiveMaximum=MOST_MESSAGES))

    def filters(self):
        # The order of readings does not matter, so workers share them. Alarms and events are few: each worker takes all, and none of
        # them waits for a worker that is away.
        share = "" if self.options.plain else f"$share/{self.options.share}/"
        roots = [f"sluice/{gateway}" for gateway in self.options.gateways.split(",")]
        return ([f"{share}{root}/{kind}" for root in roots for kind in ("data", "history", "resend/+")]
                + [f"{root}/{kind}" for root in roots for kind in ("alarm/+", "event", "inventory")])

    def on_connect(self, client, _userdata, flags, code, properties):
        if code.is_failure:
            self.refusal = f"the broker {self.options.host}:{self.options.port} refuses this program: {code}"
            return
        self.refusal, self.heard = None, time.monotonic()
        if properties and getattr(properties, "SharedSubscriptionAvailable", 1) == 0:
            fail("this broker has no shared subscriptions: run one worker with --plain")
        self.session = "kept" if flags.session_present else "new"
        if self.options.drain:
            client.unsubscribe(self.filters())
        else:
            client.subscribe([(topic, 1) for topic in self.filters()])

    def on_subscribe(self, _client, _userdata, _mid, codes, _properties):
        if any(code.is_failure for code in codes):
            fail("the broker refuses a subscription: " + ", ".join(
                f"{topic} ({code})" for topic, code in zip(self.filters(), codes) if code.is_failure))
        say("connected: the broker kept the session." if self.session == "kept" else
            "connected: the session is new. The broker keeps what comes from now on.")

    def on_message(self, _client, _userdata, message):
        try:
            topic = message.topic
        except UnicodeDecodeError:
            topic = "a topic that is no UTF-8"
        payload = unpacked(message.payload)  # here, so that its size counts
        self.waiting.append((message.mid, message.qos, topic, payload))
        self.bytes += len(payload)
        self.heard = time.monotonic()

    def on_disconnect(self, *given):
        if len(given) == 5 and given[2].is_disconnect_packet_from_server:  # paho reads the reason of long packets only
            self.refusal = "the broker ended the connection. If this repeats, another worker has this name"
        # The broker sends again what is not acknowledged, under numbers of the new connection.
        self.waiting, self.bytes, self.ready = [], 0, False

    def run(self):
        connected = False
        while True:
            if not connected:
                try:
                    self.connect()
                    connected = True
                except OSError as error:
                    say(f"nothing answers at {self.options.host}:{self.options.port} ({error}). Is the broker running? Trying again.")
                    time.sleep(1)
                continue
            full = len(self.waiting) >= MOST_MESSAGES or self.bytes >= MOST_BYTES
            before = len(self.waiting)
            pause = min(1, max(0, self.store.retry_at - time.monotonic())) if self.waiting else 1
            if full and pause > 0:
                time.sleep(pause)
                status = self.client.loop_misc()  # reads nothing: the connection may end, and the broker sends all again
            else:
                status = 0 if full else self.client.loop(pause)
            if status != 0:
                say(f"disconnected: {self.refusal or self.mqtt.error_string(status)}. Connecting again; the broker keeps what comes.")
                self.on_disconnect()
                connected = False
                time.sleep(1)
            elif self.waiting and (full or len(self.waiting) == before) and time.monotonic() >= self.store.retry_at:
                self.commit()
            elif self.options.drain and self.ready and not self.waiting and time.monotonic() - self.heard > QUIET:
                return self.end()

    def commit(self):
        taken = self.waiting
        if self.store.take([(topic, payload) for _, _, topic, payload in taken]):
            self.waiting, self.bytes = [], 0
            for mid, qos, _, _ in taken:
                self.client.ack(mid, qos)

    def end(self):
        """Ends the session, which is empty. MQTT 3.1.1 has no word for this: the broker keeps an empty session."""
        from paho.mqtt.packettypes import PacketTypes
        self.client.disconnect(**self.properties(PacketTypes.DISCONNECT, SessionExpiryInterval=0))
        say("drained: the session has nothing left, and this worker may go for good.")


def count(number, one, several=None):
    return f"{number} {one if number == 1 else several or one + 's'}"


def say(words):
    print(words, flush=True)


def fail(words):
    print(f"postgres.py: {words}", file=sys.stderr)
    sys.exit(2)


def main():
    parser = argparse.ArgumentParser(description="Takes the readings of Sluice gateways from an MQTT broker into PostgreSQL.")
    parser.add_argument("host", help="the broker")
    parser.add_argument("port", type=int)
    parser.add_argument("database", help="how psql reaches it, for example dbname=sluice or postgresql://consumer@db.example/sluice")
    parser.add_argument("worker", help="names the session at the broker: no two workers may use one, and a worker keeps its name")
    parser.add_argument("--share", default="sluice", help="the name of the shared subscription (sluice)")
    parser.add_argument("--plain", action="store_true", help="an ordinary subscription with MQTT 3.1.1: this worker takes everything")
    parser.add_argument("--gateways", default="+", help="only these gateways, with a comma between (all)")
    parser.add_argument("--drain", action="store_true", help="take what the session of this worker still has, end the session, and end")
    parser.add_argument("--user", help="the name at the broker")
    parser.add_argument("--password-file", help="the file with the password")
    parser.add_argument("--ca", help="use TLS; the file with the certificate of the authority")
    options = parser.parse_args()
    if options.user and not options.password_file:
        parser.error("--user needs --password-file")
    try:
        import paho.mqtt.client as mqtt
        import psycopg2  # noqa: F401
    except ImportError as error:
        fail(f"the Python package {error.name} is missing. Install both:\n  sudo apt-get install -y python3-paho-mqtt python3-psycopg2")
    if not hasattr(mqtt.Client, "manual_ack_set"):
        fail("this paho-mqtt is older than 2.0 and cannot acknowledge by hand:  pip install 'paho-mqtt>=2'")
    import signal
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C; a transaction that is under way is rolled back
    try:
        Worker(options, Store(options.database, options.worker), mqtt).run()
    except KeyboardInterrupt:
        say("stopped; the broker keeps what comes until the next start.")


if __name__ == "__main__":
    main()
