#!/usr/bin/env python3
"""Golden vectors for Modbus values: every type in every order, made by Python's `struct` and `fractions`, not by Sluice.

    python3 test/cases/modbus-values/make.py > test/cases/modbus-values/vectors.jsonl

One JSON object a line. `point` holds the keys of a point as in a configuration; `wire` the registers as they travel, in
hexadecimal; `value` what it is told as (64-bit integers as text), or `reason` why it has no value. `written` is what writing
`value` leaves on the wire when `before` stood there (all zero without it); the same as `wire` where neither is given.
`refused` is a value that cannot be written.
"""
import json
import struct
from datetime import datetime, timezone
from decimal import Decimal
from fractions import Fraction

TWO = ["AB", "BA"]
FOUR = ["ABCD", "CDAB", "BADC", "DCBA"]


def on_wire(data, order):
    """Bytes in the order of the value -> bytes on the wire, by the letters alone: A is the most significant byte of a
    register (AB, BA) or of two (ABCD …); of four registers the letters stand for words."""
    words = [data[i : i + 2] for i in range(0, len(data), 2)]
    if order in ("CDAB", "DCBA"):
        words.reverse()
    if order in ("BA", "BADC", "DCBA"):
        words = [word[::-1] for word in words]
    return b"".join(words)


def emit(point, wire, **rest):
    print(json.dumps({"point": point, "wire": wire.hex().upper(), **rest}, ensure_ascii=False))


def refuse(point, value):
    print(json.dumps({"point": point, "refused": value}, ensure_ascii=False))


def integers():
    for name, code, size in [
        ("int16", ">h", 2),
        ("uint16", ">H", 2),
        ("int32", ">i", 4),
        ("uint32", ">I", 4),
        ("int64", ">q", 8),
        ("uint64", ">Q", 8),
    ]:
        bits = size * 8
        signed = name[0] == "i"
        low = -(1 << (bits - 1)) if signed else 0
        high = low + (1 << bits) - 1
        pattern = int.from_bytes(bytes(range(0x12, 0x12 + size * 0x11, 0x11)), "big")
        told = str if size == 8 else int
        for order in TWO if size == 2 else FOUR:
            for number in sorted({low, low + 1, -1 if signed else 1, 0, 1, 258, pattern, high - 1, high}):
                emit({"type": name, "order": order}, on_wire(struct.pack(code, number), order), value=told(number))
        refuse({"type": name}, told(low - 1))
        refuse({"type": name}, told(high + 1))
    # One byte of a register: the low one, with BA the high one. The other byte belongs to somebody else.
    for name, code in [("int8", ">b"), ("uint8", ">B")]:
        for order in TWO:
            for number in [-128, -2, 0, 1, 127] if name == "int8" else [0, 1, 127, 128, 255]:
                byte = struct.pack(code, number)
                for other in [b"\x00", b"\xa5", b"\xff"]:
                    emit({"type": name, "order": order}, on_wire(other + byte, order), value=number, before=on_wire(other + b"\x3c", order).hex().upper())
    refuse({"type": "int8"}, -129)
    refuse({"type": "int8"}, 128)
    refuse({"type": "uint8"}, -1)
    refuse({"type": "uint8"}, 256)


def shortest(number, data, code):
    """The fewest digits that are still the same float; whole numbers below 2^53 as they are."""
    if number == int(number) and abs(number) < 2**53:
        return number
    for digits in range(1, 18):
        text = "%.*g" % (digits, number)
        try:
            if struct.pack(code, float(text)) == data:
                return float(text)
        except OverflowError:
            pass
    raise AssertionError(number)


