"""An MQTT subscriber (paho) with a session that stays and QoS 1, which writes down all it gets before it acknowledges it.

Not mosquitto_sub: libmosquitto acknowledges a message before it hands it over, and while it ends mosquitto_sub throws away
what still comes, so that the broker believes a message delivered that is nowhere. Killed at any moment this one loses nothing;
some come twice.
Lines of the file: `CONNACK<TAB>SESSION PRESENT`, `SUBACK`, and `message<TAB>QOS<TAB>RETAINED<TAB>TOPIC<TAB>PAYLOAD IN HEX<TAB>.`
usage: subscriber.py PORT CLIENT_ID FILE TOPIC...
"""
import os
import sys

import paho.mqtt.client as mqtt

port, client_id, file, topics = int(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4:]
out = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND)


def write(line):
    data = line.encode() + b"\n"
    while data:
        data = data[os.write(out, data):]


def on_connect(client, _userdata, flags, *_):
    present = flags.get("session present") if isinstance(flags, dict) else flags.session_present
    write(f"CONNACK\t{int(bool(present))}")
    client.subscribe([(topic, 1) for topic in topics])


def on_message(_client, _userdata, m):
    write(f"message\t{m.qos}\t{int(m.retain)}\t{m.topic}\t{m.payload.hex()}\t.")


if hasattr(mqtt, "CallbackAPIVersion"):
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=client_id, clean_session=False)
else:
    client = mqtt.Client(client_id=client_id, clean_session=False)
client.on_connect = on_connect
client.on_subscribe = lambda *_: write("SUBACK")
client.on_message = on_message
client.reconnect_delay_set(1, 1)
# A kill may have left half a line: it lacks the dot and is not read.
write("")
client.connect_async("127.0.0.1", port, keepalive=10)
client.loop_forever(retry_first_connection=True)
