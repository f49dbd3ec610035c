"""A device that speaks MQTT (paho), as Zigbee2MQTT or Tasmota would: last will, state, and a reader of its command topic.

Lines of standard input: `TOPIC<TAB>PAYLOAD[<TAB>r]` publishes (QoS 1, r: retained). What comes on the command topic (a JSON
object) changes the state, and the new state is published. Prints `ready`, and each published message as it is acknowledged.
usage: mqtt-device.py PORT USER PASSWORD STATE_TOPIC COMMAND_TOPIC WILL_TOPIC
"""
import json
import sys

import paho.mqtt.client as mqtt

port, user, password, state_topic, command_topic, will_topic = int(sys.argv[1]), *sys.argv[2:7]
state = {"state": "OFF", "power": 0}


def say(line):
    print(line, flush=True)


def on_connect(client, _userdata, _flags, reason, *_):
    if reason != 0:
        say(f"refused {reason}")
        return
    client.publish(will_topic, "online", qos=1, retain=True)
    client.subscribe(command_topic, 1)


def on_message(client, _userdata, m):
    say(f"command {m.payload.decode()}")
    state.update(json.loads(m.payload))
    client.publish(state_topic, json.dumps(state), qos=1, retain=True)


client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=user)
client.username_pw_set(user, password)
client.will_set(will_topic, "offline", qos=1, retain=True)
client.on_connect = on_connect
client.on_message = on_message
client.on_subscribe = lambda *_: say("ready")
client.on_publish = lambda *_: say("acknowledged")
client.connect("127.0.0.1", port, keepalive=30)
client.loop_start()
for line in sys.stdin:
    topic, payload, *flags = line.rstrip("\n").split("\t")
    client.publish(topic, payload, qos=1, retain="r" in flags)