def floats():
    for name, code, patterns in [
        (
            "float16",
            ">e",
            # zero, subnormals (smallest, largest), smallest normal, one and its neighbour, 23.4, largest, infinities, NaNs
            "0000 8000 0001 8001 03FF 0400 8400 3C00 3C01 BC00 4DDA CD9A 7BFF FBFF 2E66 3555 7C00 FC00 7C01 7E00 FFFF",
        ),
        (
            "float32",
            ">f",
            "00000000 80000000 00000001 80000001 007FFFFF 00800000 3F800000 3F800001 BF800000 41BB3333 C2C7CCCD 43660000 "
            "4B7FFFFF 4B800000 48000001 3DCCCCCD 3EAAAAAB 49742400 5A0E1BCA 7F7FFFFF FF7FFFFF 501502F9 0DA24260 "
            "7F800000 FF800000 7F800001 7FC00000 FFC00000 FFFFFFFF",
        ),
        (
            "float64",
            ">d",
            "0000000000000000 8000000000000000 0000000000000001 8000000000000001 000FFFFFFFFFFFFF 0010000000000000 "
            "3FF0000000000000 3FF0000000000001 BFF0000000000000 3FB999999999999A 4037666666666666 C058F9999999999A "
            "433FFFFFFFFFFFFF 4340000000000000 7FEFFFFFFFFFFFFF FFEFFFFFFFFFFFFF 3FD5555555555555 "
            "7FF0000000000000 FFF0000000000000 7FF0000000000001 7FF8000000000000 FFFFFFFFFFFFFFFF",
        ),
    ]:
        for order in TWO if name == "float16" else FOUR:
            for pattern in patterns.split():
                data = bytes.fromhex(pattern)
                (number,) = struct.unpack(code, data)
                point = {"type": name, "order": order}
                if number != number or number in (float("inf"), float("-inf")):
                    emit(point, on_wire(data, order), reason="not-a-number")
                else:
                    emit(point, on_wire(data, order), value=shortest(number, data, code))
    # Half of the distance beyond the largest float rounds to infinity (IEEE 754, ties to even), and is refused.
    refuse({"type": "float16"}, 65520)
    refuse({"type": "float16"}, -1e9)
    refuse({"type": "float32"}, 3.4028235677973366e38)
    refuse({"type": "float32"}, -1e300)
    refuse({"type": "float32"}, "warm")
    # Between two float16 the nearer one is written, in the middle the even one.
    for number in [1.0004, 1.0006, 1 + 1 / 2048, 1 + 3 / 2048, 65519, 3e-8, 2.9e-8, 6.1e-5, -6.104e-5]:
        data = struct.pack(">e", number)
        (nearest,) = struct.unpack(">e", data)
        emit({"type": "float16"}, data, value=shortest(nearest, data, ">e"), write=number)


def decimals():
    """Binary coded decimals, one digit in each half byte."""
    for name, digits in [("bcd16", 4), ("bcd32", 8)]:
        for order in TWO if digits == 4 else FOUR:
            for number in [0, 1, 9, 10, 1234, 9999] + ([12345678, 99999999, 90000001] if digits == 8 else []):
                emit({"type": name, "order": order}, on_wire(bytes.fromhex(str(number).zfill(digits)), order), value=number)
            for letters in ["000A", "A000", "12F4", "FFFF"]:
                emit({"type": name, "order": order}, on_wire(bytes.fromhex(letters.zfill(digits)), order), reason="invalid")
        refuse({"type": name}, -1)
        refuse({"type": name}, 10**digits)


def scales():
    """Fixed point and decimal scales, exact: told as the double nearest to raw × scale + offset."""
    cases = [
        ("int16", ">h", [-32768, -1, 0, 1, 3, 234, 32767], ["0.1", "0.01", "0.001", "10", "0.5"], ["0", "-40"]),
        ("uint16", ">H", [0, 1, 3, 29, 1005, 65535], ["0.1", "0.0001", "5"], ["0", "273.15"]),
        ("int32", ">i", [-(2**31), -1, 0, 7, 123456789, 2**31 - 1], ["0.1", "0.001"], ["0", "-0.05"]),
        ("uint32", ">I", [0, 1, 3, 4294967295], ["0.01", "1000"], ["0"]),
        # Q8.8, Q1.15, Q16.16: the scale is a power of two, so every value is exact.
        ("int16", ">h", [-32768, -257, -1, 0, 1, 384, 32767], ["0.00390625", "0.000030517578125"], ["0"]),
        ("int32", ">i", [-(2**31), -65537, -1, 0, 1, 98304, 2**31 - 1], ["0.0000152587890625"], ["0"]),
    ]
    for name, code, numbers, all_scales, offsets in cases:
        for scale in all_scales:
            for offset in offsets:
                for number in numbers:
                    exact = Fraction(number) * Fraction(Decimal(scale)) + Fraction(Decimal(offset))
                    point = {"type": name, "scale": float(scale)}
                    if offset != "0":
                        point["offset"] = float(offset)
                    emit(point, struct.pack(code, number), value=float(exact))
    refuse({"type": "int16", "scale": 0.1}, 3276.8)
    refuse({"type": "uint16", "scale": 0.1}, -0.1)


