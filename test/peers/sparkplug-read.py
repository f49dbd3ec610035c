"""Reads payloads of Sparkplug B, one in a line of stdin as hex, and prints each as a line of JSON.

Usage: sparkplug-read.py FOLDER    FOLDER has sparkplug_b_pb2.py

A line: {"strangers": [words], "metrics": [{"name", "alias", "timestamp", "datatype", "historical", "null", "value", "properties"}]}.
A value is [the name of its field, its bits]: whole numbers as decimal text, numbers as the hex of a double.
"""

import json
import struct
import sys

sys.path.insert(0, sys.argv[1])
sys.dont_write_bytecode = True
import sparkplug_b_pb2 as pb  # noqa: E402
from sparkplug_fields import strangers  # noqa: E402


def value(of):
    which = of.WhichOneof("value")
    if which is None:
        return None
    found = getattr(of, which)
    if which in ("float_value", "double_value"):
        return [which, struct.pack(">d", found).hex()]
    if which in ("boolean_value", "string_value"):
        return [which, found]
    return [which, str(found)]


def metric(of):
    own = lambda field: getattr(of, field) if of.HasField(field) else None  # noqa: E731
    return {
        "name": own("name"), "alias": own("alias"), "timestamp": own("timestamp"), "datatype": own("datatype"),
        "historical": own("is_historical"), "null": own("is_null"), "value": value(of),
        "properties": [[key, value(one)] for key, one in zip(of.properties.keys, of.properties.values)],
    }


for line in sys.stdin:
    payload = pb.Payload.FromString(bytes.fromhex(line.strip()))
    print(json.dumps({"strangers": strangers(payload), "metrics": [metric(one) for one in payload.metrics]}))
