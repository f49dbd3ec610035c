"""An MQTT client (paho) that does what standard input says, one JSON object a line, and writes what happens, one a line.

In:  {"do": "subscribe", "filter": F, "qos": Q}, {"do": "publish", "topic": T, "payload": P, "qos": Q, "retain": R}, {"do": "leave"}
Out: {"connack": CODE, "present": BOOL}, {"suback": CODE}, {"puback": N}, {"message": T, "payload": P, "qos": Q, "retain": R}, {"closed": true}
usage: mqtt-client.py ORDER, ORDER as JSON: port, id, clean and perhaps user, password, ca, cert, key, will {topic, payload, qos, retain}
It connects once. A connection that ends is reported and not made again.
"""
import json
import os
import sys
import threading

import paho.mqtt.client as mqtt

order = json.loads(sys.argv[1])
lock = threading.Lock()
leaving = threading.Event()


def say(what):
    with lock:
        print(json.dumps(what), flush=True)


def code(reason):
    return reason.value if hasattr(reason, "value") else int(reason)


def on_connect(_client, _userdata, flags, reason, *_):
    # paho shows the codes of 3.1.1 as those of MQTT 5.
    known = {0: 0, 132: 1, 133: 2, 136: 3, 134: 4, 135: 5}
    say({"connack": known.get(code(reason), code(reason)), "present": bool(flags.session_present)})


def on_disconnect(*_):
    say({"closed": True})
    os._exit(0)


client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=order["id"], clean_session=order["clean"])
if "user" in order:
    client.username_pw_set(order["user"], order["password"])
if "ca" in order:
    client.tls_set(ca_certs=order["ca"], certfile=order.get("cert"), keyfile=order.get("key"))
if "will" in order:
    client.will_set(**order["will"])
client.on_connect = on_connect
client.on_disconnect = on_disconnect
client.on_message = lambda _c, _u, m: say(
    {"message": m.topic, "payload": m.payload.decode(), "qos": m.qos, "retain": bool(m.retain)}
)
client.on_subscribe = lambda _c, _u, _mid, codes, *_: say({"suback": code(codes[0])})
client.on_publish = lambda _c, _u, mid, *_: say({"puback": mid})
try:
    client.connect("127.0.0.1", order["port"], keepalive=60)
except OSError as error:
    say({"failed": str(error)})
    os._exit(1)
threading.Thread(target=client.loop_forever, daemon=True).start()
for line in sys.stdin:
    what = json.loads(line)
    if what["do"] == "subscribe":
        client.subscribe(what["filter"], what["qos"])
    elif what["do"] == "publish":
        client.publish(what["topic"], what["payload"], what["qos"], what.get("retain", False))
    else:
        client.disconnect()
threading.Event().wait()