def fields():
    """bool, single bits and numbers from several bits, counted from the least significant bit after the order."""
    for order in TWO:
        for number in [0, 1, 256, 65535]:
            rest = {} if number < 2 else {"written": on_wire(struct.pack(">H", 1), order).hex().upper()}
            emit({"type": "bool", "order": order}, on_wire(struct.pack(">H", number), order), value=number != 0, **rest)
    for name, size, orders in [("uint16", 2, TWO), ("int16", 2, TWO), ("uint32", 4, FOUR), ("int32", 4, FOUR)]:
        bits = size * 8
        for order in orders:
            for register in [0, 0x9CA35E71 >> (32 - bits), (1 << bits) - 1]:
                wire = on_wire(register.to_bytes(size, "big"), order)
                other = on_wire((register ^ ((1 << bits) - 1)).to_bytes(size, "big"), order)
                for bit in [0, 1, 8, bits - 1]:
                    flipped = on_wire((register ^ (1 << bit)).to_bytes(size, "big"), order)
                    emit({"type": name, "order": order, "bit": bit}, wire, value=bool(register >> bit & 1), before=flipped.hex().upper())
                for first, count in [(0, 1), (4, 3), (3, 7), (bits - 5, 5), (0, bits - 1), (1, bits - 1)]:
                    mask = (1 << count) - 1
                    number = register >> first & mask
                    # The other bits keep what they were.
                    kept = int.from_bytes(on_wire(other, order), "big") & ~(mask << first)
                    after = on_wire((kept | number << first).to_bytes(size, "big"), order)
                    if name[0] == "i" and number >> (count - 1):
                        number -= 1 << count
                    point = {"type": name, "order": order, "bits": {"first": first, "count": count}}
                    emit(point, wire, value=number, before=other.hex().upper(), written=after.hex().upper())
    refuse({"type": "uint16", "bits": {"first": 4, "count": 3}}, 8)
    refuse({"type": "uint16", "bits": {"first": 4, "count": 3}}, -1)
    refuse({"type": "int16", "bits": {"first": 4, "count": 3}}, 4)
    refuse({"type": "int16", "bits": {"first": 4, "count": 3}}, -5)
    emit({"type": "uint16", "bits": {"first": 8, "count": 4}, "scale": 0.5}, bytes.fromhex("0700"), value=3.5)
    labels = {"0": "stopped", "1": "starting", "5": "fault"}
    emit({"type": "uint16", "bits": {"first": 2, "count": 3}, "enum": labels}, bytes.fromhex("0014"), value="fault")
    refuse({"type": "uint16", "bits": {"first": 2, "count": 3}, "enum": labels}, "asleep")


def labels():
    names = {"0": "off", "1": "on", "300": "fault", "-1": "unknown"}
    for name, code, order in [("uint16", ">H", "AB"), ("int16", ">h", "BA"), ("int32", ">i", "CDAB"), ("int8", ">b", "AB")]:
        for raw in [0, 1, 300, -1]:
            if (raw < 0 and name[0] == "u") or (raw > 127 and name == "int8"):
                continue
            data = struct.pack(code, raw)
            emit({"type": name, "order": order, "enum": names}, on_wire(b"\x00" + data if name == "int8" else data, order), value=names[str(raw)])
    emit({"type": "bcd16", "enum": {"10": "ten"}}, bytes.fromhex("0010"), value="ten")
    refuse({"type": "uint16", "enum": names}, "broken")


def invalid():
    """Raw numbers by which a device says that it has none; SunSpec's are 0x8000, 0xFFFF, 0x80000000, 0xFFFFFFFF, NaN."""
    for name, wire, marks in [
        ("int16", "8000", [0x8000]),
        ("int16", "8000", [-32768]),
        ("int16", "FFFF", ["0xFFFF"]),
        ("uint16", "FFFF", [0xFFFF]),
        ("uint16", "FFFF", [-1]),
        ("int32", "80000000", [0x80000000]),
        ("uint32", "FFFFFFFF", ["0xFFFFFFFF"]),
        ("int64", "8000000000000000", ["0x8000000000000000"]),
        ("uint64", "FFFFFFFFFFFFFFFF", ["18446744073709551615"]),
        ("int8", "0080", [128]),
        ("uint8", "12FF", [255]),
        ("bcd16", "9999", [9999]),
        ("float16", "FBFF", ["0xFBFF"]),
        ("float32", "C2C7CCCD", [-99.9]),
        ("float32", "7F7FFFFF", ["0x7F7FFFFF"]),
        ("float64", "C08F380000000000", [-999]),
        ("float64", "7FEFFFFFFFFFFFFF", ["0x7FEFFFFFFFFFFFFF"]),
        ("datetime", "00000000", [0]),
        ("datetime", "FFFFFFFF", [-1]),
    ]:
        emit({"type": name, "invalid": marks}, bytes.fromhex(wire), reason="invalid")
    # The whole register of a bit or a bit field is compared.
    emit({"type": "uint16", "bit": 3, "invalid": [0xFFFF]}, bytes.fromhex("FFFF"), reason="invalid")
    emit({"type": "uint16", "bit": 3, "invalid": [0xFFFF]}, bytes.fromhex("0008"), value=True)
    emit({"type": "uint32", "bits": {"first": 0, "count": 4}, "invalid": [15, "0xFFFFFFFF"]}, bytes.fromhex("FFFFFFFF"), reason="invalid")
    emit({"type": "int32", "bits": {"first": 0, "count": 4}, "invalid": [0x80000000]}, bytes.fromhex("80000000"), reason="invalid")
    emit({"type": "uint16", "bits": {"first": 0, "count": 4}, "invalid": [15]}, bytes.fromhex("001F"), value=15, before="0010")


