"""Stores what Sluice gateways deliver to an MQTT broker in SQLite, each record once: python3 subscriber.py HOST PORT FILE
It needs `sudo apt-get install -y python3-paho-mqtt`. The client id names the session: no two programs may use one."""
import json
import sqlite3
import sys
import paho.mqtt.client as mqtt

host, port, file = sys.argv[1:]
db = sqlite3.connect(file, isolation_level=None)
db.execute("create table if not exists record (gateway, log, seq, kind, name, time, body,"
           " primary key (gateway, log, seq)) without rowid")


def on_connect(client, *_):
    client.subscribe([(f"sluice/+/{kind}", 1) for kind in ("data", "history", "alarm/+", "event")])


def on_message(_client, _userdata, message):
    _, gateway, kind, *_ = message.topic.split("/")
    if not message.payload:
        return  # a rule was removed, and its retained alarm with it
    body = json.loads(message.payload)
    records = body.get("records", [body])  # an alarm or an event is a message of its own
    db.execute("begin")
    db.executemany("insert or ignore into record values (?, ?, ?, ?, ?, ?, ?)", [
        (gateway, body["log"], one["seq"], kind, one.get("device") or one.get("rule") or one.get("event"),
         one["time"], json.dumps(one)) for one in records])
    db.execute("commit")  # paho acknowledges after this function; when it fails, the program ends, and the broker keeps the message


form = [mqtt.CallbackAPIVersion.VERSION2] if hasattr(mqtt, "CallbackAPIVersion") else []  # paho 2, paho 1
client = mqtt.Client(*form, client_id="sluice-subscriber-py", clean_session=False)
client.on_connect, client.on_message = on_connect, on_message
client.connect_async(host, int(port))
client.loop_forever(retry_first_connection=True)
