"""A host application of Sparkplug B 3.0 (paho-mqtt and protobuf). It keeps the state machine of the specification for every edge node.

Usage: sparkplug-host.py PORT GROUP FOLDER OUT    FOLDER has sparkplug_b_pb2.py

It writes lines of JSON into OUT: what it heard, and every violation of the specification. Lines on stdin are orders:
  {"topic": "NCMD/node", "metrics": [{"name": …, "datatype": 11, "boolean_value": true}]}
  {"raw": "DCMD/node/device", "hex": "00ff"}
  {"state": "host", "payload": "…", "retain": true}
"""

import json
import math
import struct
import sys
import threading
import time

import paho.mqtt.client as mqtt

port, group, folder, out_file = int(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4]
sys.path.insert(0, folder)
sys.dont_write_bytecode = True
import sparkplug_b_pb2 as pb  # noqa: E402
from sparkplug_fields import strangers  # noqa: E402

out = open(out_file, "a", encoding="utf-8")
lock = threading.Lock()
FIELD = {1: "int_value", 2: "int_value", 3: "int_value", 5: "int_value", 6: "int_value", 7: "int_value", 4: "long_value",
         8: "long_value", 13: "long_value", 9: "float_value", 10: "double_value", 11: "boolean_value", 12: "string_value"}
SIGNED = {1: 8, 2: 16, 3: 32}
UNSIGNED = {5: 8, 6: 16, 7: 32}


def say(**line):
    with lock:
        out.write(json.dumps(line) + "\n")
        out.flush()


class Node:
    def __init__(self):
        self.online = False
        self.bd = None
        self.seq = None
        self.own = {}      # alias -> (name, datatype)
        self.devices = {}  # name -> {alias: (name, datatype)}
        self.newest = {}   # device -> time of the newest value that is not historical


nodes = {}


def typed(metric, datatype):
    """The value as the type of the birth says. None: null."""
    which = metric.WhichOneof("value")
    if metric.is_null:
        if which is not None:
            raise ValueError("is_null beside a value")
        return None
    if which is None:
        raise ValueError("neither a value nor is_null")
    if which != FIELD.get(datatype):
        raise ValueError(f"{which} for the type {datatype}")
    value = getattr(metric, which)
    if datatype in SIGNED:
        value = struct.unpack("<i", struct.pack("<I", value))[0]
        bits = SIGNED[datatype]
        if not -(2 ** (bits - 1)) <= value < 2 ** (bits - 1):
            raise ValueError(f"{value} is no number of {bits} bits")
    elif datatype in UNSIGNED:
        if value >= 2 ** UNSIGNED[datatype]:
            raise ValueError(f"{value} is too large")
    elif datatype == 4:
        value = str(struct.unpack("<q", struct.pack("<Q", value))[0])
    elif datatype in (8, 13):
        value = str(value)
    elif datatype in (9, 10) and not math.isfinite(value):
        raise ValueError("no number")
    return value


def properties(metric):
    found = {}
    if len(metric.properties.keys) != len(metric.properties.values):
        raise ValueError("keys and values of properties differ in number")
    for key, value in zip(metric.properties.keys, metric.properties.values):
        found[key] = getattr(value, value.WhichOneof("value"))
        if key == "Quality" and (value.type != 3 or value.WhichOneof("value") != "int_value" or found[key] not in (0, 192, 500)):
            raise ValueError(f"Quality is {value}")
    return found


def chronological(metrics):
    times = [m.timestamp for m in metrics if not m.is_historical]
    return all(a <= b for a, b in zip(times, times[1:]))


def births(node, metrics, word):
    found = {}
    taken = set(node.own) | {alias for of in node.devices.values() for alias in of}
    for m in metrics:
        if not m.HasField("name") or not m.HasField("datatype") or not m.HasField("timestamp"):
            raise ValueError(f"a metric of {word} lacks its name, datatype or timestamp: {m}")
        typed(m, m.datatype)
        properties(m)
        if not m.HasField("alias"):
            continue
        if m.alias in taken or m.alias in found:
            raise ValueError(f"the alias {m.alias} comes twice")
        found[m.alias] = (m.name, m.datatype)
    if not chronological(metrics):
        raise ValueError(f"{word} is not in the order of its times")
    return found


def data(known, metrics, newest, where):
    for m in metrics:
        if m.HasField("name") or m.HasField("datatype"):
            raise ValueError("data repeats a name or a datatype")
        if not m.HasField("timestamp"):
            raise ValueError("a metric without its time")
        if m.alias not in known:
            raise ValueError(f"the alias {m.alias} was not born")
        name, datatype = known[m.alias]
        value = typed(m, datatype)
        if not m.is_historical:
            if m.timestamp < newest:
                raise ValueError(f"{name} goes back in time and is not historical")
            newest = m.timestamp
        say(kind="value", of=where, name=name, type=datatype, time=m.timestamp, value=value,
            historical=m.is_historical, properties=properties(m))
    return newest