def strings():
    for order in TWO:
        for length, text in [(1, "A"), (2, "SDM"), (4, "SDM120"), (4, "SDM120-M"), (4, "µgrün"), (2, ""), (5, "v 1.02 b")]:
            data = text.encode().ljust(length * 2, b"\x00")
            emit({"type": "string", "length": length, "order": order}, on_wire(data, order), value=text)
        # Padded with blanks, and with rubbish behind the end.
        for data, text in [(b"AB12    ", "AB12"), (b"AB\x00\x00rest", "AB"), (b"  x \x00   ", "  x")]:
            clean = text.encode().ljust(len(data), b"\x00")
            emit({"type": "string", "length": len(data) // 2, "order": order}, on_wire(data, order), value=text, written=on_wire(clean, order).hex().upper())
        # No UTF-8: read as Latin-1. Control characters: blanks.
        emit({"type": "string", "length": 2, "order": order}, on_wire(b"\xb5A  ", order), value="µA", written=on_wire("µA".encode().ljust(4, b"\x00"), order).hex().upper())
        emit({"type": "string", "length": 2, "order": order}, on_wire(b"a\x1b[m", order), value="a [m", written=on_wire(b"a [m", order).hex().upper())
    refuse({"type": "string", "length": 2}, "SDM12")
    refuse({"type": "string", "length": 1}, "µ²")


def times():
    moments = [(2001, 1, 1, 0, 0, 0), (2024, 2, 29, 23, 59, 59), (2026, 10, 31, 12, 30, 5), (2099, 12, 31, 1, 2, 3)]
    for at in moments:
        plain = datetime(*at).isoformat()
        seconds = int(datetime(*at, tzinfo=timezone.utc).timestamp())
        for order in FOUR:
            emit({"type": "datetime", "order": order}, on_wire(struct.pack(">I", seconds), order), value=plain + "Z")
        year, month, day, hour, minute, second = at
        packed = struct.pack(">6B", year - 2000, month, day, hour, minute, second)
        # IEC 60870-5-4 as power meters have it: milliseconds of the minute last.
        meter = struct.pack(">4H", year - 2000, month << 8 | day, hour << 8 | minute, second * 1000)
        each = struct.pack(">6H", *at)
        for order in TWO:
            for length, data in [(3, packed), (4, meter), (6, each)]:
                emit({"type": "datetime", "length": length, "order": order}, on_wire(data, order), value=plain)
    emit({"type": "datetime"}, struct.pack(">I", 2**32 - 1), value=datetime.fromtimestamp(2**32 - 1, timezone.utc).isoformat().replace("+00:00", "Z"))
    emit({"type": "datetime", "length": 4}, struct.pack(">4H", 26, 10 << 8 | 31, 12 << 8 | 30, 5001), value="2026-10-31T12:30:05.001")
    # Day of the week and summer time stand in bits that are not told; bit 7 of the minute says that the time is not valid.
    emit({"type": "datetime", "length": 4}, struct.pack(">4H", 26, 10 << 8 | 6 << 5 | 31, (128 | 12) << 8 | 30, 0), value="2026-10-31T12:30:00", written="001A0A1F0C1E0000")
    emit({"type": "datetime", "length": 4}, struct.pack(">4H", 26, 10 << 8 | 31, 12 << 8 | 128 | 30, 0), reason="invalid")
    for length, words in [(3, [0x1A02, 0x1D17, 0x3B3A]), (3, [0, 0, 0]), (6, [0xFFFF] * 6), (6, [2026, 13, 1, 0, 0, 0]), (6, [2026, 1, 1, 24, 0, 0]), (4, [26, 0, 0, 0])]:
        emit({"type": "datetime", "length": length}, struct.pack(">%dH" % length, *words), reason="invalid")
    refuse({"type": "datetime"}, "2026-02-30T00:00:00Z")
    refuse({"type": "datetime"}, "1969-12-31T23:59:59Z")
    refuse({"type": "datetime"}, "2106-02-07T06:28:16Z")
    refuse({"type": "datetime", "length": 3}, "1999-12-31T23:59:59")
    refuse({"type": "datetime", "length": 6}, "tomorrow")


for part in [integers, floats, decimals, scales, fields, labels, invalid, strings, times]:
    part()
