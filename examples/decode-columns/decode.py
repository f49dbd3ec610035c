#!/usr/bin/env python3
"""Decodes payloads of `format: columns`: prints a JSON line for each record, as `sluice export --format jsonl` does.

64-bit integers are texts, since most readers of JSON round them.

Usage: decode.py FILE...        (payloads as they came; - reads one from standard input)
Needs Python 3.9 and nothing else. docs/reference/formats/columns.md describes the bytes.
"""
import json, math, struct, sys, zlib
from decimal import ROUND_HALF_UP, Context, Decimal

BAD = " timeout disconnected crc bad-reply exception not-a-number invalid unparsable not-there not-ready".split(" ")
REASONS = {**dict(enumerate(BAD)), 128: "out-of-range", 129: "too-fast", 130: "retained", 131: "partial"}
ABSENT, NOISY, FLOAT32, FLOAT64, BOOLEAN, INTEGER64, STRING = 255, 64, 16, 17, 18, 19, 20
MOST = 64 * 1024 * 1024  # no part inflates to more


class Reader:
    """Reads bytes and bits, one after the other. `noise` has bits of numbers that nothing could make shorter."""
    def __init__(self, data, noise=None):
        self.data, self.noise, self.bit = data, noise, 0

    def bits(self, n):  # the highest bit first
        at, self.bit = self.bit, self.bit + n
        if self.bit > 8 * len(self.data):
            raise ValueError("the payload ends too early")
        return int.from_bytes(self.data[at // 8:(self.bit + 7) // 8], "big") >> -self.bit % 8 & (1 << n) - 1

    def bytes(self, n):  # from the next full byte on
        at = (self.bit + 7) // 8
        self.bit = 8 * (at + n)
        if at + n > len(self.data):
            raise ValueError("the payload ends too early")
        return self.data[at:at + n]

    def unsigned(self):  # LEB128
        value = 0
        for shift in range(0, 63, 7):
            b = self.bytes(1)[0]
            value |= (b & 0x7F) << shift
            if b < 0x80:
                return value
        raise ValueError("a number is too long")

    def signed(self, noisy=False):  # LEB128 and zigzag; noisy, a length and sign, and the bits below the highest one in the noise
        v = self.bytes(1)[0] if noisy else self.unsigned()
        if not noisy:
            return v >> 1 ^ -(v & 1)
        n = v >> 1
        size = n if n < 2 else 1 << n - 1 | self.noise.bits(n - 1)
        return -size if v & 1 else size


def unseal(blob):
    """-> the deflated part, inflated, with the noise beside it. A CRC-32 covers both."""
    noise, crc = struct.unpack("<II", blob[-8:])
    if zlib.crc32(blob[:-4]) != crc:
        raise ValueError("the payload is damaged (checksum)")
    end = len(blob) - 8
    return Reader(zlib.decompressobj(-15).decompress(blob[:end - noise], MOST), Reader(blob[end - noise:end]))


def holds(number, four):
    """-> whether these are the four bytes of a number. The largest float32 has neighbours that none can hold."""
    try:
        return struct.pack(">f", number) == four
    except OverflowError:
        return False


def shortest32(order):
    """A float32 by its place among all float32, as the number with the fewest decimals, or digits, that still is this one."""
    four = struct.pack(">I", 0x7FFFFFFF - order if order < 0 else order)
    (v,) = struct.unpack(">f", four)
    for k in range(9) if 1e-3 < abs(v) < 1e9 else ():
        x = v * 10 ** k
        r = (math.floor(x) + (x - math.floor(x) >= 0.5)) / 10 ** k  # halves upwards
        if holds(r, four):
            return r
    digits = (float(Context(prec=n, rounding=ROUND_HALF_UP).create_decimal(Decimal(v))) for n in range(1, 10))
    return next(r for r in digits if holds(r, four))


def eights(data, n, form, unsigned):
    """Eight bytes a value, bytes of equal weight side by side, the lowest first: doubles, or integers as texts."""
    x = 0
    for change in zip(*[data.bytes(n) for _ in range(8)]):
        change = int.from_bytes(change, "little")
        x = x ^ change if form == FLOAT64 else x + change & (1 << 64) - 1
        yield struct.unpack("<d", struct.pack("<Q", x))[0] if form == FLOAT64 else str(x if unsigned else x - (x >> 63 << 64))


def columns(data, points, records):
    """Reads the points of a shape into its records."""
    doubtful = data.bytes(1) != b"\0"
    reasons = [data.bytes(len(records)) if doubtful else bytes(len(records)) for _ in points]
    counts = [sum(r == 0 or 128 <= r < ABSENT for r in column) for column in reasons]
    marks = data.bytes(len(points))
    forms = [mark & ~NOISY for mark in marks]
    values = [[data.bits(1) == 1 for _ in range(n)] if form == BOOLEAN else [] for form, n in zip(forms, counts)]
    firsts = {}
    for kind in (range(7), [FLOAT32]):
        noisy, x = data.bytes(1) == b"\1", 0
        for p in (p for p, form in enumerate(forms) if form in kind):
            firsts[p] = x = x + data.signed(noisy)
    for p, ((name, kind, *_), form, n) in enumerate(zip(points, forms, counts)):
        if p in firsts:
            numbers, noisy = [firsts[p]], marks[p] != form
            while len(numbers) < n:
                numbers.append(numbers[-1] + data.signed(noisy))
            values[p] = [shortest32(x) if form == FLOAT32 else x / 10 ** form for x in numbers]
        elif form in (FLOAT64, INTEGER64):
            values[p] = eights(data, n, form, kind == "uint64")
        elif form == STRING:
            values[p] = [data.bytes(data.unsigned()).decode("utf-8", "replace") for _ in range(n)]
        left = iter(values[p])
        for record, reason in zip(records, reasons[p]):
            if reason == 0 or 128 <= reason < ABSENT:
                record["values"][name] = next(left)
            if 0 < reason < ABSENT:
                record.setdefault("uncertain" if reason >= 128 else "bad", {})[name] = REASONS.get(reason, f"reason-{reason}")
    data.noise.bytes(0)


def block(data, head):
    """-> the records of a block, shape by shape."""
    if data.bytes(1) != b"\1":
        raise ValueError("the version of the block is not known")
    n = data.unsigned()
    by_id = {shape.get("id", place): shape for place, shape in enumerate(head["shapes"])}
    shapes = [{**by_id[data.unsigned()], "records": []} for _ in range(data.unsigned())]
    seq = at = 0
    place = -1
    seqs = [seq := seq + data.unsigned() for _ in range(n)]
    order = [shapes[place := (place + 1 + data.unsigned()) % len(shapes)] for _ in range(n)]
    for seq, shape in zip(seqs, order):
        change = data.signed() + shape.get("step", 0)
        if "at" in shape:
            shape.setdefault("step", change)
        at = shape["at"] = shape.get("at", at) + change
        record = {"log": head["log"], "seq": seq, "boot": head["boot"], "device": shape["device"]}
        shape["records"].append({**record, "time": at + head["offset"], "values": {}})
    for _ in range(2 * len(shapes)):
        data.unsigned()  # lengths, for those who skip a shape
    for shape in shapes:
        columns(data, shape["points"], shape["records"])
    return [record for shape in shapes for record in shape["records"]]


def decode(payload):
    """-> the head of a payload, and its records in the order of their numbers."""
    if payload[:4] != b"SLC\x01":
        raise ValueError("this is not a payload of `format: columns`, version 1")
    rest, parts = Reader(payload[4:]), []
    while rest.bit < 8 * len(rest.data):
        parts.append(unseal(rest.bytes(*struct.unpack("<I", rest.bytes(4)))))
    head = json.loads(parts[0].data)
    clock = {"clock": head["clock"]} if "clock" in head else {}
    records = [{**record, **clock} for part in parts[1:] for record in block(part, head)]
    return head, sorted(records, key=lambda record: record["seq"])


if __name__ == "__main__":
    for name in sys.argv[1:] or ["-"]:
        data = sys.stdin.buffer.read() if name == "-" else open(name, "rb").read()
        for record in decode(data)[1]:
            print(json.dumps(record, ensure_ascii=False, separators=(",", ":")))
