#!/usr/bin/env python3
"""Golden cases for writing: what goes over the wire for what somebody typed, made by Python's `struct`, not by Sluice.

    python3 test/cases/modbus-writes/make.py > test/cases/modbus-writes/cases.jsonl

One JSON object a line. `point` holds the keys of a point as in a configuration, `given` what was typed, `before` what the
registers from the address on held, in hexadecimal. Either `pdu` is the request that writes it and `value` what the point
then shows (64-bit integers as text), or `refused` says why nothing is sent (a part of the words).
"""
import json
import struct
from datetime import datetime, timezone

AT = 3
BOUNDS = {"min": -1e9, "max": 1e9}


def case(point, given, **rest):
    print(json.dumps({"point": {"table": "holding", "address": AT, "write": BOUNDS, **point}, "given": given, **rest}, ensure_ascii=False))


def registers(data):
    """One register with function 6, more with function 16 (MODBUS Application Protocol V1.1b3, sections 6.6 and 6.12)."""
    if len(data) == 2:
        return (struct.pack(">BH", 6, AT) + data).hex().upper()
    return (struct.pack(">BHHB", 16, AT, len(data) // 2, len(data)) + data).hex().upper()


def coil(on):
    return struct.pack(">BHH", 5, AT, 0xFF00 if on else 0).hex().upper()


# What a person types becomes what the type holds.
case({"type": "int16"}, "-12", pdu=registers(struct.pack(">h", -12)), value=-12)
case({"type": "uint16"}, " 7 ", pdu=registers(struct.pack(">H", 7)), value=7)
case({"type": "uint16"}, 7, pdu=registers(struct.pack(">H", 7)), value=7)
case({"type": "uint16"}, "1e3", pdu=registers(struct.pack(">H", 1000)), value=1000)
case({"type": "uint16", "order": "BA"}, "258", pdu=registers(struct.pack("<H", 258)), value=258)
case({"type": "int32", "order": "CDAB"}, "-2", pdu=registers(struct.pack(">HH", 0xFFFE, 0xFFFF)), value=-2)
case({"type": "float32"}, "23.4", pdu=registers(struct.pack(">f", 23.4)), value=23.4)
case({"type": "float64"}, ".1", pdu=registers(struct.pack(">d", 0.1)), value=0.1)
case({"type": "float16"}, "1.5", pdu=registers(struct.pack(">e", 1.5)), value=1.5)
case({"type": "bcd16"}, "1234", pdu=registers(b"\x12\x34"), value=1234)
# Scaled: on a step, also when the number was computed, or not at all.
case({"type": "int16", "scale": 0.1}, "4.5", pdu=registers(struct.pack(">h", 45)), value=4.5)
case({"type": "int16", "scale": 0.1}, 0.1 * 217, pdu=registers(struct.pack(">h", 217)), value=21.7)
case({"type": "int16", "scale": 0.1}, "1.23", refused="1.23 is between two steps of 0.1; write 1.2 or 1.3")
case({"type": "int16", "scale": 0.5, "offset": -40}, "-10.5", pdu=registers(struct.pack(">h", 59)), value=-10.5)
case({"type": "uint16", "scale": 5}, "12", refused="12 is between two steps of 5; write 10 or 15")
case({"type": "uint16"}, "1.5", refused="1.5 is not a whole number, and uint16 holds only whole numbers; write 1 or 2")
# 64 bits are more than a number carries.
case({"type": "uint64", "write": {"min": 0, "max": 1.8446744073709552e19}}, str(2**64 - 1), pdu=registers(struct.pack(">Q", 2**64 - 1)), value=str(2**64 - 1))
case({"type": "int64", "write": {"min": -1e19, "max": 1e19}}, str(-(2**63)), pdu=registers(struct.pack(">q", -(2**63))), value=str(-(2**63)))
case({"type": "int64"}, 5, pdu=registers(struct.pack(">q", 5)), value="5")
case({"type": "int64", "write": {"min": -1e19, "max": 1e19}}, 2.0**60, refused="more digits than a number can carry; give it as a text")
case({"type": "int64"}, "1.5", refused="1.5 is not a whole number")
# Bounds, whatever form the value has.
for given in ["31", 31, "3.1e1"]:
    case({"type": "uint16", "write": {"min": 10, "max": 30}}, given, refused="31 is above 30, the highest value that may be written")
case({"type": "uint64", "write": {"min": 10, "max": 30}}, "9", refused="9 is below 10, the lowest value that may be written")
case({"type": "uint16", "write": {"min": -5, "max": 30}}, "-1", refused="raw -1 is outside 0 to 65535")
# What is not a number.
case({"type": "uint16"}, "warm", refused='"warm" is not a number')
case({"type": "uint16"}, "", refused='"" is not a number')
case({"type": "uint16"}, "0x10", refused='"0x10" is not a number')
case({"type": "float32"}, "4,5", refused="4,5 is not a number; write it with a point: 4.5")
case({"type": "float32"}, "NaN", refused='"NaN" is not a number')
case({"type": "float32"}, "1e999", refused='"1e999" is not a number')
case({"type": "uint16"}, True, refused="true is not a number")
# Bools, in coils, in registers, in bits.
for given, on in [("on", True), ("TRUE", True), ("1", True), (1, True), (True, True), ("off", False), (0, False), (False, False)]:
    case({"table": "coil", "type": "bool", "write": {}}, given, pdu=coil(on), value=on)
case({"table": "coil", "type": "bool", "write": {}}, "2", refused="2 is neither true nor false")
case({"table": "coil", "type": "bool", "write": {}}, "yes", refused="yes is neither true nor false")
case({"type": "bool", "write": {}}, "true", pdu=registers(b"\x00\x01"), value=True)
case({"type": "uint16", "bit": 3, "write": {}}, "on", before="F0F0", pdu=registers(b"\xF0\xF8"), value=True)
case({"type": "uint16", "bit": 15, "order": "BA", "write": {}}, "off", before="0080", pdu=registers(b"\x00\x00"), value=False)
case({"type": "uint16", "bits": {"first": 4, "count": 3}}, "5", before="FFFF", pdu=registers(b"\xFF\xDF"), value=5)
case({"type": "uint16", "bits": {"first": 4, "count": 3}}, "8", before="FFFF", refused="raw 8 is outside 0 to 7")
case({"type": "uint8"}, "18", before="ABCD", pdu=registers(b"\xAB\x12"), value=18)
# Labels: by their word or their raw number, and no others.
LABELS = {"0": "off", "1": "on", "7": "defrost"}
case({"type": "uint16", "enum": LABELS, "write": {}}, "defrost", pdu=registers(b"\x00\x07"), value="defrost")
case({"type": "uint16", "enum": LABELS, "write": {}}, "7", pdu=registers(b"\x00\x07"), value="defrost")
case({"type": "uint16", "enum": LABELS, "write": {}}, 1, pdu=registers(b"\x00\x01"), value="on")
case({"type": "uint16", "enum": LABELS, "write": {}}, "5", refused="5 is not one of its values: off (0), on (1), defrost (7)")
case({"type": "uint16", "enum": LABELS, "write": {}}, "On", refused="On is not one of its values")
case({"type": "uint16", "enum": LABELS, "write": {"min": 0, "max": 1}}, "defrost", refused="7 is above 1")
case({"table": "coil", "type": "bool", "enum": {"0": "shut", "1": "open"}, "write": {}}, "open", pdu=coil(True), value="open")
case({"table": "coil", "type": "bool", "enum": {"0": "shut", "1": "open"}, "write": {}}, False, pdu=coil(False), value="shut")
# Texts and times.
case({"type": "string", "length": 3, "write": {}}, "PUMP", pdu=registers(b"PUMP\0\0"), value="PUMP")
case({"type": "string", "length": 2, "order": "BA", "write": {}}, "PUMP", pdu=registers(b"UPPM"), value="PUMP")
case({"type": "string", "length": 2, "write": {}}, "PUMP1", refused="it has room for 4 characters, this has 5")
case({"type": "string", "length": 4, "write": {}}, "Tür", refused="it takes letters, digits and signs of ASCII only")
case({"type": "string", "length": 4, "write": {}}, 12, refused="it is a text, and 12 is none; write it in quotes")
seconds = int(datetime(2026, 1, 31, 8, 0, 0, tzinfo=timezone.utc).timestamp())
case({"type": "datetime", "length": 2, "write": {}}, "2026-01-31T08:00:00Z", pdu=registers(struct.pack(">I", seconds)), value="2026-01-31T08:00:00Z")
case({"type": "datetime", "length": 6, "write": {}}, "2026-01-31T08:00:05", pdu=registers(struct.pack(">6H", 2026, 1, 31, 8, 0, 5)), value="2026-01-31T08:00:05")
case({"type": "datetime", "length": 2, "write": {}}, "2026-02-30T08:00:00Z", refused="2026-02-30T08:00:00Z is not a time that it can hold; write it as 2026-01-31T08:00:00Z")
case({"type": "datetime", "length": 6, "write": {}}, "yesterday", refused="yesterday is not a time that it can hold; write it as 2026-01-31T08:00:00")
# Tables that can only be read, and points without leave.
for table in ["input", "discrete"]:
    case({"table": table, "type": "uint16" if table == "input" else "bool"}, "1", refused=f"{table} can only be read")
case({"type": "uint16", "write": None}, "1", refused="it may not be written")