def follows(node, payload):
    if not payload.HasField("seq") or not payload.HasField("timestamp"):
        raise ValueError("no seq or timestamp")
    expected = (node.seq + 1) % 256
    got = payload.seq
    node.seq = got
    if got != expected:
        raise ValueError(f"seq {got} where {expected} follows")


def arrived(word, node_id, device, payload, message):
    node = nodes.setdefault(node_id, Node())
    if message.retain:
        raise ValueError("retained")
    if message.qos != (1 if word == "NDEATH" else 0):
        raise ValueError(f"QoS {message.qos}")
    metrics = payload.metrics
    if word == "NBIRTH":
        if payload.seq != 0 or not payload.HasField("seq") or not payload.HasField("timestamp"):
            raise ValueError("no seq 0, or no timestamp")
        named = {m.name: m for m in metrics}
        bd, rebirth = named["bdSeq"], named["Node Control/Rebirth"]
        if bd.datatype != 4 or not 0 <= bd.long_value <= 255:
            raise ValueError(f"bdSeq is {bd}")
        if rebirth.datatype != 11 or rebirth.boolean_value or rebirth.HasField("alias"):
            raise ValueError("Rebirth is not false, or has an alias")
        again = node.online and node.bd == bd.long_value
        node.online, node.bd, node.seq, node.devices, node.newest, node.own = True, bd.long_value, 0, {}, {}, {}
        node.own = births(node, metrics, word)
        say(kind="nbirth", bd=node.bd, again=again, names=sorted(named),
            values={m.name: typed(m, m.datatype) for m in metrics})
    elif word == "NDEATH":
        if payload.HasField("seq") or len(metrics) != 1 or metrics[0].name != "bdSeq" or metrics[0].datatype != 4:
            raise ValueError(f"more than bdSeq in a death: {payload}")
        bd = metrics[0].long_value
        mine = node.online and node.bd == bd
        if mine:
            node.online = False
        say(kind="ndeath", bd=bd, mine=mine)
    else:
        if not node.online:
            raise ValueError(f"{word} of a node that is not born")
        follows(node, payload)
        if word == "NDATA":
            node.newest[""] = max(node.newest.get("", 0), 0)
            data(node.own, metrics, 0, "")
        elif word == "DBIRTH":
            node.devices.pop(device, None)
            node.devices[device] = births(node, metrics, word)
            values = [m.timestamp for m in metrics if not m.is_null]
            node.newest[device] = max(values, default=0)
            say(kind="dbirth", device=device,
                metrics=[{"name": m.name, "alias": m.alias, "type": m.datatype, "time": m.timestamp,
                          "value": typed(m, m.datatype), "properties": properties(m)} for m in metrics])
        elif device not in node.devices:
            raise ValueError(f"{word} of {device}, which is not born")
        elif word == "DDATA":
            if not chronological(metrics):
                raise ValueError("data is not in the order of its times")
            node.newest[device] = data(node.devices[device], metrics, node.newest.get(device, 0), device)
        elif word == "DDEATH":
            del node.devices[device]
            say(kind="ddeath", device=device)
        else:
            raise ValueError("an edge node does not send this")


def on_message(_client, _data, message):
    parts = message.topic.split("/")
    if parts[1] == "STATE" or parts[2] in ("NCMD", "DCMD"):
        return
    try:
        payload = pb.Payload.FromString(message.payload)
        wrong = strangers(payload)
        if wrong:
            raise ValueError("; ".join(wrong))
        if payload.ByteSize() != len(message.payload):
            raise ValueError("the payload is not in its shortest form")
        say(kind="message", word=parts[2], node=parts[3], device=parts[4] if len(parts) > 4 else None, bytes=len(message.payload))
        arrived(parts[2], parts[3], parts[4] if len(parts) > 4 else None, payload, message)
    except Exception as error:  # every fault is a violation, whatever it is
        say(kind="violation", topic=message.topic, words=f"{type(error).__name__}: {error}", hex=message.payload.hex()[:400])


client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id="sparkplug-host")
client.max_inflight_messages_set(1000)
client.on_message = on_message
client.on_connect = lambda c, *_: c.subscribe(f"spBv1.0/{group}/#", 1)
client.on_subscribe = lambda *_: say(kind="ready")
client.connect("127.0.0.1", port, 60)
client.loop_start()

for line in sys.stdin:
    order = json.loads(line)
    if "state" in order:
        client.publish(f"spBv1.0/STATE/{order['state']}", order["payload"], 1, order.get("retain", True)).wait_for_publish()
    elif "raw" in order:
        client.publish(f"spBv1.0/{group}/{order['raw']}", bytes.fromhex(order["hex"]), 0).wait_for_publish()
    else:
        payload = pb.Payload(timestamp=int(time.time() * 1000))
        for given in order["metrics"]:
            payload.metrics.add(**given)
        verb, rest = order["topic"].split("/", 1)
        client.publish(f"spBv1.0/{group}/{verb}/{rest}", payload.SerializeToString(), 0, order.get("retain", False)).wait_for_publish()
    say(kind="ordered")
