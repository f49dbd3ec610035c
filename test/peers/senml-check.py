"""Validates packs of SenML against rules in CDDL, with the engine of pycddl.

Usage: senml-check.py RULES    stdin: lines of JSON, {"json": the text of a pack} or {"cbor": a pack as hex}

It prints a line for each: empty, or what is wrong.
"""

import json
import sys

import cbor2
from pycddl import Schema, ValidationError

with open(sys.argv[1], encoding="utf-8") as file:
    rules = file.read()
VALUES = {"json": {"v": "number", "vs": "text", "vb": "truth"}, "cbor": {2: "number", 3: "text", 4: "truth"}}
MARKS = {"log", "boot", "inventory", "first", "last", "clock", "filtered", "every", "as"}
# (label of the base name, of the name, of the version)
NAMES = {"json": ("bn", "n", "bver"), "cbor": (-2, 0, -1)}
# RFC 9100, section 4: secondary units have a version of their own.
UNITS = {10: "primary-unit", 26: "primary-unit / secondary-unit"}
roots = ["marks", "name", *(f"{form}-{kind}" for form, kinds in VALUES.items() for kind in kinds.values())]
schemas = {
    (root, version): Schema(f"start = {root}\nunit = {units}\n{rules}") for root in roots for version, units in UNITS.items()
}


def refuse(word):
    raise ValueError(f"{word} is no JSON")


def number(text):
    if "E" in text:
        raise ValueError("the e of an exponent is small (RFC 8428, section 5)")
    return float(text)


def once(pairs):
    if len({key for key, _ in pairs}) != len(pairs):
        raise ValueError("a label comes twice")
    return dict(pairs)


def pack_of(order):
    if "json" in order:
        return "json", json.loads(order["json"], parse_constant=refuse, parse_float=number, object_pairs_hook=once)
    raw = bytes.fromhex(order["cbor"])
    # RFC 8428, section 6. An indefinite length is for streams.
    if raw[:1] == b"\x9f":
        raise ValueError("the list has no definite length")
    return "cbor", cbor2.loads(raw)


def check(order):
    form, pack = pack_of(order)
    if not isinstance(pack, list) or not pack:
        raise ValueError("a pack is a list of records")
    base, own, version = NAMES[form]
    name, of = "", 10
    for i, record in enumerate(pack):
        marks = {label: value for label, value in record.items() if i == 0 and label in MARKS}
        if i == 0:
            of = 26 if record.get(version) == 26 else 10
            schemas["marks", of].validate_cbor(cbor2.dumps(marks))
        elif version in record:
            raise ValueError("a version behind the first record (section 4.4: all records have one)")
        # Of two values the second is a label too many, and none is one too few.
        kind = next((kind for label, kind in VALUES[form].items() if label in record), "number")
        rest = {label: value for label, value in record.items() if label not in marks}
        schemas[f"{form}-{kind}", of].validate_cbor(cbor2.dumps(rest))
        name = record.get(base, name)
        schemas["name", of].validate_cbor(cbor2.dumps(name + record[own]))


for line in sys.stdin:
    try:
        check(json.loads(line))
        print()
    except (ValidationError, ValueError, cbor2.CBORDecodeError) as error:
        print(" ".join(str(error).split()) or type(error).__name__)
